// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/fleet.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tools {

/// What the report of libvmm doesn't know.
struct RunFacts {
    std::string_view command;      ///< "run" or "up".
    std::optional<int> exit_code;  ///< The command's; nullopt: it still runs.
    int signal = 0;                ///< That ended the run; 0: none.
};

enum class Layout : std::uint8_t {
    indented,  ///< For a file, with a line's end.
    line,      ///< One line without its end.
};

/// The report for machines; docs/cli.md has the schema. Of a run that has not ended, what is known.
std::string json_report(
    const vmm::FleetReport& report, const RunFacts& facts, Layout layout = Layout::indented
);

/// How the report calls an ending.
std::string_view ending_name(vmm::Ending ending);

}  // namespace tools
