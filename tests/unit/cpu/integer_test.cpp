// SPDX-License-Identifier: Apache-2.0
// How integer instructions follow one another: jumps, loops, pages. What each of them computes is
// in instruction_vector_test.cpp.
#include "hart_fixture.hpp"

using namespace rv;
using cpu_test::EngineTest;

namespace {

class Integer : public EngineTest {};

COPS_ON_EVERY_ENGINE(Integer);

}  // namespace

TEST_P(Integer, a_register_may_be_source_and_target) {
    state.x[a0] = 3;
    run_code({add(a0, a0, a0), sub(a0, x0, a0), r(0x33, 4, 0, a0, a0, a0)});
    EXPECT_EQ(x(a0), 0U);
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
