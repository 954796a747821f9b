// SPDX-License-Identifier: Apache-2.0
// F and D beyond single instructions (those: float_vector_test.cpp): modes, flags, sstatus.FS, the
// host's own environment; and agreement of soft_float with the host's arithmetic.
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

constexpr unsigned NX = 1, DZ = 8;

std::uint64_t d(double value) {
    return std::bit_cast<std::uint64_t>(value);
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
constexpr Word kRne = 0, kDyn = 7;

class Float : public EngineTest {};

COPS_ON_EVERY_ENGINE(Float);

}  // namespace

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

TEST_P(Float, a_nan_of_doubles_is_no_single_though_its_operand_looked_like_one) {
    // fdiv.d f3, f1, f2: a canonical NaN, whatever the payload. fsub.s f3, f3, f2 then reads what
    // is not NaN-boxed, so a NaN again.
    state.f[1] = 0xffffffff5efffffb;
    state.f[2] = 0xffffffff3f800000;
    run_code({fp(0x0d, kRne), r(0x53, kRne, 0x04, 3, 3, 2)});
    EXPECT_EQ(state.f[3], 0xffffffff7fc00000);
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
    state.f[1] = d(1);
    state.f[2] = d(1e-30);
    run_code({fp(1, kRne)});
    EXPECT_EQ(state.f[3], d(1)) << "rne though the host rounds up";
    EXPECT_EQ(state.fcsr & 31, NX);
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
