// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/dbt/ir/ir.hpp"
#include "cpu/riscv/state.hpp"
#include "random_code.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace dbt_test {

// Memory: a page of code, two of data, one whose first instruction, an ecall, handles traps.
inline constexpr std::uint64_t kCode = 0x8000'0000;
inline constexpr std::uint64_t kHandler = kCode + 3 * 4096;
inline constexpr std::uint64_t kBytes = 4 * 4096;

/// Random code, data and registers to begin with.
struct RandomHart {
    explicit RandomHart(std::uint64_t seed);

    std::vector<std::byte> image;  ///< All of memory.
    vmm::riscv::State initial;
    vmm::dbt::ir::Mode mode;
    std::uint16_t entry = 0;  ///< Page offset of the first instruction.
};

}  // namespace dbt_test
