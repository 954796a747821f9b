// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/fleet.hpp>

#include <string>

namespace tools {

/// What each guest's engine did, for people (`--engine-stats`).
std::string engine_table(const vmm::FleetReport& report);

}  // namespace tools
