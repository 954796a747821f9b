// SPDX-License-Identifier: Apache-2.0
// Vectors of F and D: the rounding modes, special values, conversions with their saturation, and
// the flags of each.
#include "instruction_vectors.hpp"

namespace cpu_test {
namespace {

constexpr unsigned NX = 1, UF = 2, OF = 4, DZ = 8, NV = 16;
constexpr unsigned kTiny = UF | NX, kHuge = OF | NX;
constexpr unsigned kRne = 0, kRtz = 1;

constexpr u64 kSign = u64{1} << 63;
constexpr u64 kNan = 0x7ff8000000000000, kSnan = 0x7ff0000000000001, kInf = 0x7ff0000000000000,
              kNegInf = kInf | kSign, kNegZero = kSign;
constexpr u64 kNanS = sb(0x7fc00000), kInfS = sb(0x7f800000), kNegInfS = sb(0xff800000),
              kSnanS = sb(0x7f800001), kNegZeroS = sb(0x80000000);

constexpr u64 neg(u64 bits) {
    return bits ^ kSign;
}
constexpr u64 negs(u64 bits) {
    return bits ^ 0x80000000;
}
constexpr u64 minus(u64 integer) {
    return 0 - integer;
}

// Doubles and singles by their bits.
constexpr u64 k1 = 0x3ff0000000000000, kMaxD = 0x7fefffffffffffff, kMinD = 0x0010000000000000,
              kMaxSub = 0x000fffffffffffff, kHalfUlp = 0x3ca0000000000000 /* 2^-53 */,
              kQuarterUlp = 0x3c90000000000000;
constexpr u64 k1s = sb(0x3f800000), kMaxS = sb(0x7f7fffff), kMinS = sb(0x00800000),
              kMaxSubS = sb(0x007fffff), kHalfUlpS = sb(0x33800000) /* 2^-24 */,
              kQuarterUlpS = sb(0x33000000);

constexpr u64 kMax32 = 0x7fffffff, kMin32 = 0xffffffff80000000, kMax64 = ~kSign, kAll = ~u64{0};

// clang-format off
constexpr RoundingVector kRounding[] = {
    // Ties, less than ties, signs, carries to the next exponent, overflow, exact zeros.
    {Op::fadd_d, k1, kHalfUlp, 0, {k1, k1, k1, k1 + 1, k1 + 1}, {NX, NX, NX, NX, NX}},
    {Op::fadd_d, neg(k1), neg(kHalfUlp), 0, {neg(k1), neg(k1), neg(k1 + 1), neg(k1), neg(k1 + 1)}, {NX, NX, NX, NX, NX}},
    {Op::fadd_d, k1, kQuarterUlp, 0, {k1, k1, k1, k1 + 1, k1}, {NX, NX, NX, NX, NX}},
    {Op::fadd_d, k1 + 1, kHalfUlp, 0, {k1 + 2, k1 + 1, k1 + 1, k1 + 2, k1 + 2}, {NX, NX, NX, NX, NX}},
    {Op::fadd_d, kMaxD, kMaxD, 0, {kInf, kMaxD, kMaxD, kInf, kInf}, {kHuge, kHuge, kHuge, kHuge, kHuge}},
    {Op::fadd_d, neg(kMaxD), neg(kMaxD), 0, {kNegInf, neg(kMaxD), kNegInf, neg(kMaxD), kNegInf}, {kHuge, kHuge, kHuge, kHuge, kHuge}},
    {Op::fadd_d, k1, neg(k1), 0, {0, 0, kNegZero, 0, 0}, {}},
    {Op::fadd_d, 1, 1, 0, {2, 2, 2, 2, 2}, {}},
    {Op::fadd_s, k1s, kHalfUlpS, 0, {k1s, k1s, k1s, k1s + 1, k1s + 1}, {NX, NX, NX, NX, NX}},
    {Op::fadd_s, negs(k1s), negs(kHalfUlpS), 0, {negs(k1s), negs(k1s), negs(k1s + 1), negs(k1s), negs(k1s + 1)}, {NX, NX, NX, NX, NX}},
    {Op::fadd_s, k1s, kQuarterUlpS, 0, {k1s, k1s, k1s, k1s + 1, k1s}, {NX, NX, NX, NX, NX}},
    {Op::fadd_s, k1s + 1, kHalfUlpS, 0, {k1s + 2, k1s + 1, k1s + 1, k1s + 2, k1s + 2}, {NX, NX, NX, NX, NX}},
    {Op::fadd_s, kMaxS, kMaxS, 0, {kInfS, kMaxS, kMaxS, kInfS, kInfS}, {kHuge, kHuge, kHuge, kHuge, kHuge}},
    {Op::fadd_s, k1s, negs(k1s), 0, {sb(0), sb(0), kNegZeroS, sb(0), sb(0)}, {}},
    {Op::fsub_d, k1, kQuarterUlp, 0, {k1, k1 - 1, k1 - 1, k1, k1}, {NX, NX, NX, NX, NX}},
    {Op::fsub_d, k1, k1, 0, {0, 0, kNegZero, 0, 0}, {}},
    {Op::fsub_d, neg(kMaxD), kMaxD, 0, {kNegInf, neg(kMaxD), kNegInf, neg(kMaxD), kNegInf}, {kHuge, kHuge, kHuge, kHuge, kHuge}},
    {Op::fsub_s, k1s, kQuarterUlpS, 0, {k1s, k1s - 1, k1s - 1, k1s, k1s}, {NX, NX, NX, NX, NX}},
    {Op::fsub_s, k1s, k1s, 0, {sb(0), sb(0), kNegZeroS, sb(0), sb(0)}, {}},
    // Products: inexact, subnormal and exact, and underflow by what rounding leaves.
    {Op::fmul_d, k1 + 1, k1 + 1, 0, {k1 + 2, k1 + 2, k1 + 2, k1 + 3, k1 + 2}, {NX, NX, NX, NX, NX}},
    {Op::fmul_d, kMinD, d(0.5), 0, {kMinD / 2, kMinD / 2, kMinD / 2, kMinD / 2, kMinD / 2}, {}},
    {Op::fmul_d, 1, d(0.5), 0, {0, 0, 0, 1, 1}, {kTiny, kTiny, kTiny, kTiny, kTiny}},
    {Op::fmul_d, neg(1), d(0.5), 0, {kNegZero, kNegZero, neg(1), kNegZero, neg(1)}, {kTiny, kTiny, kTiny, kTiny, kTiny}},
    {Op::fmul_d, kMinD, k1 - 1, 0, {kMinD, kMaxSub, kMaxSub, kMinD, kMinD}, {kTiny, kTiny, kTiny, kTiny, kTiny}},
    {Op::fmul_d, kMinD + 1, k1 - 2, 0, {kMinD, kMaxSub, kMaxSub, kMinD, kMinD}, {NX, kTiny, kTiny, NX, NX}},
    {Op::fmul_d, kMaxD, d(-2), 0, {kNegInf, neg(kMaxD), kNegInf, neg(kMaxD), kNegInf}, {kHuge, kHuge, kHuge, kHuge, kHuge}},
    {Op::fmul_s, k1s + 1, k1s + 1, 0, {k1s + 2, k1s + 2, k1s + 2, k1s + 3, k1s + 2}, {NX, NX, NX, NX, NX}},
    {Op::fmul_s, sb(1), s(0.5F), 0, {sb(0), sb(0), sb(0), sb(1), sb(1)}, {kTiny, kTiny, kTiny, kTiny, kTiny}},
    {Op::fmul_s, kMinS, k1s - 1, 0, {kMinS, kMaxSubS, kMaxSubS, kMinS, kMinS}, {kTiny, kTiny, kTiny, kTiny, kTiny}},
    {Op::fmul_s, kMinS + 1, k1s - 2, 0, {kMinS, kMaxSubS, kMaxSubS, kMinS, kMinS}, {NX, kTiny, kTiny, NX, NX}},
    {Op::fmul_s, kMaxS, s(2), 0, {kInfS, kMaxS, kMaxS, kInfS, kInfS}, {kHuge, kHuge, kHuge, kHuge, kHuge}},
    {Op::fdiv_d, k1, d(3), 0, {0x3fd5555555555555, 0x3fd5555555555555, 0x3fd5555555555555, 0x3fd5555555555556, 0x3fd5555555555555}, {NX, NX, NX, NX, NX}},
    {Op::fdiv_d, d(-1), d(3), 0, {0xbfd5555555555555, 0xbfd5555555555555, 0xbfd5555555555556, 0xbfd5555555555555, 0xbfd5555555555555}, {NX, NX, NX, NX, NX}},
    {Op::fdiv_d, 1, d(2), 0, {0, 0, 0, 1, 1}, {kTiny, kTiny, kTiny, kTiny, kTiny}},
    {Op::fdiv_d, kMaxD, d(0.5), 0, {kInf, kMaxD, kMaxD, kInf, kInf}, {kHuge, kHuge, kHuge, kHuge, kHuge}},
    {Op::fdiv_s, k1s, s(3), 0, {sb(0x3eaaaaab), sb(0x3eaaaaaa), sb(0x3eaaaaaa), sb(0x3eaaaaab), sb(0x3eaaaaab)}, {NX, NX, NX, NX, NX}},
    {Op::fdiv_s, sb(1), s(-2), 0, {kNegZeroS, kNegZeroS, sb(0x80000001), kNegZeroS, sb(0x80000001)}, {kTiny, kTiny, kTiny, kTiny, kTiny}},
    {Op::fsqrt_d, d(2), 0, 0, {0x3ff6a09e667f3bcd, 0x3ff6a09e667f3bcc, 0x3ff6a09e667f3bcc, 0x3ff6a09e667f3bcd, 0x3ff6a09e667f3bcd}, {NX, NX, NX, NX, NX}},
    {Op::fsqrt_d, d(6.25), 0, 0, {d(2.5), d(2.5), d(2.5), d(2.5), d(2.5)}, {}},
    {Op::fsqrt_s, s(2), 0, 0, {sb(0x3fb504f3), sb(0x3fb504f3), sb(0x3fb504f3), sb(0x3fb504f4), sb(0x3fb504f3)}, {NX, NX, NX, NX, NX}},
    {Op::fsqrt_s, s(6.25F), 0, 0, {s(2.5F), s(2.5F), s(2.5F), s(2.5F), s(2.5F)}, {}},
    // Fused: one rounding; the sign changes belong to the operands, before it.
    {Op::fmadd_d, k1, k1, kHalfUlp, {k1, k1, k1, k1 + 1, k1 + 1}, {NX, NX, NX, NX, NX}},
    {Op::fmadd_d, k1 + 1, k1 + 1, neg(k1 + 2), {0x3970000000000000, 0x3970000000000000, 0x3970000000000000, 0x3970000000000000, 0x3970000000000000}, {}},
    {Op::fmadd_d, k1, k1, neg(k1), {0, 0, kNegZero, 0, 0}, {}},
    {Op::fmadd_d, kMaxD, d(2), neg(kMaxD), {kMaxD, kMaxD, kMaxD, kMaxD, kMaxD}, {}},
    {Op::fmadd_d, kMaxD, d(2), 0, {kInf, kMaxD, kMaxD, kInf, kInf}, {kHuge, kHuge, kHuge, kHuge, kHuge}},
    {Op::fmadd_d, 1, d(0.5), 0, {0, 0, 0, 1, 1}, {kTiny, kTiny, kTiny, kTiny, kTiny}},
    {Op::fmsub_d, k1, k1, neg(kHalfUlp), {k1, k1, k1, k1 + 1, k1 + 1}, {NX, NX, NX, NX, NX}},
    {Op::fmsub_d, d(2), d(3), d(4), {d(2), d(2), d(2), d(2), d(2)}, {}},
    {Op::fmsub_d, k1, k1, k1, {0, 0, kNegZero, 0, 0}, {}},
    {Op::fnmsub_d, k1, neg(k1), kHalfUlp, {k1, k1, k1, k1 + 1, k1 + 1}, {NX, NX, NX, NX, NX}},
    {Op::fnmsub_d, d(2), d(3), d(4), {d(-2), d(-2), d(-2), d(-2), d(-2)}, {}},
    {Op::fnmsub_d, k1, k1, k1, {0, 0, kNegZero, 0, 0}, {}},
    {Op::fnmadd_d, k1, k1, kHalfUlp, {neg(k1), neg(k1), neg(k1 + 1), neg(k1), neg(k1 + 1)}, {NX, NX, NX, NX, NX}},
    {Op::fnmadd_d, d(2), d(3), d(4), {d(-10), d(-10), d(-10), d(-10), d(-10)}, {}},
    {Op::fnmadd_d, k1, k1, neg(k1), {0, 0, kNegZero, 0, 0}, {}},
    {Op::fmadd_s, k1s, k1s, kHalfUlpS, {k1s, k1s, k1s, k1s + 1, k1s + 1}, {NX, NX, NX, NX, NX}},
    {Op::fmadd_s, k1s + 1, k1s + 1, negs(k1s + 2), {sb(0x28800000), sb(0x28800000), sb(0x28800000), sb(0x28800000), sb(0x28800000)}, {}},
    // In double precision the sum would be a tie; the least bit of c decides.
    {Op::fmadd_s, k1s + 3, s(1.5F), sb(1), {sb(0x3fc00005), sb(0x3fc00004), sb(0x3fc00004), sb(0x3fc00005), sb(0x3fc00005)}, {NX, NX, NX, NX, NX}},
    {Op::fmadd_s, k1s, k1s, negs(k1s), {sb(0), sb(0), kNegZeroS, sb(0), sb(0)}, {}},
    {Op::fmsub_s, k1s, k1s, negs(kHalfUlpS), {k1s, k1s, k1s, k1s + 1, k1s + 1}, {NX, NX, NX, NX, NX}},
    {Op::fmsub_s, s(2), s(3), s(4), {s(2), s(2), s(2), s(2), s(2)}, {}},
    {Op::fnmsub_s, k1s, negs(k1s), kHalfUlpS, {k1s, k1s, k1s, k1s + 1, k1s + 1}, {NX, NX, NX, NX, NX}},
    {Op::fnmsub_s, s(2), s(3), s(4), {s(-2), s(-2), s(-2), s(-2), s(-2)}, {}},
    {Op::fnmadd_s, k1s, k1s, kHalfUlpS, {negs(k1s), negs(k1s), negs(k1s + 1), negs(k1s), negs(k1s + 1)}, {NX, NX, NX, NX, NX}},
    {Op::fnmadd_s, s(2), s(3), s(4), {s(-10), s(-10), s(-10), s(-10), s(-10)}, {}},
    // To integers: what is out of range after rounding is invalid, and then not inexact.
    {Op::fcvt_w_d, d(2.5), 0, 0, {2, 2, 2, 3, 3}, {NX, NX, NX, NX, NX}},
    {Op::fcvt_w_d, d(3.5), 0, 0, {4, 3, 3, 4, 4}, {NX, NX, NX, NX, NX}},
    {Op::fcvt_w_d, d(-2.5), 0, 0, {minus(2), minus(2), minus(3), minus(2), minus(3)}, {NX, NX, NX, NX, NX}},
    {Op::fcvt_w_d, d(0.5), 0, 0, {0, 0, 0, 1, 1}, {NX, NX, NX, NX, NX}},
    {Op::fcvt_w_d, d(-0.5), 0, 0, {0, 0, minus(1), 0, minus(1)}, {NX, NX, NX, NX, NX}},
    {Op::fcvt_w_d, 1, 0, 0, {0, 0, 0, 1, 0}, {NX, NX, NX, NX, NX}},
    {Op::fcvt_w_d, d(2147483647.5), 0, 0, {kMax32, kMax32, kMax32, kMax32, kMax32}, {NV, NX, NX, NV, NV}},
    {Op::fcvt_w_d, d(-2147483648.5), 0, 0, {kMin32, kMin32, kMin32, kMin32, kMin32}, {NX, NX, NV, NX, NV}},
    {Op::fcvt_wu_d, d(-0.5), 0, 0, {0, 0, 0, 0, 0}, {NX, NX, NV, NX, NV}},
    {Op::fcvt_wu_d, d(-0.25), 0, 0, {0, 0, 0, 0, 0}, {NX, NX, NV, NX, NX}},
    {Op::fcvt_wu_d, d(2.5), 0, 0, {2, 2, 2, 3, 3}, {NX, NX, NX, NX, NX}},
    {Op::fcvt_wu_d, d(4294967295.5), 0, 0, {kAll, kAll, kAll, kAll, kAll}, {NV, NX, NX, NV, NV}},
    {Op::fcvt_l_d, d(2251799813685249.5), 0, 0, {0x08000000000002, 0x08000000000001, 0x08000000000001, 0x08000000000002, 0x08000000000002}, {NX, NX, NX, NX, NX}},
    {Op::fcvt_l_d, d(-2.5), 0, 0, {minus(2), minus(2), minus(3), minus(2), minus(3)}, {NX, NX, NX, NX, NX}},
    {Op::fcvt_lu_d, d(-0.5), 0, 0, {0, 0, 0, 0, 0}, {NX, NX, NV, NX, NV}},
    {Op::fcvt_lu_d, d(2251799813685249.5), 0, 0, {0x08000000000002, 0x08000000000001, 0x08000000000001, 0x08000000000002, 0x08000000000002}, {NX, NX, NX, NX, NX}},
    {Op::fcvt_w_s, s(2.5F), 0, 0, {2, 2, 2, 3, 3}, {NX, NX, NX, NX, NX}},
    {Op::fcvt_w_s, s(-0.75F), 0, 0, {minus(1), 0, minus(1), 0, minus(1)}, {NX, NX, NX, NX, NX}},
    {Op::fcvt_wu_s, s(-0.5F), 0, 0, {0, 0, 0, 0, 0}, {NX, NX, NV, NX, NV}},
    {Op::fcvt_wu_s, s(8388606.5F), 0, 0, {8388606, 8388606, 8388606, 8388607, 8388607}, {NX, NX, NX, NX, NX}},
    {Op::fcvt_l_s, s(8388607.5F), 0, 0, {8388608, 8388607, 8388607, 8388608, 8388608}, {NX, NX, NX, NX, NX}},
    {Op::fcvt_l_s, s(-2.5F), 0, 0, {minus(2), minus(2), minus(3), minus(2), minus(3)}, {NX, NX, NX, NX, NX}},
    {Op::fcvt_lu_s, s(-0.25F), 0, 0, {0, 0, 0, 0, 0}, {NX, NX, NV, NX, NX}},
    {Op::fcvt_lu_s, s(2.5F), 0, 0, {2, 2, 2, 3, 3}, {NX, NX, NX, NX, NX}},
    // From integers; the middle one of l to s would be a tie if it went through a double.
    {Op::fcvt_d_w, 0xdead'80000000, 0, 0, {d(-2147483648.0), d(-2147483648.0), d(-2147483648.0), d(-2147483648.0), d(-2147483648.0)}, {}},
    {Op::fcvt_d_wu, 0xffffffff80000000, 0, 0, {d(2147483648.0), d(2147483648.0), d(2147483648.0), d(2147483648.0), d(2147483648.0)}, {}},
    {Op::fcvt_d_l, 0x20000000000001, 0, 0, {0x4340000000000000, 0x4340000000000000, 0x4340000000000000, 0x4340000000000001, 0x4340000000000001}, {NX, NX, NX, NX, NX}},
    {Op::fcvt_d_l, minus(0x20000000000001), 0, 0, {0xc340000000000000, 0xc340000000000000, 0xc340000000000001, 0xc340000000000000, 0xc340000000000001}, {NX, NX, NX, NX, NX}},
    {Op::fcvt_d_l, kMax64, 0, 0, {d(0x1p63), 0x43dfffffffffffff, 0x43dfffffffffffff, d(0x1p63), d(0x1p63)}, {NX, NX, NX, NX, NX}},
    {Op::fcvt_d_lu, kAll, 0, 0, {d(0x1p64), 0x43efffffffffffff, 0x43efffffffffffff, d(0x1p64), d(0x1p64)}, {NX, NX, NX, NX, NX}},
    {Op::fcvt_d_lu, kSign + 0x401, 0, 0, {0x43e0000000000001, 0x43e0000000000000, 0x43e0000000000000, 0x43e0000000000001, 0x43e0000000000001}, {NX, NX, NX, NX, NX}},
    {Op::fcvt_s_w, 16777217, 0, 0, {sb(0x4b800000), sb(0x4b800000), sb(0x4b800000), sb(0x4b800001), sb(0x4b800001)}, {NX, NX, NX, NX, NX}},
    {Op::fcvt_s_w, minus(16777217), 0, 0, {sb(0xcb800000), sb(0xcb800000), sb(0xcb800001), sb(0xcb800000), sb(0xcb800001)}, {NX, NX, NX, NX, NX}},
    {Op::fcvt_s_wu, 0xffffffff, 0, 0, {sb(0x4f800000), sb(0x4f7fffff), sb(0x4f7fffff), sb(0x4f800000), sb(0x4f800000)}, {NX, NX, NX, NX, NX}},
    {Op::fcvt_s_l, minus(16777217), 0, 0, {sb(0xcb800000), sb(0xcb800000), sb(0xcb800001), sb(0xcb800000), sb(0xcb800001)}, {NX, NX, NX, NX, NX}},
    {Op::fcvt_s_l, 0x4000004000000001, 0, 0, {sb(0x5e800001), sb(0x5e800000), sb(0x5e800000), sb(0x5e800001), sb(0x5e800001)}, {NX, NX, NX, NX, NX}},
    {Op::fcvt_s_lu, 0x8000008000000001, 0, 0, {sb(0x5f000001), sb(0x5f000000), sb(0x5f000000), sb(0x5f000001), sb(0x5f000001)}, {NX, NX, NX, NX, NX}},
    {Op::fcvt_s_lu, kAll, 0, 0, {s(0x1p64F), sb(0x5f7fffff), sb(0x5f7fffff), s(0x1p64F), s(0x1p64F)}, {NX, NX, NX, NX, NX}},
    // Between the formats; the edge of the normal numbers, tiny after rounding or not.
    {Op::fcvt_s_d, d(0.1), 0, 0, {sb(0x3dcccccd), sb(0x3dcccccc), sb(0x3dcccccc), sb(0x3dcccccd), sb(0x3dcccccd)}, {NX, NX, NX, NX, NX}},
    {Op::fcvt_s_d, d(1e300), 0, 0, {kInfS, kMaxS, kMaxS, kInfS, kInfS}, {kHuge, kHuge, kHuge, kHuge, kHuge}},
    {Op::fcvt_s_d, d(-1e300), 0, 0, {kNegInfS, sb(0xff7fffff), kNegInfS, sb(0xff7fffff), kNegInfS}, {kHuge, kHuge, kHuge, kHuge, kHuge}},
    {Op::fcvt_s_d, d(0x1p-150), 0, 0, {sb(0), sb(0), sb(0), sb(1), sb(1)}, {kTiny, kTiny, kTiny, kTiny, kTiny}},
    {Op::fcvt_s_d, d(0x1p-149), 0, 0, {sb(1), sb(1), sb(1), sb(1), sb(1)}, {}},
    {Op::fcvt_s_d, 0x380fffffffffffff, 0, 0, {kMinS, kMaxSubS, kMaxSubS, kMinS, kMinS}, {NX, kTiny, kTiny, NX, NX}},
    {Op::fcvt_s_d, 0x380fffffe0000000, 0, 0, {kMinS, kMaxSubS, kMaxSubS, kMinS, kMinS}, {kTiny, kTiny, kTiny, kTiny, kTiny}},
    {Op::fcvt_d_s, s(0.1F), 0, 0, {0x3fb99999a0000000, 0x3fb99999a0000000, 0x3fb99999a0000000, 0x3fb99999a0000000, 0x3fb99999a0000000}, {}},
    {Op::fcvt_d_s, sb(1), 0, 0, {d(0x1p-149), d(0x1p-149), d(0x1p-149), d(0x1p-149), d(0x1p-149)}, {}},
};

constexpr OneModeVector kOneMode[] = {
    // Conversions that saturate
    {Op::fcvt_w_d, kRtz, d(4294967296.5), 0, 0, kMax32, NV},
    {Op::fcvt_w_d, kRtz, d(-4294967296.5), 0, 0, kMin32, NV},
    {Op::fcvt_w_d, kRtz, d(-2147483649.0), 0, 0, kMin32, NV},
    {Op::fcvt_w_d, kRtz, d(-2147483648.0), 0, 0, kMin32, 0},
    {Op::fcvt_w_d, kRtz, kInf, 0, 0, kMax32, NV},
    {Op::fcvt_w_d, kRtz, kNegInf, 0, 0, kMin32, NV},
    {Op::fcvt_w_d, kRtz, kNan, 0, 0, kMax32, NV},
    {Op::fcvt_w_d, kRtz, neg(kNan), 0, 0, kMax32, NV},
    {Op::fcvt_w_d, kRtz, kSnan, 0, 0, kMax32, NV},
    {Op::fcvt_w_d, kRtz, kNegZero, 0, 0, 0, 0},
    {Op::fcvt_wu_d, kRtz, d(4294967295.0), 0, 0, kAll, 0},  // the result is sign-extended
    {Op::fcvt_wu_d, kRtz, d(2147483648.0), 0, 0, kMin32, 0},
    {Op::fcvt_wu_d, kRtz, d(4294967296.0), 0, 0, kAll, NV},
    {Op::fcvt_wu_d, kRtz, d(-1), 0, 0, 0, NV},
    {Op::fcvt_wu_d, kRtz, kNegZero, 0, 0, 0, 0},
    {Op::fcvt_wu_d, kRtz, kNegInf, 0, 0, 0, NV},
    {Op::fcvt_wu_d, kRtz, kInf, 0, 0, kAll, NV},
    {Op::fcvt_wu_d, kRtz, kNan, 0, 0, kAll, NV},
    {Op::fcvt_l_d, kRtz, d(-0x1p63), 0, 0, kSign, 0},
    {Op::fcvt_l_d, kRtz, d(0x1p63), 0, 0, kMax64, NV},
    {Op::fcvt_l_d, kRtz, neg(d(0x1p63) + 1), 0, 0, kSign, NV},
    {Op::fcvt_l_d, kRtz, d(0x1p63) - 1, 0, 0, 0x7ffffffffffffc00, 0},
    {Op::fcvt_l_d, kRtz, kInf, 0, 0, kMax64, NV},
    {Op::fcvt_l_d, kRtz, kNegInf, 0, 0, kSign, NV},
    {Op::fcvt_l_d, kRtz, neg(kNan), 0, 0, kMax64, NV},
    {Op::fcvt_lu_d, kRtz, d(0x1p63), 0, 0, kSign, 0},
    {Op::fcvt_lu_d, kRtz, d(0x1p64) - 1, 0, 0, 0xfffffffffffff800, 0},
    {Op::fcvt_lu_d, kRtz, d(0x1p64), 0, 0, kAll, NV},
    {Op::fcvt_lu_d, kRtz, d(-1), 0, 0, 0, NV},
    {Op::fcvt_lu_d, kRtz, kNan, 0, 0, kAll, NV},
    {Op::fcvt_lu_d, kRtz, kNegInf, 0, 0, 0, NV},
    {Op::fcvt_w_s, kRtz, s(2147483648.0F), 0, 0, kMax32, NV},
    {Op::fcvt_w_s, kRtz, s(2147483520.0F), 0, 0, 2147483520, 0},
    {Op::fcvt_w_s, kRtz, s(-2147483648.0F), 0, 0, kMin32, 0},
    {Op::fcvt_w_s, kRtz, kNegInfS, 0, 0, kMin32, NV},
    {Op::fcvt_w_s, kRtz, kNanS, 0, 0, kMax32, NV},
    {Op::fcvt_w_s, kRtz, kSnanS, 0, 0, kMax32, NV},
    {Op::fcvt_wu_s, kRtz, s(4294967296.0F), 0, 0, kAll, NV},
    {Op::fcvt_wu_s, kRtz, s(4294967040.0F), 0, 0, 0xffffffffffffff00, 0},
    {Op::fcvt_wu_s, kRtz, s(-1), 0, 0, 0, NV},
    {Op::fcvt_wu_s, kRtz, kNanS, 0, 0, kAll, NV},
    {Op::fcvt_l_s, kRtz, s(0x1p63F), 0, 0, kMax64, NV},
    {Op::fcvt_l_s, kRtz, s(-0x1p63F), 0, 0, kSign, 0},
    {Op::fcvt_l_s, kRtz, kNanS, 0, 0, kMax64, NV},
    {Op::fcvt_lu_s, kRtz, s(0x1p63F), 0, 0, kSign, 0},
    {Op::fcvt_lu_s, kRtz, s(0x1p64F), 0, 0, kAll, NV},
    {Op::fcvt_lu_s, kRtz, s(-1), 0, 0, 0, NV},
    {Op::fcvt_lu_s, kRtz, kInfS, 0, 0, kAll, NV},
    {Op::fcvt_d_l, 2, 0, 0, 0, 0, 0},  // +0 whatever the mode
    {Op::fcvt_s_lu, 2, 0, 0, 0, sb(0), 0},
    {Op::fcvt_d_w, kRne, minus(7), 0, 0, d(-7), 0},
    {Op::fcvt_d_wu, kRne, minus(7), 0, 0, d(4294967289.0), 0},
    {Op::fcvt_s_wu, kRne, 0xffffffff'00000003, 0, 0, s(3), 0},
    {Op::fcvt_s_d, kRne, kNan, 0, 0, kNanS, 0},
    {Op::fcvt_s_d, kRne, 0xfff8000000001234, 0, 0, kNanS, 0},
    {Op::fcvt_s_d, kRne, kSnan, 0, 0, kNanS, NV},
    {Op::fcvt_s_d, kRne, kNegInf, 0, 0, kNegInfS, 0},
    {Op::fcvt_s_d, kRne, kNegZero, 0, 0, kNegZeroS, 0},
    {Op::fcvt_d_s, kRne, sb(0xffc12345), 0, 0, kNan, 0},
    {Op::fcvt_d_s, kRne, kSnanS, 0, 0, kNan, NV},
    {Op::fcvt_d_s, kRne, kNegInfS, 0, 0, kNegInf, 0},
    {Op::fcvt_d_s, kRne, kNegZeroS, 0, 0, kNegZero, 0},
    // Moves keep all bits; the ones of 32 bits box and sign-extend.
    {Op::fmv_d_x, 0, kSnan, 0, 0, kSnan, 0},
    {Op::fmv_x_d, 0, kSnan, 0, 0, kSnan, 0},
    {Op::fmv_x_d, 0, 0x0123456789abcdef, 0, 0, 0x0123456789abcdef, 0},
    {Op::fmv_w_x, 0, 0x123456789abcdef0, 0, 0, sb(0x9abcdef0), 0},
    {Op::fmv_x_w, 0, sb(0x80000000), 0, 0, kMin32, 0},
    {Op::fmv_x_w, 0, 0x123456787fc00001, 0, 0, 0x7fc00001, 0},  // boxed or not
    // Sign injection keeps payloads, and takes what is not boxed for the canonical NaN.
    {Op::fsgnj_d, 0, kSnan, kNegZero, 0, neg(kSnan), 0},
    {Op::fsgnj_d, 0, d(-2), d(1), 0, d(2), 0},
    {Op::fsgnjn_d, 0, d(1), d(1), 0, d(-1), 0},
    {Op::fsgnjn_d, 0, kSnan, kNegZero, 0, kSnan, 0},
    {Op::fsgnjx_d, 0, d(-1), d(-1), 0, d(1), 0},
    {Op::fsgnjx_d, 0, kNan + 5, d(-1), 0, neg(kNan + 5), 0},
    {Op::fsgnj_s, 0, kSnanS, kNegZeroS, 0, negs(kSnanS), 0},
    {Op::fsgnj_s, 0, d(1), s(-1), 0, negs(kNanS), 0},
    {Op::fsgnj_s, 0, s(-3), d(-1), 0, s(3), 0},
    {Op::fsgnjn_s, 0, s(1), s(1), 0, s(-1), 0},
    {Op::fsgnjn_s, 0, s(1), d(-1), 0, s(-1), 0},
    {Op::fsgnjx_s, 0, s(-1), s(-1), 0, s(1), 0},
    {Op::fsgnjx_s, 0, s(-1), d(-1), 0, s(-1), 0},
};

using enum Special;
constexpr SpecialVector kSpecial[] = {
    {Op::fadd_d, Op::fadd_s, inf, neg_inf, zero, nan, NV},
    {Op::fadd_d, Op::fadd_s, inf, inf, zero, inf, 0},
    {Op::fadd_d, Op::fadd_s, neg_inf, one, zero, neg_inf, 0},
    {Op::fadd_d, Op::fadd_s, zero, neg_zero, zero, zero, 0},
    {Op::fadd_d, Op::fadd_s, neg_zero, neg_zero, zero, neg_zero, 0},
    {Op::fadd_d, Op::fadd_s, one, one, zero, two, 0},
    {Op::fadd_d, Op::fadd_s, fat_nan, one, zero, nan, 0},
    {Op::fadd_d, Op::fadd_s, one, fat_nan, zero, nan, 0},
    {Op::fadd_d, Op::fadd_s, snan, one, zero, nan, NV},
    {Op::fadd_d, Op::fadd_s, nan, snan, zero, nan, NV},
    {Op::fsub_d, Op::fsub_s, inf, inf, zero, nan, NV},
    {Op::fsub_d, Op::fsub_s, inf, neg_inf, zero, inf, 0},
    {Op::fsub_d, Op::fsub_s, neg_zero, zero, zero, neg_zero, 0},
    {Op::fsub_d, Op::fsub_s, neg_zero, neg_zero, zero, zero, 0},
    {Op::fsub_d, Op::fsub_s, neg_one, one, zero, neg_two, 0},
    {Op::fsub_d, Op::fsub_s, one, snan, zero, nan, NV},
    {Op::fsub_d, Op::fsub_s, fat_nan, one, zero, nan, 0},
    {Op::fmul_d, Op::fmul_s, zero, inf, zero, nan, NV},
    {Op::fmul_d, Op::fmul_s, neg_inf, neg_zero, zero, nan, NV},
    {Op::fmul_d, Op::fmul_s, inf, neg_one, zero, neg_inf, 0},
    {Op::fmul_d, Op::fmul_s, zero, neg_one, zero, neg_zero, 0},
    {Op::fmul_d, Op::fmul_s, neg_zero, neg_one, zero, zero, 0},
    {Op::fmul_d, Op::fmul_s, subnormal, one, zero, subnormal, 0},
    {Op::fmul_d, Op::fmul_s, fat_nan, inf, zero, nan, 0},
    {Op::fmul_d, Op::fmul_s, zero, snan, zero, nan, NV},
    {Op::fdiv_d, Op::fdiv_s, one, zero, zero, inf, DZ},
    {Op::fdiv_d, Op::fdiv_s, one, neg_zero, zero, neg_inf, DZ},
    {Op::fdiv_d, Op::fdiv_s, subnormal, zero, zero, inf, DZ},
    {Op::fdiv_d, Op::fdiv_s, zero, zero, zero, nan, NV},
    {Op::fdiv_d, Op::fdiv_s, inf, neg_inf, zero, nan, NV},
    {Op::fdiv_d, Op::fdiv_s, inf, zero, zero, inf, 0},
    {Op::fdiv_d, Op::fdiv_s, one, neg_inf, zero, neg_zero, 0},
    {Op::fdiv_d, Op::fdiv_s, zero, neg_one, zero, neg_zero, 0},
    {Op::fdiv_d, Op::fdiv_s, fat_nan, zero, zero, nan, 0},
    {Op::fdiv_d, Op::fdiv_s, snan, zero, zero, nan, NV},
    {Op::fsqrt_d, Op::fsqrt_s, neg_zero, zero, zero, neg_zero, 0},
    {Op::fsqrt_d, Op::fsqrt_s, inf, zero, zero, inf, 0},
    {Op::fsqrt_d, Op::fsqrt_s, neg_inf, zero, zero, nan, NV},
    {Op::fsqrt_d, Op::fsqrt_s, neg_one, zero, zero, nan, NV},
    {Op::fsqrt_d, Op::fsqrt_s, fat_nan, zero, zero, nan, 0},
    {Op::fsqrt_d, Op::fsqrt_s, snan, zero, zero, nan, NV},
    {Op::fmadd_d, Op::fmadd_s, inf, zero, one, nan, NV},
    {Op::fmadd_d, Op::fmadd_s, inf, zero, snan, nan, NV},
    {Op::fmadd_d, Op::fmadd_s, inf, one, neg_inf, nan, NV},
    {Op::fmadd_d, Op::fmadd_s, inf, one, inf, inf, 0},
    {Op::fmadd_d, Op::fmadd_s, one, one, fat_nan, nan, 0},
    {Op::fmadd_d, Op::fmadd_s, one, one, snan, nan, NV},
    {Op::fmadd_d, Op::fmadd_s, nan, snan, one, nan, NV},
    {Op::fmadd_d, Op::fmadd_s, fat_nan, zero, one, nan, 0},
    {Op::fmadd_d, Op::fmadd_s, neg_zero, one, neg_zero, neg_zero, 0},
    {Op::fmadd_d, Op::fmadd_s, zero, one, neg_zero, zero, 0},
    {Op::fmsub_d, Op::fmsub_s, zero, neg_inf, one, nan, NV},
    {Op::fmsub_d, Op::fmsub_s, inf, one, inf, nan, NV},
    {Op::fmsub_d, Op::fmsub_s, inf, one, neg_inf, inf, 0},
    {Op::fmsub_d, Op::fmsub_s, one, one, fat_nan, nan, 0},
    {Op::fmsub_d, Op::fmsub_s, zero, one, zero, zero, 0},
    {Op::fmsub_d, Op::fmsub_s, neg_zero, one, zero, neg_zero, 0},
    {Op::fnmsub_d, Op::fnmsub_s, neg_zero, inf, one, nan, NV},
    {Op::fnmsub_d, Op::fnmsub_s, inf, one, inf, nan, NV},
    {Op::fnmsub_d, Op::fnmsub_s, inf, one, neg_inf, neg_inf, 0},
    {Op::fnmsub_d, Op::fnmsub_s, one, snan, one, nan, NV},
    {Op::fnmsub_d, Op::fnmsub_s, one, one, fat_nan, nan, 0},
    {Op::fnmsub_d, Op::fnmsub_s, zero, one, zero, zero, 0},
    {Op::fnmsub_d, Op::fnmsub_s, zero, one, neg_zero, neg_zero, 0},
    {Op::fnmadd_d, Op::fnmadd_s, neg_inf, neg_zero, one, nan, NV},
    {Op::fnmadd_d, Op::fnmadd_s, inf, one, neg_inf, nan, NV},
    {Op::fnmadd_d, Op::fnmadd_s, inf, one, inf, neg_inf, 0},
    {Op::fnmadd_d, Op::fnmadd_s, fat_nan, one, one, nan, 0},
    {Op::fnmadd_d, Op::fnmadd_s, zero, one, zero, neg_zero, 0},
    {Op::fnmadd_d, Op::fnmadd_s, one, one, one, neg_two, 0},
    {Op::fmin_d, Op::fmin_s, one, neg_two, zero, neg_two, 0},
    {Op::fmin_d, Op::fmin_s, neg_two, one, zero, neg_two, 0},
    {Op::fmin_d, Op::fmin_s, zero, neg_zero, zero, neg_zero, 0},
    {Op::fmin_d, Op::fmin_s, neg_zero, zero, zero, neg_zero, 0},
    {Op::fmin_d, Op::fmin_s, fat_nan, one, zero, one, 0},
    {Op::fmin_d, Op::fmin_s, one, fat_nan, zero, one, 0},
    {Op::fmin_d, Op::fmin_s, snan, one, zero, one, NV},
    {Op::fmin_d, Op::fmin_s, one, snan, zero, one, NV},
    {Op::fmin_d, Op::fmin_s, fat_nan, nan, zero, nan, 0},
    {Op::fmin_d, Op::fmin_s, snan, fat_nan, zero, nan, NV},
    {Op::fmin_d, Op::fmin_s, inf, neg_inf, zero, neg_inf, 0},
    {Op::fmax_d, Op::fmax_s, one, neg_two, zero, one, 0},
    {Op::fmax_d, Op::fmax_s, neg_two, one, zero, one, 0},
    {Op::fmax_d, Op::fmax_s, zero, neg_zero, zero, zero, 0},
    {Op::fmax_d, Op::fmax_s, neg_zero, zero, zero, zero, 0},
    {Op::fmax_d, Op::fmax_s, fat_nan, one, zero, one, 0},
    {Op::fmax_d, Op::fmax_s, one, fat_nan, zero, one, 0},
    {Op::fmax_d, Op::fmax_s, snan, one, zero, one, NV},
    {Op::fmax_d, Op::fmax_s, one, snan, zero, one, NV},
    {Op::fmax_d, Op::fmax_s, nan, fat_nan, zero, nan, 0},
    {Op::fmax_d, Op::fmax_s, snan, snan, zero, nan, NV},
    {Op::fmax_d, Op::fmax_s, inf, neg_inf, zero, inf, 0},
};

constexpr SpecialTest kTests[] = {
    {Op::feq_d, Op::feq_s, one, one, 1, 0},
    {Op::feq_d, Op::feq_s, one, two, 0, 0},
    {Op::feq_d, Op::feq_s, zero, neg_zero, 1, 0},
    {Op::feq_d, Op::feq_s, inf, inf, 1, 0},
    {Op::feq_d, Op::feq_s, fat_nan, fat_nan, 0, 0},  // quiet: only a signalling NaN is invalid
    {Op::feq_d, Op::feq_s, one, nan, 0, 0},
    {Op::feq_d, Op::feq_s, snan, one, 0, NV},
    {Op::feq_d, Op::feq_s, nan, snan, 0, NV},
    {Op::flt_d, Op::flt_s, neg_one, one, 1, 0},
    {Op::flt_d, Op::flt_s, one, one, 0, 0},
    {Op::flt_d, Op::flt_s, neg_zero, zero, 0, 0},
    {Op::flt_d, Op::flt_s, neg_two, neg_one, 1, 0},
    {Op::flt_d, Op::flt_s, neg_inf, inf, 1, 0},
    {Op::flt_d, Op::flt_s, nan, one, 0, NV},
    {Op::flt_d, Op::flt_s, one, fat_nan, 0, NV},
    {Op::flt_d, Op::flt_s, snan, one, 0, NV},
    {Op::fle_d, Op::fle_s, one, one, 1, 0},
    {Op::fle_d, Op::fle_s, zero, neg_zero, 1, 0},
    {Op::fle_d, Op::fle_s, neg_one, neg_two, 0, 0},
    {Op::fle_d, Op::fle_s, subnormal, one, 1, 0},
    {Op::fle_d, Op::fle_s, nan, nan, 0, NV},
    {Op::fle_d, Op::fle_s, one, snan, 0, NV},
    {Op::fclass_d, Op::fclass_s, neg_inf, zero, 1 << 0, 0},
    {Op::fclass_d, Op::fclass_s, neg_one, zero, 1 << 1, 0},
    {Op::fclass_d, Op::fclass_s, neg_subnormal, zero, 1 << 2, 0},
    {Op::fclass_d, Op::fclass_s, neg_zero, zero, 1 << 3, 0},
    {Op::fclass_d, Op::fclass_s, zero, zero, 1 << 4, 0},
    {Op::fclass_d, Op::fclass_s, subnormal, zero, 1 << 5, 0},
    {Op::fclass_d, Op::fclass_s, two, zero, 1 << 6, 0},
    {Op::fclass_d, Op::fclass_s, inf, zero, 1 << 7, 0},
    {Op::fclass_d, Op::fclass_s, snan, zero, 1 << 8, 0},
    {Op::fclass_d, Op::fclass_s, nan, zero, 1 << 9, 0},
    {Op::fclass_d, Op::fclass_s, fat_nan, zero, 1 << 9, 0},
};
// clang-format on

}  // namespace

u64 special_double(Special kind) {
    switch (kind) {
    case Special::zero:
        return 0;
    case Special::neg_zero:
        return kNegZero;
    case Special::one:
        return d(1);
    case Special::neg_one:
        return d(-1);
    case Special::two:
        return d(2);
    case Special::neg_two:
        return d(-2);
    case Special::inf:
        return kInf;
    case Special::neg_inf:
        return kNegInf;
    case Special::nan:
        return kNan;
    case Special::fat_nan:
        return 0xfff8000000001234;
    case Special::snan:
        return kSnan;
    case Special::subnormal:
        return 1;
    case Special::neg_subnormal:
        return neg(1);
    }
    return 0;
}

u64 special_single(Special kind) {
    switch (kind) {
    case Special::zero:
        return sb(0);
    case Special::neg_zero:
        return kNegZeroS;
    case Special::one:
        return s(1);
    case Special::neg_one:
        return s(-1);
    case Special::two:
        return s(2);
    case Special::neg_two:
        return s(-2);
    case Special::inf:
        return kInfS;
    case Special::neg_inf:
        return kNegInfS;
    case Special::nan:
        return kNanS;
    case Special::fat_nan:
        return sb(0xffc01234);
    case Special::snan:
        return kSnanS;
    case Special::subnormal:
        return sb(1);
    case Special::neg_subnormal:
        return sb(0x80000001);
    }
    return 0;
}

std::span<const OneModeVector> one_mode_vectors() {
    return kOneMode;
}
std::span<const RoundingVector> rounding_vectors() {
    return kRounding;
}
std::span<const SpecialVector> special_vectors() {
    return kSpecial;
}
std::span<const SpecialTest> special_tests() {
    return kTests;
}

}  // namespace cpu_test
