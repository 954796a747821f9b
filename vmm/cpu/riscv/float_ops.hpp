// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/riscv/decode.hpp"
#include "cpu/riscv/soft_float.hpp"

#include <cstdint>

/// What the F and D instructions do, for all engines: the parts that need no rounding as templates
/// on bit patterns, and any instruction as one function.
namespace vmm::riscv {

/// Executes a floating-point instruction that is neither a load nor a store, by integer
/// arithmetic alone: exact on every host, whatever state its floating-point unit is in, and slow.
/// `a`, `b` and `c` are the registers rs1, rs2 and rs3 as they are (x or f, as the instruction has
/// it; what it lacks is ignored); the result is what rd becomes. `rounding` is resolved (not
/// dynamic). Flags raised are or-ed into `flags`. `op` must be such an instruction.
std::uint64_t execute_float(
    Op op, Rounding rounding, std::uint64_t a, std::uint64_t b, std::uint64_t c, unsigned& flags
) noexcept;

namespace soft {

inline constexpr std::uint64_t kBox = 0xffff'ffff'0000'0000;

/// The number in a register; a single that is not properly NaN-boxed counts as the canonical NaN.
template <class F>
constexpr typename F::Bits unbox(std::uint64_t raw) {
    if constexpr (F::kBits == 32) {
        return raw >= kBox ? static_cast<std::uint32_t>(raw) : kCanonicalNan<F>;
    } else {
        return raw;
    }
}

template <class F>
constexpr std::uint64_t box(typename F::Bits value) {
    if constexpr (F::kBits == 32) {
        return value | kBox;
    } else {
        return value;
    }
}

/// Order of two numbers that are not NaN; -0 is less than +0.
template <class F>
constexpr bool total_less(typename F::Bits a, typename F::Bits b) {
    const bool negative_a = (a & kSignBit<F>) != 0;
    const bool negative_b = (b & kSignBit<F>) != 0;
    if (negative_a != negative_b) {
        return negative_a;
    }
    return negative_a ? a > b : a < b;
}

/// Equality and order of two numbers that are not NaN; zeros are equal.
template <class F>
constexpr bool equal(typename F::Bits a, typename F::Bits b) {
    return a == b || ((a | b) & ~kSignBit<F>) == 0;
}
template <class F>
constexpr bool less(typename F::Bits a, typename F::Bits b) {
    return !equal<F>(a, b) && total_less<F>(a, b);
}

/// fmin and fmax.
template <class F>
constexpr typename F::Bits
choose(typename F::Bits a, typename F::Bits b, bool maximum, unsigned& flags) {
    if (is_signaling<F>(a) || is_signaling<F>(b)) {
        flags |= fflag::kInvalid;
    }
    if (is_nan<F>(a)) {
        return is_nan<F>(b) ? kCanonicalNan<F> : b;
    }
    if (is_nan<F>(b)) {
        return a;
    }
    return total_less<F>(a, b) != maximum ? a : b;
}

/// fclass: one bit.
template <class F>
constexpr unsigned classify(typename F::Bits a) {
    const bool negative = (a & kSignBit<F>) != 0;
    const auto magnitude = a & ~kSignBit<F>;
    if (is_nan<F>(a)) {
        return is_signaling<F>(a) ? 1U << 8 : 1U << 9;
    }
    // From negative infinity (bit 0) to positive infinity (bit 7).
    const unsigned size = magnitude == kInfinity<F>      ? 3
                          : magnitude > kFractionMask<F> ? 2
                          : magnitude != 0               ? 1
                                                         : 0;
    return 1U << (negative ? 3 - size : 4 + size);
}

/// An integer register as an integer of `bits` bits to floating point.
template <class F>
typename F::Bits
from_register(std::uint64_t value, int bits, bool is_signed, Rounding rounding, unsigned& flags) {
    if (bits == 32) {
        value = is_signed
                    ? static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(value)})
                    : static_cast<std::uint32_t>(value);
    }
    const bool negative = is_signed && static_cast<std::int64_t>(value) < 0;
    return from_integer<F>(negative, negative ? 0 - value : value, rounding, flags);
}

}  // namespace soft
}  // namespace vmm::riscv
