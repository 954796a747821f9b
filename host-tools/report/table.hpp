// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/fleet.hpp>

#include <string>

namespace tools {

/// What each guest did at each level, for people.
std::string level_table(const vmm::FleetReport& report);

/// Nanoseconds with three digits and a unit: "1.25 ms".
std::string human_time(vmm::Nanos nanoseconds);
/// Bytes likewise: "64.0 KiB".
std::string human_bytes(std::uint64_t bytes);

}  // namespace tools
