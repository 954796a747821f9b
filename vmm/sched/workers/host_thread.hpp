// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/error.hpp>

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace vmm::sched {

/// How the host's kernel shall treat one thread.
struct HostThread {
    std::string name;            ///< As `ps -L` shows it; the host keeps 15 bytes.
    std::vector<unsigned> cpus;  ///< Where it may run; empty: wherever its creator may.
    std::optional<int> nice;     ///< -20 to 19; nothing: its creator's.
    std::optional<int> fifo;     ///< SCHED_FIFO at this priority, 1 to 99.
};

/// Makes the calling thread such a one. ErrorKind::unavailable: the host refuses; the message says
/// what, for which thread, and which limit or capability would allow it.
Result<void> apply_to_this_thread(const HostThread& thread);

/// CPUs that the calling thread may run on, in ascending order (sched_getaffinity(2)).
std::vector<unsigned> allowed_cpus();

/// As taskset(1) writes ascending CPUs: "0-3,8".
std::string cpu_list_text(std::span<const unsigned> cpus);

}  // namespace vmm::sched
