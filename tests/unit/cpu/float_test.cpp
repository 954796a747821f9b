// SPDX-License-Identifier: Apache-2.0
// F and D: results and flags at the places where hosts and RISC-V differ, and agreement of
// soft_float with the host's own arithmetic.
#include "cpu/riscv/soft_float.hpp"
#include "hart_fixture.hpp"

#include <bit>
#include <cfenv>
#include <cmath>
#include <limits>
#include <random>

using namespace rv;
using cpu_test::EngineTest;

namespace {

constexpr unsigned NX = 1, UF = 2, OF = 4, DZ = 8, NV = 16;
constexpr std::uint64_t kNan = 0x7ff8000000000000, kSnan = 0x7ff0000000000001,
                        kInf = 0x7ff0000000000000, kNegInf = 0xfff0000000000000,
                        kNegZero = 0x8000000000000000;
constexpr std::uint64_t kBox = 0xffffffff00000000;
constexpr std::uint64_t kNanS = kBox | 0x7fc00000, kInfS = kBox | 0x7f800000;

std::uint64_t d(double value) {
    return std::bit_cast<std::uint64_t>(value);
}
std::uint64_t s(float value) {
    return kBox | std::bit_cast<std::uint32_t>(value);
}

// f3 = f1 op f2 (f4 as the addend); x results in a0, x operands in a1.
constexpr Word fp(Word f7, Word rm, unsigned rs2 = 2) {
    return r(0x53, rm, f7, 3, 1, rs2);
}
constexpr Word to_x(Word f7, Word rm, unsigned rs2) {
    return r(0x53, rm, f7, a0, 1, rs2);
}
constexpr Word from_x(Word f7, Word rm, unsigned rs2) {
    return r(0x53, rm, f7, 3, a1, rs2);
}
constexpr Word fused(Word opcode, Word format, Word rm) {
    return 4U << 27 | format << 25 | 2U << 20 | 1U << 15 | rm << 12 | 3U << 7 | opcode;
}
constexpr Word kRne = 0, kRtz = 1, kRdn = 2, kRup = 3, kRmm = 4, kDyn = 7;

struct Vector {
    const char* name;
    Word word;
    std::uint64_t a, b, c;
    std::uint64_t expected;
    unsigned flags;
};

class Float : public EngineTest {
protected:
    void check(const Vector& v, bool result_in_x = false) {
        state.pc = cpu_test::kRam;
        state.fcsr = 0;
        state.f[1] = v.a;
        state.x[a1] = v.a;
        state.f[2] = v.b;
        state.f[4] = v.c;
        run_code({v.word});
        EXPECT_EQ(result_in_x ? x(a0) : state.f[3], v.expected) << v.name;
        EXPECT_EQ(state.fcsr & 31, v.flags) << v.name;
    }
};

COPS_ON_EVERY_ENGINE(Float);

}  // namespace

TEST_P(Float, fused_multiply_add_of_infinity_times_zero_plus_quiet_nan_raises_invalid) {
    for (const Word opcode : {0x43U, 0x47U, 0x4bU, 0x4fU}) {
        for (const Word rm : {kRne, kRtz, kRup, kRdn, kRmm}) {
            check({"inf*0+qnan", fused(opcode, 1, rm), kInf, 0, kNan, kNan, NV});
            check({"0*inf+qnan", fused(opcode, 1, rm), kNegZero, kNegInf, kNan, kNan, NV});
            check({"inf*0+qnan single", fused(opcode, 0, rm), kInfS, s(0), kNanS, kNanS, NV});
            check({"1*1+qnan", fused(opcode, 1, rm), d(1), d(1), kNan, kNan, 0});
        }
    }
}

