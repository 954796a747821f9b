// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/fleet.hpp>

#include <string>
#include <string_view>

namespace tools {

/// What the report of libvmm doesn't know.
struct RunFacts {
    std::string_view command;  ///< "run" or "up".
    int exit_code = 0;
    int signal = 0;  ///< That ended the run; 0: none.
};

/// The report for machines; docs/cli.md has the schema.
std::string json_report(const vmm::FleetReport& report, const RunFacts& facts);

}  // namespace tools
