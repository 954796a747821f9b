// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "report/json.hpp"

#include <vmm/fleet.hpp>

#include <cstddef>
#include <span>
#include <string>

namespace tools {

// Replies of the control socket to requests that were carried out: one line each, with its end
// (docs/design/control.md).

std::string done_reply();
std::string ps_reply(const vmm::FleetReport& report);
std::string stats_reply(const vmm::FleetReport& report, const RunFacts& facts);

/// A guest that a request is for.
struct ChosenGuest {
    std::size_t guest = 0;
    bool forced = false;  ///< By `stop`: it was ended, since it could not be asked or did not power
                          ///< off in time.
};
std::string stop_reply(const vmm::FleetReport& report, std::span<const ChosenGuest> stopped);
std::string tenant_reply(const vmm::FleetReport& report, std::span<const ChosenGuest> changed);

}  // namespace tools
