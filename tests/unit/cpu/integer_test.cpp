// SPDX-License-Identifier: Apache-2.0
// Integer instructions on values at their edges; what they should give is from the specification.
#include "hart_fixture.hpp"

using namespace rv;
using cpu_test::EngineTest;

namespace {

constexpr std::uint64_t kMin = 0x8000'0000'0000'0000;
constexpr std::uint64_t kMax = 0x7fff'ffff'ffff'ffff;
constexpr std::uint64_t kMin32 = 0xffff'ffff'8000'0000;
constexpr std::uint64_t kAll = ~std::uint64_t{0};

constexpr Word op(Word f3, Word f7) {
    return r(0x33, f3, f7, a2, a0, a1);
}
constexpr Word op32(Word f3, Word f7) {
    return r(0x3b, f3, f7, a2, a0, a1);
}
constexpr Word immediate(Word f3, std::int64_t imm) {
    return i(0x13, f3, a2, a0, imm);
}
constexpr Word immediate32(Word f3, std::int64_t imm) {
    return i(0x1b, f3, a2, a0, imm);
}

struct Vector {
    const char* name;
    Word word;  ///< a2 = a0 op a1
    std::uint64_t a, b, expected;
};

// clang-format off
const Vector kVectors[] = {
    {"add wraps", op(0, 0), kMax, 1, kMin},
    {"sub wraps", op(0, 0x20), 0, 1, kAll},
    {"sll takes six bits", op(1, 0), 1, 64 + 63, kMin},
    {"slt is signed", op(2, 0), kMin, kMax, 1},
    {"sltu is unsigned", op(3, 0), kMin, kMax, 0},
    {"xor", op(4, 0), 0xff00, 0x0ff0, 0xf0f0},
    {"srl", op(5, 0), kMin, 63, 1},
    {"sra", op(5, 0x20), kMin, 63, kAll},
    {"or", op(6, 0), 0xf0, 0x0f, 0xff},
    {"and", op(7, 0), 0xf0, 0x3c, 0x30},
    {"addw sign-extends", op32(0, 0), 0x7fffffff, 1, kMin32},
    {"addw ignores the upper half", op32(0, 0), 0xffffffff00000001, 0xdeadbeef00000001, 2},
    {"subw", op32(0, 0x20), 0, 1, kAll},
    {"sllw takes five bits", op32(1, 0), 1, 32 + 31, kMin32},
    {"srlw", op32(5, 0), 0xffffffff80000000, 31, 1},
    {"srlw by 0 sign-extends", op32(5, 0), 0x80000000, 0, kMin32},
    {"sraw", op32(5, 0x20), 0x80000000, 31, kAll},
    {"addi", immediate(0, -1), 0, 0, kAll},
    {"slti", immediate(2, -1), kMin, 0, 1},
    {"sltiu sign-extends, then compares unsigned", immediate(3, -1), 5, 0, 1},
    {"xori -1 is not", immediate(4, -1), 0x0f, 0, ~std::uint64_t{0x0f}},
    {"ori", immediate(6, 0x700), 0x0f, 0, 0x70f},
    {"andi", immediate(7, -16), 0xff, 0, 0xf0},
    {"slli", immediate(1, 63), 3, 0, kMin},
    {"srli", immediate(5, 63), kMin, 0, 1},
    {"srai", immediate(5, 0x400 + 63), kMin, 0, kAll},
    {"addiw", immediate32(0, 1), 0x7fffffff, 0, kMin32},
    {"slliw", immediate32(1, 31), 1, 0, kMin32},
    {"srliw", immediate32(5, 31), kMin32, 0, 1},
    {"sraiw", immediate32(5, 0x400 + 31), 0x80000000, 0, kAll},
    {"mul", op(0, 1), kAll, kAll, 1},
    {"mulh", op(1, 1), kMin, kMin, 0x4000000000000000},
    {"mulh of -1", op(1, 1), kAll, 1, kAll},
    {"mulhsu", op(2, 1), kAll, kAll, kAll},
    {"mulhsu positive", op(2, 1), kMax, kAll, kMax - 1},
    {"mulhu", op(3, 1), kAll, kAll, kAll - 1},
    {"div truncates", op(4, 1), std::uint64_t(-7), 2, std::uint64_t(-3)},
    {"div by zero", op(4, 1), 42, 0, kAll},
    {"div overflow", op(4, 1), kMin, kAll, kMin},
    {"divu by zero", op(5, 1), 42, 0, kAll},
    {"divu", op(5, 1), kAll, 2, kMax},
    {"rem has the dividend's sign", op(6, 1), std::uint64_t(-7), 2, kAll},
    {"rem by zero", op(6, 1), 42, 0, 42},
    {"rem overflow", op(6, 1), kMin, kAll, 0},
    {"remu by zero", op(7, 1), kAll, 0, kAll},
    {"remu", op(7, 1), kAll, 10, 5},
    {"mulw", op32(0, 1), 0x7fffffff, 2, std::uint64_t(-2)},
    {"divw overflow", op32(4, 1), 0x80000000, kAll, kMin32},
    {"divw by zero", op32(4, 1), 42, 0xffffffff00000000, kAll},
    {"divuw", op32(5, 1), 0xffffffff, 1, kAll},
    {"divuw by zero", op32(5, 1), 42, 0, kAll},
    {"remw overflow", op32(6, 1), 0x80000000, kAll, 0},
    {"remw by zero sign-extends", op32(6, 1), 0x80000000, 0, kMin32},
    {"remuw by zero sign-extends", op32(7, 1), 0x80000000, 0, kMin32},
    {"remuw", op32(7, 1), 0xffffffff, 10, 5},
    {"add.uw", op32(0, 4), 0xffffffff80000000, 1, 0x80000001},
    {"sh1add wraps", op(2, 0x10), kMin, 5, 5},
    {"sh2add", op(4, 0x10), 3, 100, 112},
    {"sh3add", op(6, 0x10), 3, 100, 124},
    {"sh1add.uw", op32(2, 0x10), 0xffffffff80000000, 1, 0x100000001},
    {"sh2add.uw", op32(4, 0x10), kAll, 0, 0x3fffffffc},
    {"sh3add.uw", op32(6, 0x10), kAll, 8, 0x800000000},
    {"slli.uw", immediate32(1, 0x080 + 63), kAll, 0, kMin},
    {"andn", op(7, 0x20), 0xff, 0x0f, 0xf0},
    {"orn", op(6, 0x20), 0, 0x0f, ~std::uint64_t{0x0f}},
    {"xnor", op(4, 0x20), 0xff, 0x0f, ~std::uint64_t{0xf0}},
    {"clz", immediate(1, 0x600), 1, 0, 63},
    {"clz of 0", immediate(1, 0x600), 0, 0, 64},
    {"ctz", immediate(1, 0x601), kMin, 0, 63},
    {"ctz of 0", immediate(1, 0x601), 0, 0, 64},
    {"cpop", immediate(1, 0x602), kAll, 0, 64},
    {"clzw", immediate32(1, 0x600), 0xffffffff00000001, 0, 31},
    {"clzw of 0", immediate32(1, 0x600), 0xffffffff00000000, 0, 32},
    {"ctzw", immediate32(1, 0x601), 0xffffffff80000000, 0, 31},
    {"ctzw of 0", immediate32(1, 0x601), 0xffffffff00000000, 0, 32},
    {"cpopw", immediate32(1, 0x602), kAll, 0, 32},
    {"max", op(6, 5), kMin, 1, 1},
    {"maxu", op(7, 5), kMin, 1, kMin},
    {"min", op(4, 5), kMin, 1, kMin},
    {"minu", op(5, 5), kMin, 1, 1},
    {"sext.b", immediate(1, 0x604), 0x1280, 0, 0xffffffffffffff80},
    {"sext.h", immediate(1, 0x605), 0x128000, 0, 0xffffffffffff8000},
    {"zext.h", r(0x3b, 4, 4, a2, a0, 0), kAll, 0, 0xffff},
    {"rol", op(1, 0x30), kMin + 2, 64 + 1, 5},
    {"ror", op(5, 0x30), 3, 1, kMin + 1},
    {"rori", immediate(5, 0x600 + 63), kMin, 0, 1},
    {"rolw", op32(1, 0x30), 0x40000001, 32 + 1, 0xffffffff80000002},
    {"rorw", op32(5, 0x30), 0xffffffff00000001, 1, kMin32},
    {"roriw", immediate32(5, 0x600 + 4), 0x12345678, 0, 0xffffffff81234567},
    {"orc.b", immediate(5, 0x287), 0x0100008000000240, 0, 0xff0000ff0000ffff},
    {"rev8", immediate(5, 0x6b8), 0x0102030405060708, 0, 0x0807060504030201},
    {"bclr", op(1, 0x24), kAll, 64 + 63, kMax},
    {"bclri", immediate(1, 0x480 + 63), kAll, 0, kMax},
    {"bext", op(5, 0x24), kMin, 64 + 63, 1},
    {"bexti", immediate(5, 0x480 + 62), kMin, 0, 0},
    {"binv", op(1, 0x34), 1, 64, 0},
    {"binvi", immediate(1, 0x680 + 32), 0, 0, 0x100000000},
    {"bset", op(1, 0x14), 0, 31, 0x80000000},
    {"bseti", immediate(1, 0x280 + 63), 0, 0, kMin},
    {"czero.eqz keeps", op(5, 7), 7, kMin, 7},
    {"czero.eqz clears", op(5, 7), 7, 0, 0},
    {"czero.nez keeps", op(7, 7), 7, 0, 7},
    {"czero.nez clears", op(7, 7), 7, kMin, 0},
};
// clang-format on

class Integer : public EngineTest {};

COPS_ON_EVERY_ENGINE(Integer);

}  // namespace