TEST_P(Float, arithmetic_gives_results_and_flags) {
    const double tiny = std::numeric_limits<double>::min();
    const Vector vectors[] = {
        {"add", fp(1, kRne), d(1.5), d(2.25), 0, d(3.75), 0},
        {"add inexact", fp(1, kRne), d(1), d(1e-30), 0, d(1), NX},
        {"inf-inf", fp(1, kRne), kInf, kNegInf, 0, kNan, NV},
        {"snan operand", fp(1, kRne), kSnan, d(1), 0, kNan, NV},
        {"nan payload is dropped", fp(1, kRne), 0xfff8000000000123, d(1), 0, kNan, 0},
        {"sub to -0 rounding down", fp(5, kRdn), d(1), d(1), 0, kNegZero, 0},
        {"sub to +0", fp(5, kRne), d(1), d(1), 0, 0, 0},
        {"mul overflow", fp(9, kRne), d(1e300), d(1e300), 0, kInf, OF | NX},
        {"mul overflow toward zero", fp(9, kRtz), d(1e300), d(1e300), 0, 0x7fefffffffffffff, OF | NX
        },
        {"mul overflow rmm", fp(9, kRmm), d(1e300), d(-1e300), 0, kNegInf, OF | NX},
        {"mul underflow", fp(9, kRne), d(tiny), d(0.3), 0, d(tiny * 0.3), UF | NX},
        {"exact subnormal raises nothing", fp(9, kRne), d(tiny), d(0.5), 0, d(tiny / 2), 0},
        {"0*inf", fp(9, kRne), 0, kInf, 0, kNan, NV},
        {"div by zero", fp(0xd, kRne), d(-1), 0, 0, kNegInf, DZ},
        {"0/0", fp(0xd, kRne), 0, 0, 0, kNan, NV},
        {"inf/inf", fp(0xd, kRne), kInf, kInf, 0, kNan, NV},
        {"div rmm", fp(0xd, kRmm), d(1), d(3), 0, d(1.0 / 3), NX},
        {"sqrt -1", fp(0x2d, kRne, 0), d(-1), 0, 0, kNan, NV},
        {"sqrt -0", fp(0x2d, kRne, 0), kNegZero, 0, 0, kNegZero, 0},
        {"sqrt 2", fp(0x2d, kRne, 0), d(2), 0, 0, d(std::sqrt(2.0)), NX},
        {"sqrt rmm", fp(0x2d, kRmm, 0), d(2), 0, 0, d(std::sqrt(2.0)), NX},
        {"single add", fp(0, kRne), s(1), s(1e-20F), 0, s(1), NX},
        {"single not boxed is nan", fp(0, kRne), d(1.5), s(1), 0, kNanS, 0},
        {"fmadd", fused(0x43, 1, kRne), d(2), d(3), d(4), d(10), 0},
        {"fmsub", fused(0x47, 1, kRne), d(2), d(3), d(4), d(2), 0},
        {"fnmsub", fused(0x4b, 1, kRne), d(2), d(3), d(4), d(-2), 0},
        {"fnmadd", fused(0x4f, 1, kRne), d(2), d(3), d(4), d(-10), 0},
        {"fma rounds once",
         fused(0x43, 1, kRne),
         0x3ff0000000000001,
         0x3ff0000000000001,
         0xbff0000000000002,
         0x3970000000000000,
         0},
        {"fma inf-inf", fused(0x43, 1, kRne), kInf, d(1), kNegInf, kNan, NV},
    };
    for (const Vector& v : vectors) {
        check(v);
    }
}

TEST_P(Float, ties_away_from_zero_are_not_ties_to_even) {
    const std::uint64_t one = d(1), half_unit = 0x3ca0000000000000;  // 2^-53
    check({"rne", fp(1, kRne), one, half_unit, 0, one, NX});
    check({"rmm", fp(1, kRmm), one, half_unit, 0, one + 1, NX});
    check({"rmm negative", fp(1, kRmm), d(-1), half_unit | kNegZero, 0, d(-1) + 1, NX});
    check({"rup", fp(1, kRup), one, half_unit, 0, one + 1, NX});
    check({"rtz", fp(1, kRtz), one, half_unit, 0, one, NX});
    check({"single rmm", fp(0, kRmm), s(1), kBox | 0x33800000, 0, s(1) + 1, NX});
}

