// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/dbt/runtime/hart_state.hpp"
#include "cpu/riscv/decode.hpp"

#include <cstdint>

/// Floating point that generated code leaves to C++. Flags go to HartState::fflags.
namespace vmm::dbt {

/// What HartState::float_request holds while float_slow() is called. `rm` is resolved.
constexpr std::uint32_t float_request(riscv::Op op, unsigned rm) {
    return static_cast<std::uint32_t>(op) << 8 | rm;
}

/// Executes the instruction of HartState::float_request on the values of its registers rs1, rs2
/// and rs3; the result is rd's.
std::uint64_t float_slow(HartState* state, std::uint64_t rs1, std::uint64_t rs2, std::uint64_t rs3);

/// For a product x * y whose sum with something is a NaN: raises NV when x * y is infinity * 0,
/// which hosts do not when the addend is a quiet NaN.
std::uint64_t
float_product_flags_single(HartState* state, std::uint64_t x, std::uint64_t y, std::uint64_t);
std::uint64_t
float_product_flags_double(HartState* state, std::uint64_t x, std::uint64_t y, std::uint64_t);

}  // namespace vmm::dbt
