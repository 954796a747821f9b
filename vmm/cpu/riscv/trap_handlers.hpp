// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/riscv/state.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace vmm::riscv {

/// Where the next trap of a hart may lead: the base of stvec (exceptions, and interrupts in direct
/// mode), that of utvec, and the vector of each supervisor or user interrupt in vectored mode.
inline std::vector<std::uint64_t> trap_handlers(const State& state) {
    constexpr std::array<std::uint64_t, 6> kInterrupts{0, 1, 4, 5, 8, 9};
    std::vector<std::uint64_t> handlers;
    for (const std::uint64_t vector : {state.stvec, state.utvec}) {
        const std::uint64_t base = vector & ~std::uint64_t{3};
        handlers.push_back(base);
        if ((vector & 1) != 0) {
            for (const std::uint64_t number : kInterrupts) {
                handlers.push_back(base + 4 * number);
            }
        }
    }
    return handlers;
}

}  // namespace vmm::riscv
