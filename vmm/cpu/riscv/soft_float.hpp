// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/riscv/encoding.hpp"

#include <cstdint>

/// IEEE 754 arithmetic on integers, for what host instructions do not give exactly as RISC-V has
/// it: rounding to nearest with ties away from zero (RMM), and conversions in every mode. Values
/// are bit patterns of `Format`; exception flags (fflag::k...) are or-ed into `flags`. Tininess is
/// detected after rounding; NaN results are canonical.
namespace vmm::riscv::soft {

struct F32 {
    using Bits = std::uint32_t;
    static constexpr int kPrecision = 24;
    static constexpr int kBits = 32;
    static constexpr int kMaxExponent = 127;
    static constexpr int kMinExponent = -126;
};

struct F64 {
    using Bits = std::uint64_t;
    static constexpr int kPrecision = 53;
    static constexpr int kBits = 64;
    static constexpr int kMaxExponent = 1023;
    static constexpr int kMinExponent = -1022;
};

template <class F>
inline constexpr typename F::Bits kSignBit = typename F::Bits{1} << (F::kBits - 1);
template <class F>
inline constexpr typename F::Bits kFractionMask = (typename F::Bits{1} << (F::kPrecision - 1)) - 1;
template <class F>
inline constexpr typename F::Bits kInfinity = (~typename F::Bits{0} >> 1) & ~kFractionMask<F>;
template <class F>
inline constexpr typename F::Bits kQuietBit = typename F::Bits{1} << (F::kPrecision - 2);
template <class F>
inline constexpr typename F::Bits kCanonicalNan = kInfinity<F> | kQuietBit<F>;

template <class F>
constexpr bool is_nan(typename F::Bits a) {
    return (a & ~kSignBit<F>) > kInfinity<F>;
}
template <class F>
constexpr bool is_signaling(typename F::Bits a) {
    return is_nan<F>(a) && (a & kQuietBit<F>) == 0;
}

/// a * b + c with one rounding.
template <class F>
typename F::Bits
fma(typename F::Bits a, typename F::Bits b, typename F::Bits c, Rounding rounding, unsigned& flags);
template <class F>
typename F::Bits add(typename F::Bits a, typename F::Bits b, Rounding rounding, unsigned& flags);
template <class F>
typename F::Bits mul(typename F::Bits a, typename F::Bits b, Rounding rounding, unsigned& flags);
template <class F>
typename F::Bits div(typename F::Bits a, typename F::Bits b, Rounding rounding, unsigned& flags);
template <class F>
typename F::Bits sqrt(typename F::Bits a, Rounding rounding, unsigned& flags);

/// binary64 to binary32.
std::uint32_t narrow(std::uint64_t a, Rounding rounding, unsigned& flags);

/// An integer's magnitude with a sign to floating point.
template <class F>
typename F::Bits
from_integer(bool negative, std::uint64_t magnitude, Rounding rounding, unsigned& flags);

/// Floating point to an integer of `bits` (32 or 64) bits; saturates, and is sign-extended from
/// `bits` to 64 as RV64 has it for both signednesses.
template <class F>
std::uint64_t
to_integer(typename F::Bits a, int bits, bool is_signed, Rounding rounding, unsigned& flags);

}  // namespace vmm::riscv::soft
