// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "control/listener.hpp"
#include "run/fleet_handle.hpp"
#include "run/signals.hpp"

#include <vmm/config.hpp>

#include <optional>
#include <string>

namespace tools {

/// How a session talks to the outside.
struct SessionOptions {
    bool console = true;  ///< One guest owns stdin and stdout; false: prefixed lines, no input.
    bool engine_stats = false;             ///< Tell on `messages` at the end what the engines did.
    std::string json;                      ///< Path of the report; empty: none.
    std::string control;                   ///< Path of the control socket; empty: none.
    std::optional<ListenAddress> metrics;  ///< Where metrics are served; nullopt: nowhere.
    int input = 0;
    int output = 1;
    int messages = 2;
};

/// Runs a fleet to its end: console, signals, reports. Returns the command's exit code. Throws
/// Failure when the fleet can't be made or started, or a result can't be written.
int run_session(
    vmm::FleetConfig config,
    const SessionOptions& options,
    const FleetFactory& factory,
    Signals& signals
);

}  // namespace tools
