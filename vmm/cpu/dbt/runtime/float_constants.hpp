// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/riscv/soft_float.hpp"

#include <cstdint>

namespace vmm::dbt {

/// 16 bytes, as SSE wants its memory operands. Only the low half counts.
struct alignas(16) FloatConstant {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
};

/// What translated floating-point code takes from memory; part of the hart's state, where a short
/// displacement reaches it.
struct FloatConstants {
    struct Format {
        FloatConstant canonical_nan;
        FloatConstant sign;
        FloatConstant all_but_sign;
        FloatConstant two_to_63;
    };
    Format single{
        .canonical_nan = {0xffff'ffff'7fc0'0000},
        .sign = {0x8000'0000},
        .all_but_sign = {0xffff'ffff'7fff'ffff},
        .two_to_63 = {0xffff'ffff'5f00'0000},
    };
    Format wide{
        .canonical_nan = {0x7ff8'0000'0000'0000},
        .sign = {0x8000'0000'0000'0000},
        .all_but_sign = {0x7fff'ffff'ffff'ffff},
        .two_to_63 = {0x43e0'0000'0000'0000},
    };
    FloatConstant box{0xffff'ffff'0000'0000};  ///< Or-ed to a single's bits.
};

}  // namespace vmm::dbt
