// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/fleet.hpp>

#include <cstddef>
#include <string>

namespace tools {

/// Of a terminal, in characters.
struct TerminalSize {
    std::size_t columns = 80;
    std::size_t rows = 24;
};

/// What the fleet does now, for people who watch: a row for each virtual CPU with what it did since
/// `before`, an earlier report of the same fleet. Whole lines, each at most as long as the terminal
/// is wide, and fewer than it has rows.
std::string
live_table(const vmm::FleetReport& now, const vmm::FleetReport& before, const TerminalSize& size);

}  // namespace tools