TEST_P(Float, the_dynamic_mode_is_frm_and_reserved_modes_are_illegal) {
    const std::uint64_t half_unit = 0x3ca0000000000000;
    for (const unsigned mode : {0U, 1U, 2U, 3U, 4U}) {
        state.pc = cpu_test::kRam;
        state.f[1] = d(1);
        state.f[2] = half_unit;
        run_code({csrrwi(0, 2, mode), fp(1, kDyn)});
        EXPECT_EQ(state.f[3], d(1) + (mode >= 3 ? 1 : 0)) << mode;
    }
    for (const unsigned mode : {5U, 6U, 7U}) {
        state.pc = cpu_test::kRam;
        put(cpu_test::kRam, {csrrwi(0, 2, mode), fp(1, kDyn)});
        ASSERT_EQ(run(), vmm::ExitKind::ended);
        EXPECT_EQ(state.scause, 2U) << mode;
        EXPECT_EQ(state.sepc, cpu_test::kRam + 4);
    }
    for (const Word mode : {5U, 6U}) {
        state.pc = cpu_test::kRam;
        put(cpu_test::kRam, {fp(1, mode)});
        ASSERT_EQ(run(), vmm::ExitKind::ended);
        EXPECT_EQ(state.scause, 2U) << mode;
    }
}

TEST_P(Float, minimum_and_maximum) {
    const Vector vectors[] = {
        {"min", fp(0x15, 0), d(1), d(-2), 0, d(-2), 0},
        {"max", fp(0x15, 1), d(1), d(-2), 0, d(1), 0},
        {"min of zeros", fp(0x15, 0), 0, kNegZero, 0, kNegZero, 0},
        {"max of zeros", fp(0x15, 1), kNegZero, 0, 0, 0, 0},
        {"min with nan", fp(0x15, 0), kNan, d(3), 0, d(3), 0},
        {"max with snan", fp(0x15, 1), d(3), kSnan, 0, d(3), NV},
        {"both nan", fp(0x15, 0), 0xfff8000000000001, kNan, 0, kNan, 0},
        {"both snan", fp(0x15, 1), kSnan, kSnan, 0, kNan, NV},
    };
    for (const Vector& v : vectors) {
        check(v);
    }
}

TEST_P(Float, sign_injection_keeps_payloads) {
    check({"fsgnj", fp(0x11, 0), kSnan, kNegZero, 0, kSnan | kNegZero, 0});
    check({"fsgnjn", fp(0x11, 1), d(1), d(1), 0, d(-1), 0});
    check({"fsgnjx", fp(0x11, 2), d(-1), d(-1), 0, d(1), 0});
    check({"fsgnj.s of an unboxed value", fp(0x10, 0), d(1), s(-1), 0, kBox | 0xffc00000, 0});
}

TEST_P(Float, comparisons) {
    const Vector vectors[] = {
        {"feq", to_x(0x51, 2, 2), d(1), d(1), 0, 1, 0},
        {"feq of zeros", to_x(0x51, 2, 2), 0, kNegZero, 0, 1, 0},
        {"feq qnan is quiet", to_x(0x51, 2, 2), kNan, d(1), 0, 0, 0},
        {"feq snan", to_x(0x51, 2, 2), kSnan, d(1), 0, 0, NV},
        {"flt", to_x(0x51, 1, 2), d(-1), d(1), 0, 1, 0},
        {"flt of zeros", to_x(0x51, 1, 2), kNegZero, 0, 0, 0, 0},
        {"flt qnan signals", to_x(0x51, 1, 2), kNan, d(1), 0, 0, NV},
        {"fle", to_x(0x51, 0, 2), d(1), d(1), 0, 1, 0},
        {"fle negative", to_x(0x51, 0, 2), d(-1), d(-2), 0, 0, 0},
        {"fle qnan signals", to_x(0x51, 0, 2), d(1), kNan, 0, 0, NV},
        {"flt.s", to_x(0x50, 1, 2), s(1), s(2), 0, 1, 0},
    };
    for (const Vector& v : vectors) {
        check(v, true);
    }
}