TEST_P(Integer, instructions_give_what_the_specification_says) {
    for (const Vector& v : kVectors) {
        state.pc = cpu_test::kRam;
        state.x[a0] = v.a;
        state.x[a1] = v.b;
        run_code({v.word});
        EXPECT_EQ(x(a2), v.expected) << v.name;
        EXPECT_EQ(x(a0), v.a) << v.name;
    }
}

TEST_P(Integer, results_in_x0_are_dropped) {
    for (const Vector& v : kVectors) {
        state.pc = cpu_test::kRam;
        state.x[a0] = v.a;
        state.x[a1] = v.b;
        run_code({v.word & ~(31U << 7), add(a3, x0, x0)});
        EXPECT_EQ(x(0), 0U) << v.name;
        EXPECT_EQ(x(a3), 0U) << v.name;
    }
}

TEST_P(Integer, a_register_may_be_source_and_target) {
    state.x[a0] = 3;
    run_code({add(a0, a0, a0), sub(a0, x0, a0), r(0x33, 4, 0, a0, a0, a0)});
    EXPECT_EQ(x(a0), 0U);
}

TEST_P(Integer, upper_immediates) {
    run_code({lui(a0, 0x80000), auipc(a1, 0x80000), auipc(a2, 0x7ffff), auipc(a3, 0)});
    EXPECT_EQ(x(a0), kMin32);
    EXPECT_EQ(x(a1), cpu_test::kRam + 4 - 0x80000000);
    EXPECT_EQ(x(a2), cpu_test::kRam + 8 + 0x7ffff000);
    EXPECT_EQ(x(a3), cpu_test::kRam + 12);
}

