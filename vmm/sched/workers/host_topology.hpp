// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sched/policy/topology.hpp"

#include <filesystem>
#include <span>
#include <vector>

namespace vmm::sched {

/// Where these CPUs of the host are, as the host's kernel tells it (Linux,
/// Documentation/ABI/stable/sysfs-devices-system-cpu): empty where it tells nothing of one of them.
/// `system`: for tests.
std::vector<CpuPlace> host_places(
    std::span<const unsigned> cpus, const std::filesystem::path& system = "/sys/devices/system"
);

}  // namespace vmm::sched
