// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/fleet.hpp>

#include <string>

namespace tools {

/// The report in Prometheus's text format; docs/design/control.md lists the metrics. What ends in
/// `_total` never decreases while the command runs.
std::string metrics_text(const vmm::FleetReport& report);

}  // namespace tools
