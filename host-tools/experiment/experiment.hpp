// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "options/options.hpp"
#include "run/fleet_handle.hpp"
#include "run/signals.hpp"

#include <vmm/config.hpp>

#include <functional>
#include <string>
#include <vector>

namespace tools {

/// `cops up` with several policies, several runs or a folder for results.
struct ExperimentOptions {
    std::vector<std::string> policies;  ///< At least one, each once.
    unsigned repeat = 1;                ///< Runs of each.
    std::string csv;                    ///< Folder for all results; empty: none.
    int output = 1;
    int messages = 2;
};

using Preparation = std::function<vmm::FleetConfig(const FleetOptions&)>;

/// Runs `fleet` under one policy after the other, as many rounds as are asked for, each time
/// afresh; prints the summary. A run that fails is told, counted, and the others go on. Returns the
/// exit code of the first that failed, 128 + n after signal n, or 0. Throws Failure when results
/// cannot be written.
int run_experiment(
    const FleetOptions& fleet,
    const ExperimentOptions& options,
    const Preparation& prepare,
    const FleetFactory& factory,
    Signals& signals
);

}  // namespace tools
