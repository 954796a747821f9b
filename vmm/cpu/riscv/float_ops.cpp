// SPDX-License-Identifier: Apache-2.0
#include "cpu/riscv/float_ops.hpp"

namespace vmm::riscv {
namespace {

using namespace soft;

/// binary32 to binary64, which is exact.
std::uint64_t widen(std::uint32_t a, unsigned& flags) {
    constexpr int kShift = F64::kPrecision - F32::kPrecision;
    const std::uint64_t sign = std::uint64_t{a & kSignBit<F32>} << 32;
    const std::uint32_t magnitude = a & ~kSignBit<F32>;
    if (is_nan<F32>(a)) {
        flags |= is_signaling<F32>(a) ? fflag::kInvalid : 0;
        return kCanonicalNan<F64>;
    }
    if (magnitude == kInfinity<F32>) {
        return sign | kInfinity<F64>;
    }
    if (magnitude > kFractionMask<F32>) {
        const std::uint64_t rebias =
            static_cast<std::uint64_t>(F64::kMaxExponent - F32::kMaxExponent)
            << (F64::kPrecision - 1);
        return sign | ((std::uint64_t{magnitude} << kShift) + rebias);
    }
    // magnitude * 2^-149, a product of two normal numbers.
    constexpr std::uint64_t kUnit = static_cast<std::uint64_t>(F64::kMaxExponent - 149)
                                    << (F64::kPrecision - 1);
    const std::uint64_t count = from_integer<F64>(false, magnitude, Rounding::nearest_even, flags);
    return sign | mul<F64>(count, kUnit, Rounding::nearest_even, flags);
}

template <class F>
std::uint64_t
compare(Op op, Op feq, Op flt, typename F::Bits a, typename F::Bits b, unsigned& flags) {
    if (is_nan<F>(a) || is_nan<F>(b)) {
        if (op != feq || is_signaling<F>(a) || is_signaling<F>(b)) {
            flags |= fflag::kInvalid;
        }
        return 0;
    }
    if (op == feq) {
        return equal<F>(a, b) ? 1 : 0;
    }
    return less<F>(a, b) || (op != flt && equal<F>(a, b)) ? 1 : 0;
}

}  // namespace

// clang-format off
#define COPS_FORMAT(s, F)                                                                          \
    case Op::fadd_##s:  return box<F>(add<F>(unbox<F>(a), unbox<F>(b), rounding, flags));          \
    case Op::fsub_##s:                                                                             \
        return box<F>(add<F>(unbox<F>(a), unbox<F>(b) ^ kSignBit<F>, rounding, flags));            \
    case Op::fmul_##s:  return box<F>(mul<F>(unbox<F>(a), unbox<F>(b), rounding, flags));          \
    case Op::fdiv_##s:  return box<F>(div<F>(unbox<F>(a), unbox<F>(b), rounding, flags));          \
    case Op::fsqrt_##s: return box<F>(sqrt<F>(unbox<F>(a), rounding, flags));                      \
    case Op::fmadd_##s:                                                                            \
        return box<F>(fma<F>(unbox<F>(a), unbox<F>(b), unbox<F>(c), rounding, flags));             \
    case Op::fmsub_##s:                                                                            \
        return box<F>(                                                                             \
            fma<F>(unbox<F>(a), unbox<F>(b), unbox<F>(c) ^ kSignBit<F>, rounding, flags)           \
        );                                                                                         \
    case Op::fnmsub_##s:                                                                           \
        return box<F>(                                                                             \
            fma<F>(unbox<F>(a) ^ kSignBit<F>, unbox<F>(b), unbox<F>(c), rounding, flags)           \
        );                                                                                         \
    case Op::fnmadd_##s:                                                                           \
        return box<F>(fma<F>(                                                                      \
            unbox<F>(a) ^ kSignBit<F>, unbox<F>(b), unbox<F>(c) ^ kSignBit<F>, rounding, flags     \
        ));                                                                                        \
    case Op::fsgnj_##s:                                                                            \
        return box<F>((unbox<F>(a) & ~kSignBit<F>) | (unbox<F>(b) & kSignBit<F>));                 \
    case Op::fsgnjn_##s:                                                                           \
        return box<F>((unbox<F>(a) & ~kSignBit<F>) | (~unbox<F>(b) & kSignBit<F>));                \
    case Op::fsgnjx_##s: return box<F>(unbox<F>(a) ^ (unbox<F>(b) & kSignBit<F>));                 \
    case Op::fmin_##s:  return box<F>(choose<F>(unbox<F>(a), unbox<F>(b), false, flags));          \
    case Op::fmax_##s:  return box<F>(choose<F>(unbox<F>(a), unbox<F>(b), true, flags));           \
    case Op::feq_##s:                                                                              \
    case Op::flt_##s:                                                                              \
    case Op::fle_##s:                                                                              \
        return compare<F>(op, Op::feq_##s, Op::flt_##s, unbox<F>(a), unbox<F>(b), flags);          \
    case Op::fclass_##s: return classify<F>(unbox<F>(a));                                          \
    case Op::fcvt_w_##s:  return to_integer<F>(unbox<F>(a), 32, true, rounding, flags);            \
    case Op::fcvt_wu_##s: return to_integer<F>(unbox<F>(a), 32, false, rounding, flags);           \
    case Op::fcvt_l_##s:  return to_integer<F>(unbox<F>(a), 64, true, rounding, flags);            \
    case Op::fcvt_lu_##s: return to_integer<F>(unbox<F>(a), 64, false, rounding, flags);           \
    case Op::fcvt_##s##_w:  return box<F>(from_register<F>(a, 32, true, rounding, flags));         \
    case Op::fcvt_##s##_wu: return box<F>(from_register<F>(a, 32, false, rounding, flags));        \
    case Op::fcvt_##s##_l:  return box<F>(from_register<F>(a, 64, true, rounding, flags));         \
    case Op::fcvt_##s##_lu: return box<F>(from_register<F>(a, 64, false, rounding, flags));
// clang-format on

std::uint64_t execute_float(
    Op op, Rounding rounding, std::uint64_t a, std::uint64_t b, std::uint64_t c, unsigned& flags
) noexcept {
    switch (op) {
        COPS_FORMAT(s, F32)
        COPS_FORMAT(d, F64)
    case Op::fcvt_s_d:
        return box<F32>(narrow(a, rounding, flags));
    case Op::fcvt_d_s:
        return widen(unbox<F32>(a), flags);
    case Op::fmv_x_w:
        return static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(a)});
    case Op::fmv_w_x:
        return box<F32>(static_cast<std::uint32_t>(a));
    default:  // fmv.x.d, fmv.d.x
        return a;
    }
}
#undef COPS_FORMAT

}  // namespace vmm::riscv
