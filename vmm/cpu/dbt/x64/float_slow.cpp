// SPDX-License-Identifier: Apache-2.0
#include "cpu/dbt/x64/float_slow.hpp"

#include "cpu/riscv/float_ops.hpp"

namespace vmm::dbt {
namespace {

namespace soft = riscv::soft;

template <class F>
void product_flags(HartState* state, typename F::Bits x, typename F::Bits y) {
    const auto magnitude_x = x & ~soft::kSignBit<F>;
    const auto magnitude_y = y & ~soft::kSignBit<F>;
    if ((magnitude_x == soft::kInfinity<F> && magnitude_y == 0)
        || (magnitude_x == 0 && magnitude_y == soft::kInfinity<F>)) {
        state->fflags |= riscv::fflag::kInvalid;
    }
}

}  // namespace

std::uint64_t
float_slow(HartState* state, std::uint64_t rs1, std::uint64_t rs2, std::uint64_t rs3) {
    unsigned flags = 0;
    const std::uint64_t result = riscv::execute_float(
        static_cast<riscv::Op>(state->float_request >> 8),
        static_cast<riscv::Rounding>(state->float_request & 7),
        rs1,
        rs2,
        rs3,
        flags
    );
    state->fflags |= flags;
    return result;
}

std::uint64_t
float_product_flags_single(HartState* state, std::uint64_t x, std::uint64_t y, std::uint64_t) {
    product_flags<soft::F32>(state, static_cast<std::uint32_t>(x), static_cast<std::uint32_t>(y));
    return 0;
}

std::uint64_t
float_product_flags_double(HartState* state, std::uint64_t x, std::uint64_t y, std::uint64_t) {
    product_flags<soft::F64>(state, x, y);
    return 0;
}

}  // namespace vmm::dbt
