// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "control/request.hpp"
#include "options/options.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace tools {

/// `cops run`: one guest.
struct RunCommand {
    FleetOptions fleet;  ///< With one guest.
};

/// `cops up`: a fleet from a file. What the command line says wins over the file.
struct UpCommand {
    std::string file;
    bool no_boards = false;
    std::vector<std::string> policies;  ///< Empty: the file's.
    std::optional<unsigned> repeat;     ///< Runs of each policy.
    std::string csv;                    ///< Folder for the results of all runs; empty: none.
    std::optional<vmm::Nanos> quantum_ns;
    std::optional<unsigned> workers;
    std::optional<unsigned> poll_us;
    bool dispatcher = false;  ///< The file may say so too.
    std::optional<std::vector<unsigned>> pin;
    std::optional<std::string> log_level;
    bool deterministic = false;  ///< False: as the file says; so is the next when it is nullopt.
    std::optional<std::uint64_t> seed;
    std::string record;
    std::string replay;
    bool engine_stats = false;
    bool perf_map = false;
    std::string record_decisions;
    std::string trace;
    std::string json;
    std::string control;  ///< Empty: as the file says; so is the next when it is nullopt.
    std::optional<ListenAddress> metrics;
};

/// Whether that is several runs, with a summary in place of what guests print.
inline bool is_experiment(const UpCommand& command) {
    return command.policies.size() > 1 || command.repeat.has_value() || !command.csv.empty();
}

/// `cops ps`, `pause`, `resume`, `stop`, `stats` and `tenant set`: asks a running command.
struct ControlCommand {
    std::string control;  ///< Path of its control socket.
    Request request;
    bool json = false;  ///< Print the reply for machines.
};

/// `cops check-decisions`: what --record-decisions wrote against what the policy promises.
struct CheckDecisionsCommand {
    std::string file;
    unsigned obey_us = 1000;
    bool json = false;  ///< Print the findings for machines.
};

/// Print this and end well: help, version, example fleet.
struct PrintCommand {
    std::string text;
};

using Command =
    std::variant<RunCommand, UpCommand, ControlCommand, CheckDecisionsCommand, PrintCommand>;

/// What the words after the program's name ask for. Throws Failure (usage).
Command parse_command_line(std::span<const std::string> words, const Catalogue& catalogue);

}  // namespace tools