TEST_P(Float, classes) {
    struct {
        std::uint64_t value;
        unsigned bit;
    } const cases[] = {
        {kNegInf, 0},
        {d(-1), 1},
        {0x8000000000000001, 2},
        {kNegZero, 3},
        {0, 4},
        {1, 5},
        {d(1), 6},
        {kInf, 7},
        {kSnan, 8},
        {kNan, 9},
    };
    for (const auto& c : cases) {
        check({"fclass.d", to_x(0x71, 1, 0), c.value, 0, 0, 1U << c.bit, 0}, true);
    }
    check({"fclass.s of an unboxed value", to_x(0x70, 1, 0), d(1), 0, 0, 1U << 9, 0}, true);
}

TEST_P(Float, conversions_to_integers_round_saturate_and_flag) {
    constexpr std::uint64_t kMax32 = 0x7fffffff, kMin32 = 0xffffffff80000000;
    const Vector vectors[] = {
        {"w rtz", to_x(0x61, kRtz, 0), d(-1.5), 0, 0, std::uint64_t(-1), NX},
        {"w rne", to_x(0x61, kRne, 0), d(2.5), 0, 0, 2, NX},
        {"w rmm", to_x(0x61, kRmm, 0), d(2.5), 0, 0, 3, NX},
        {"w rdn", to_x(0x61, kRdn, 0), d(-2.5), 0, 0, std::uint64_t(-3), NX},
        {"w rup", to_x(0x61, kRup, 0), d(-2.5), 0, 0, std::uint64_t(-2), NX},
        {"w too big: invalid, not inexact", to_x(0x61, kRtz, 0), d(4294967296.5), 0, 0, kMax32, NV},
        {"w too small", to_x(0x61, kRtz, 0), d(-4294967296.5), 0, 0, kMin32, NV},
        {"w nan", to_x(0x61, kRtz, 0), kNan | kNegZero, 0, 0, kMax32, NV},
        {"w edge", to_x(0x61, kRtz, 0), d(2147483647.9), 0, 0, kMax32, NX},
        {"w over the edge by rounding", to_x(0x61, kRup, 0), d(2147483647.9), 0, 0, kMax32, NV},
        {"wu is sign-extended", to_x(0x61, kRtz, 1), d(4294967295.0), 0, 0, ~std::uint64_t{0}, 0},
        {"wu negative", to_x(0x61, kRtz, 1), d(-1), 0, 0, 0, NV},
        {"wu -0.5", to_x(0x61, kRtz, 1), d(-0.5), 0, 0, 0, NX},
        {"wu -0.5 down", to_x(0x61, kRdn, 1), d(-0.5), 0, 0, 0, NV},
        {"l edge", to_x(0x61, kRtz, 2), d(-0x1p63), 0, 0, kNegZero, 0},
        {"l too big", to_x(0x61, kRtz, 2), d(0x1p63), 0, 0, ~kNegZero, NV},
        {"l inf", to_x(0x61, kRtz, 2), kNegInf, 0, 0, kNegZero, NV},
        {"lu edge", to_x(0x61, kRtz, 3), d(0x1.fffffffffffffp63), 0, 0, 0xfffffffffffff800, 0},
        {"lu too big", to_x(0x61, kRtz, 3), d(0x1p64), 0, 0, ~std::uint64_t{0}, NV},
        {"lu nan", to_x(0x61, kRtz, 3), kNan, 0, 0, ~std::uint64_t{0}, NV},
        {"w.s", to_x(0x60, kRtz, 0), s(-7.75F), 0, 0, std::uint64_t(-7), NX},
        {"smallest subnormal", to_x(0x61, kRup, 0), 1, 0, 0, 1, NX},
    };
    for (const Vector& v : vectors) {
        check(v, true);
    }
}

