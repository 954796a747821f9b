// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

/// Orderings are named "file function part", and "#2" when a function has a second one like it.
/// Those of one guard are weakened at once: each covers for the others, or is of no use alone.
struct Guard {
    const char* name;
    std::vector<std::string_view> orderings;
    const char* scenario;
};

/// Each must be noticed when it is broken.
const std::vector<Guard>& guards();

/// Orderings that nothing depends on, as far as C++ and the scenarios go, and why they are there.
struct Spare {
    std::string_view ordering;
    std::string_view why;
};
const std::vector<Spare>& spares();