TEST_P(Integer, jumps_link_the_next_instruction) {
    // jal over one word, jalr (with an odd target: bit 0 is dropped) over one.
    run_code({jal(ra, 8), 0, auipc(t0, 0), jalr(t1, t0, 13), 0, addi(a0, x0, 1)});
    EXPECT_EQ(x(ra), cpu_test::kRam + 4);
    EXPECT_EQ(x(t1), cpu_test::kRam + 16);
    EXPECT_EQ(x(a0), 1U);
}

TEST_P(Integer, jalr_reads_its_base_before_it_links) {
    run_code({auipc(t0, 0), jalr(t0, t0, 12), 0, nop()});
    EXPECT_EQ(x(t0), cpu_test::kRam + 8);
}

TEST_P(Integer, branches_compare_as_they_should) {
    struct {
        Word f3;
        std::uint64_t a, b;
        bool taken;
    } const cases[] = {
        {0, 5, 5, true},
        {0, 5, 6, false},
        {1, 5, 6, true},
        {1, 5, 5, false},
        {4, kMin, 0, true},
        {4, 0, kMin, false},
        {5, 0, kMin, true},
        {5, 1, 1, true},
        {6, kMin, 0, false},
        {6, 0, kMin, true},
        {7, kMin, 0, true},
        {7, 0, kMin, false},
    };
    for (const auto& c : cases) {
        state.pc = cpu_test::kRam;
        state.x[a0] = c.a;
        state.x[a1] = c.b;
        run_code({li(a2, 1), b(c.f3, a0, a1, 8), li(a2, 0)});
        EXPECT_EQ(x(a2), c.taken ? 1U : 0U) << c.f3 << " " << c.a << " " << c.b;
    }
}

TEST_P(Integer, a_loop_counts_its_instructions) {
    Code code;
    code.load(t0, 100000);
    const auto before = code.words().size();
    code << li(t1, 0) << addi(t1, t1, 3) << addi(t0, t0, -1) << bne(t0, x0, -8);
    run_code(code);
    EXPECT_EQ(x(t1), 300000U);
    EXPECT_EQ(state.instret, before + 1 + 300000 + 1);
}

TEST_P(Integer, jumps_and_branches_reach_other_pages) {
    const std::uint64_t far = cpu_test::kRam + 0x5000;
    put(cpu_test::kRam, {jal(ra, 0x5000), li(a1, 2), kEcall});
    put(far, {li(a0, 1), beq(x0, x0, 0xff0)});
    put(far + 4 + 0xff0, {li(a2, 3), jalr(x0, ra, 0)});
    ASSERT_EQ(run(), vmm::ExitKind::ended);
    EXPECT_EQ(x(a0), 1U);
    EXPECT_EQ(x(a1), 2U);
    EXPECT_EQ(x(a2), 3U);
}

TEST_P(Integer, straight_code_runs_on_into_the_next_page) {
    Code code;
    for (unsigned n = 0; n < 3000; ++n) {
        code << addi(a0, a0, 1);
    }
    run_code(code);
    EXPECT_EQ(x(a0), 3000U);
}

TEST_P(Integer, an_instruction_may_cross_a_page_boundary) {
    // Two bytes of padding put a 32-bit instruction over the boundary.
    const std::uint64_t boundary = cpu_test::kRam + 0x3000;
    put_value<std::uint16_t>(boundary - 4, 0x0001);  // c.nop
    put(boundary - 2, {li(a0, 77), addi(a0, a0, 1), kEcall});
    state.pc = boundary - 4;
    ASSERT_EQ(run(), vmm::ExitKind::ended);
    EXPECT_EQ(x(a0), 78U);
}
