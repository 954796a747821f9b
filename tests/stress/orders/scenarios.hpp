// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "explorer.hpp"

#include <span>

/// A few threads of the true sources around one wake path.
struct NamedScenario {
    const char* name;
    void (*set_up)(explorer::Execution&);
    unsigned departures = 2;
};

std::span<const NamedScenario> executor_scenarios();
std::span<const NamedScenario> device_scenarios();
std::span<const NamedScenario> kernel_scenarios();
std::span<const NamedScenario> mailbox_scenarios();
std::span<const NamedScenario> sync_scenarios();
std::span<const NamedScenario> worker_scenarios();