TEST_P(Float, conversions_from_integers) {
    const Vector vectors[] = {
        {"d.w", from_x(0x69, kRne, 0), 0xffffffff80000000, 0, 0, d(-2147483648.0), 0},
        {"d.wu", from_x(0x69, kRne, 1), 0xffffffff80000000, 0, 0, d(2147483648.0), 0},
        {"d.l inexact", from_x(0x69, kRne, 2), 0x7fffffffffffffff, 0, 0, d(0x1p63), NX},
        {"d.l rtz", from_x(0x69, kRtz, 2), 0x7fffffffffffffff, 0, 0, 0x43dfffffffffffff, NX},
        {"d.lu", from_x(0x69, kRne, 3), ~std::uint64_t{0}, 0, 0, d(0x1p64), NX},
        {"d.l zero", from_x(0x69, kRdn, 2), 0, 0, 0, 0, 0},
        {"s.w", from_x(0x68, kRne, 0), 16777217, 0, 0, s(16777216.0F), NX},
        {"s.w rmm", from_x(0x68, kRmm, 0), 16777217, 0, 0, s(16777218.0F), NX},
        {"s.l", from_x(0x68, kRne, 2), std::uint64_t(-1), 0, 0, s(-1), 0},
        {"s.lu", from_x(0x68, kRne, 3), ~std::uint64_t{0}, 0, 0, s(0x1p64F), NX},
        {"fmv.d.x", from_x(0x79, 0, 0), kSnan, 0, 0, kSnan, 0},
        {"fmv.w.x boxes", from_x(0x78, 0, 0), 0x123456789abcdef0, 0, 0, kBox | 0x9abcdef0, 0},
    };
    for (const Vector& v : vectors) {
        check(v);
    }
    check(
        {"fmv.x.w sign-extends", to_x(0x70, 0, 0), kBox | 0x80000000, 0, 0, 0xffffffff80000000, 0},
        true
    );
    check({"fmv.x.d", to_x(0x71, 0, 0), kSnan, 0, 0, kSnan, 0}, true);
}

TEST_P(Float, conversions_between_formats) {
    const Vector vectors[] = {
        {"s.d", fp(0x20, kRne, 1), d(1.5), 0, 0, s(1.5F), 0},
        {"s.d inexact", fp(0x20, kRne, 1), d(0.1), 0, 0, s(0.1F), NX},
        {"s.d overflow", fp(0x20, kRne, 1), d(1e300), 0, 0, kInfS, OF | NX},
        {"s.d underflow", fp(0x20, kRne, 1), d(1e-46), 0, 0, s(0), UF | NX},
        {"s.d becomes normal by rounding: not tiny",
         fp(0x20, kRne, 1),
         0x380fffffffffffff,
         0,
         0,
         kBox | 0x00800000,
         NX},
        {"s.d tiny before and after rounding",
         fp(0x20, kRne, 1),
         0x380fffffe0000000,
         0,
         0,
         kBox | 0x00800000,
         UF | NX},
        {"s.d nan", fp(0x20, kRne, 1), 0xfff8000000001234, 0, 0, kNanS, 0},
        {"s.d snan", fp(0x20, kRne, 1), kSnan, 0, 0, kNanS, NV},
        {"d.s", fp(0x21, kRne, 0), s(0.1F), 0, 0, d(static_cast<double>(0.1F)), 0},
        {"d.s snan", fp(0x21, kRne, 0), kBox | 0x7f800001, 0, 0, kNan, NV},
        {"d.s unboxed", fp(0x21, kRne, 0), d(1), 0, 0, kNan, 0},
    };
    for (const Vector& v : vectors) {
        check(v);
    }
}

TEST_P(Float, flags_accrue_until_they_are_cleared) {
    state.f[1] = d(1);
    state.f[2] = d(3);
    run_code(
        {fp(0xd, kRne),
         csrr(a0, 1),
         r(0x53, 0, 0xd, 5, 1, 6),
         csrr(a1, 1),
         csrrwi(a2, 1, 0),
         csrr(a3, 3),
         fp(0xd, kRne)}
    );
    EXPECT_EQ(x(a0), NX);
    EXPECT_EQ(x(a1), NX | DZ);
    EXPECT_EQ(x(a2), NX | DZ);
    EXPECT_EQ(x(a3), 0U);
    EXPECT_EQ(state.fcsr, NX);
}

