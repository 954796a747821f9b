// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/decisions.hpp>

#include <string>

namespace tools {

/// What was found in recorded decisions: a row for each property, for people.
std::string findings_table(const vmm::DecisionFindings& findings);
/// The same for machines: one JSON object and a newline.
std::string findings_json(const vmm::DecisionFindings& findings);

/// All properties hold.
bool all_hold(const vmm::DecisionFindings& findings);

}  // namespace tools
