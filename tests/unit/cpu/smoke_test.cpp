// SPDX-License-Identifier: Apache-2.0
#include "hart_fixture.hpp"

using namespace rv;
using cpu_test::HartTest;

TEST_F(HartTest, counts_in_a_loop) {
    Code code;
    code.load(t0, 100000);
    code << li(t1, 0) << addi(t1, t1, 3) << addi(t0, t0, -1) << bne(t0, x0, -8);
    run_code(code);
    EXPECT_EQ(x(t1), 300000U);
    EXPECT_EQ(x(t0), 0U);
    EXPECT_EQ(state.instret, 300000U + 11 + 1 + 1);
}

TEST_F(HartTest, loads_what_it_stored) {
    Code code;
    code.load(t0, cpu_test::kRam + 0x2000).load(t1, 0x8899aabbccddeeff);
    code << sd(t1, t0, 8) << lw(t2, t0, 8) << lb(t3, t0, 15) << lh(t4, t0, 9) << ld(t5, t0, 8);
    run_code(code);
    EXPECT_EQ(x(t2), 0xffffffffccddeeff);
    EXPECT_EQ(x(t3), 0xffffffffffffff88);
    EXPECT_EQ(x(t4), 0xffffffffffffddee);
    EXPECT_EQ(x(t5), 0x8899aabbccddeeff);
}

TEST_F(HartTest, an_illegal_instruction_traps_with_its_bits) {
    put(state.pc, {nop(), 0xffffffff});
    EXPECT_EQ(run(), vmm::ExitKind::ended);
    EXPECT_EQ(state.scause, 2U);
    EXPECT_EQ(state.sepc, cpu_test::kRam + 4);
    EXPECT_EQ(state.stval, 0xffffffffU);
}