TEST_P(Float, instructions_are_illegal_while_fs_is_off_and_make_it_dirty_otherwise) {
    const Word words[] = {
        fp(1, 0),
        fused(0x43, 1, 0),
        fp(0x15, 0),
        to_x(0x51, 2, 2),
        to_x(0x71, 1, 0),
        to_x(0x61, 1, 0),
        from_x(0x69, 0, 0),
        i(7, 3, 1, s0, 0),
        rv::s(0x27, 3, s0, 1, 0),
        csrr(a0, 3),
        to_x(0x71, 0, 0),
        fp(0x20, 0, 1)
    };
    state.x[s0] = cpu_test::kRam + 0x20000;
    for (const Word word : words) {
        state.pc = cpu_test::kRam;
        state.sstatus = 0;
        put(cpu_test::kRam, {word});
        ASSERT_EQ(run(), vmm::ExitKind::ended);
        EXPECT_EQ(state.scause, 2U) << std::hex << word;
        EXPECT_EQ(state.stval, word);
    }
    for (const Word word : {fp(1, 0), i(7, 3, 1, s0, 0), to_x(0x61, 1, 0), csrrwi(0, 1, 1)}) {
        state.pc = cpu_test::kRam;
        state.sstatus = 1 << 13;
        run_code({word, csrr(a0, 0x100)});
        EXPECT_EQ(x(a0) >> 13 & 3, 3U) << std::hex << word;
        EXPECT_EQ(x(a0) >> 63, 1U) << "SD";
    }
}

TEST_P(Float, run_gives_the_host_its_rounding_mode_and_flags_back) {
    std::fesetround(FE_UPWARD);
    std::feclearexcept(FE_ALL_EXCEPT);
    check({"rne though the host rounds up", fp(1, kRne), d(1), d(1e-30), 0, d(1), NX});
    EXPECT_EQ(std::fegetround(), FE_UPWARD);
    EXPECT_EQ(std::fetestexcept(FE_DIVBYZERO | FE_INVALID), 0);
    std::fesetround(FE_TONEAREST);
}

TEST(SoftFloat, agrees_with_the_host_on_random_numbers) {
    namespace soft = vmm::riscv::soft;
    using soft::F64;
    std::mt19937_64 random(42);
    const auto number = [&random] {
        const std::uint64_t bits = random();
        // Often near one another and near the ends of the range.
        switch (bits % 4) {
        case 0:
            return 0x3ff0000000000000 + (random() >> 11);
        case 1:
            return (random() & 0x800fffffffffffff) | (bits >> 8 % 3) << 52;
        default:
            return random();
        }
    };
    const auto same = [](std::uint64_t a, double b) {
        return std::isnan(b) ? a == soft::kCanonicalNan<F64> : a == std::bit_cast<std::uint64_t>(b);
    };
    constexpr auto rne = vmm::riscv::Rounding::nearest_even;
    unsigned flags = 0;
    for (int n = 0; n < 200000; ++n) {
        const std::uint64_t a = number(), b = number(), c = number();
        const auto x = std::bit_cast<double>(a), y = std::bit_cast<double>(b),
                   z = std::bit_cast<double>(c);
        ASSERT_TRUE(same(soft::add<F64>(a, b, rne, flags), x + y)) << std::hex << a << " " << b;
        ASSERT_TRUE(same(soft::mul<F64>(a, b, rne, flags), x * y)) << std::hex << a << " " << b;
        ASSERT_TRUE(same(soft::div<F64>(a, b, rne, flags), x / y)) << std::hex << a << " " << b;
        ASSERT_TRUE(same(soft::sqrt<F64>(a, rne, flags), std::sqrt(x))) << std::hex << a;
        ASSERT_TRUE(same(soft::fma<F64>(a, b, c, rne, flags), std::fma(x, y, z)))
            << std::hex << a << " " << b << " " << c;
    }
}
