// SPDX-License-Identifier: Apache-2.0
// What the optimiser makes of the shapes that compilers emit.
#include "cpu/dbt/ir/print.hpp"
#include "cpu/dbt/opt/optimise.hpp"
#include "page.hpp"

#include <gtest/gtest.h>

namespace {

using dbt_test::Page;
using vmm::dbt::Limits;
namespace ir = vmm::dbt::ir;

/// The first block of the optimised translation of `code`, which a jump follows; only its
/// instructions, without the jump.
std::string optimised(rv::Code code) {
    Page page;
    code << rv::jal(0, 0x400);
    page.put(0, code);
    ir::Region region = page.build(0);
    vmm::dbt::optimise(region, {.share_probes = true});
    std::string text;
    for (const ir::Inst& inst : region.blocks.front().insts) {
        if (inst.op != ir::Op::jump) {
            text += print(inst) + "\n";
        }
    }
    return text;
}

TEST(Optimise, large_constant_is_one_move) {
    EXPECT_EQ(optimised({rv::lui(5, 0x12345), rv::addi(5, 5, 0x678)}), "x5 = mov 305419896\n");
}

TEST(Optimise, address_relative_to_pc_is_one_instruction) {
    EXPECT_EQ(optimised({rv::auipc(5, 2), rv::addi(5, 5, -8)}), "x5 = page_address 8184\n");
}

TEST(Optimise, zero_extension_by_shifts_is_one_instruction) {
    EXPECT_EQ(optimised({rv::slli(5, 5, 32), rv::srli(5, 5, 32)}), "x5 = zero_extend_32 x5\n");
    EXPECT_EQ(optimised({rv::slli(5, 6, 48), rv::srli(5, 5, 48)}), "x5 = zero_extend_16 x6\n");
    EXPECT_EQ(optimised({rv::slli(5, 6, 54), rv::srli(5, 5, 54)}), "x5 = and x6, 1023\n");
}

TEST(Optimise, sign_extension_by_shifts_is_one_instruction) {
    const rv::Word srai_56 = rv::srli(5, 5, 56) | 0x4000'0000;
    EXPECT_EQ(optimised({rv::slli(5, 5, 56), srai_56}), "x5 = sign_extend_8 x5\n");
}

TEST(Optimise, shifts_by_other_numbers_stay) {
    EXPECT_EQ(
        optimised({rv::slli(5, 5, 31), rv::srli(5, 5, 31)}), "x5 = shl x5, 31\nx5 = shr x5, 31\n"
    );
}

TEST(Optimise, shift_that_something_else_reads_stays) {
    EXPECT_EQ(
        optimised({rv::slli(5, 5, 32), rv::addi(6, 5, 1), rv::srli(5, 5, 32)}),
        "x5 = shl x5, 32\nx6 = add x5, 1\nx5 = shr x5, 32\n"
    );
}

TEST(Optimise, shift_that_a_fault_would_show_stays) {
    EXPECT_EQ(
        optimised({rv::slli(5, 5, 32), rv::ld(6, 7, 0), rv::srli(5, 5, 32)}),
        "x5 = shl x5, 32\nx6 = load.u64 [x7]\nx5 = shr x5, 32\n"
    );
}

TEST(Optimise, scaled_index_is_one_sum) {
    EXPECT_EQ(
        optimised({rv::slli(5, 5, 3), rv::add(5, 5, 6), rv::ld(7, 5, 0)}),
        "x5 = shift_add.3 x5, x6\nx7 = load.u64 [x5]\n"
    );
    EXPECT_EQ(
        optimised({rv::slli(5, 5, 32), rv::srli(5, 5, 29), rv::add(5, 6, 5)}),
        "x5 = zero_extend_32 x5\nx5 = shift_add.3 x5, x6\n"
    );
}

TEST(Optimise, displacement_moves_into_the_access) {
    EXPECT_EQ(
        optimised({rv::addi(5, 6, 16), rv::ld(7, 5, 8), rv::sd(7, 5, -8)}),
        "x5 = add x6, 16\n"
        "t0 = probe.store24 [x6 + 8]\n"
        "x7 = load.u64 [x6 + 24], t0 + 16\n"
        "store.64 [x6 + 8], x7, t0 + 0\n"
    );
}

TEST(Optimise, comparison_moves_into_the_branch) {
    EXPECT_EQ(
        optimised({rv::r(0x33, 3, 0, 5, 6, 7), rv::bne(5, 0, 64)}),
        "x5 = set_less_unsigned x6, x7\nbranch.ltu x6, x7, page +0x44\n"
    );
    EXPECT_EQ(
        optimised({rv::i(0x13, 2, 5, 6, -3), rv::beq(5, 0, 64)}),
        "x5 = set_less x6, -3\nbranch.ge x6, -3, page +0x44\n"
    );
    // seqz, beqz: taken when not zero
    EXPECT_EQ(
        optimised({rv::i(0x13, 3, 5, 6, 1), rv::beq(5, 0, 64)}),
        "x5 = set_less_unsigned x6, 1\nbranch.ne x6, x0, page +0x44\n"
    );
}

TEST(Optimise, constant_moves_into_the_branch) {
    EXPECT_EQ(
        optimised({rv::li(5, 100), rv::blt(6, 5, 64)}),
        "x5 = mov 100\nbranch.lt x6, 100, page +0x44\n"
    );
}

TEST(Optimise, extension_of_what_is_extended_is_a_move) {
    const rv::Word sext_w = rv::i(0x1b, 0, 6, 5, 0);
    EXPECT_EQ(optimised({rv::lw(5, 7, 0), sext_w}), "x5 = load.s32 [x7]\nx6 = mov x5\n");
    EXPECT_EQ(optimised({sext_w}), "x6 = sign_extend_32 x5\n");
}

TEST(Optimise, copies_are_followed) {
    EXPECT_EQ(
        optimised({rv::mv(5, 6), rv::add(7, 5, 5), rv::mv(6, 8), rv::add(9, 5, 5)}),
        "x5 = mov x6\nx7 = add x6, x6\nx6 = mov x8\nx9 = add x5, x5\n"
    );
}

TEST(Optimise, multiplication_by_constants_is_cheaper) {
    const auto mul = [](unsigned by) {
        return rv::Code{rv::li(5, by), rv::r(0x33, 0, 1, 5, 6, 5)};
    };
    EXPECT_EQ(optimised(mul(8)), "x5 = shl x6, 3\n");
    EXPECT_EQ(optimised(mul(5)), "x5 = shift_add.2 x6, x6\n");
    EXPECT_EQ(optimised(mul(7)), "x5 = mul x6, 7\n");
}

TEST(Optimise, far_call_is_direct) {
    Page page;
    page.put(0, rv::Code{rv::auipc(1, 3), rv::jalr(1, 1, 0x10)});
    ir::Region region = page.build(0);
    vmm::dbt::optimise(region, {.share_probes = true});
    EXPECT_EQ(
        print(region),
        "block 0: 0x0, 2 instructions\n"
        "  1: x1 = page_address 8\n"
        "  1: push_return 8\n"
        "  1: jump.call page +0x3010\n"
    );
}

TEST(Optimise, overwritten_result_goes_unless_an_exit_shows_it) {
    EXPECT_EQ(optimised({rv::addi(5, 6, 1), rv::addi(5, 7, 1)}), "x5 = add x7, 1\n");
    EXPECT_EQ(
        optimised({rv::addi(5, 6, 1), rv::beq(8, 9, 64), rv::addi(5, 7, 1)}),
        "x5 = add x6, 1\nbranch.eq x8, x9, page +0x44\nx5 = add x7, 1\n"
    );
}

TEST(Optimise, accesses_near_each_other_share_a_probe) {
    // A frame is built: the stack pointer moves first.
    EXPECT_EQ(
        optimised({rv::addi(2, 2, -32), rv::sd(1, 2, 24), rv::sd(8, 2, 16), rv::ld(5, 10, 0)}),
        "x2 = add x2, -32\n"
        "t0 = probe.store16 [x2 + 16]\n"
        "store.64 [x2 + 24], x1, t0 + 8\n"
        "store.64 [x2 + 16], x8, t0 + 0\n"
        "x5 = load.u64 [x10]\n"
    );
}

TEST(Optimise, probe_follows_a_pointer_that_moves) {
    EXPECT_EQ(
        optimised({rv::ld(5, 10, 0), rv::addi(10, 10, 8), rv::ld(6, 10, 0)}),
        "t0 = probe.load16 [x10]\n"
        "x5 = load.u64 [x10], t0 + 0\n"
        "x10 = add x10, 8\n"
        "x6 = load.u64 [x10], t0 + 8\n"
    );
}

TEST(Optimise, base_that_is_loaded_anew_has_its_own_probe) {
    EXPECT_EQ(
        optimised({rv::ld(10, 10, 0), rv::ld(10, 10, 0), rv::ld(6, 10, 8)}),
        "x10 = load.u64 [x10]\n"
        "x10 = load.u64 [x10]\n"
        "x6 = load.u64 [x10 + 8]\n"
    );
    EXPECT_EQ(
        optimised({rv::ld(5, 10, 0), rv::csrr(10, 0x140), rv::ld(6, 10, 8)}),
        "x5 = load.u64 [x10]\nsystem.csrrs 0x14002573\nx6 = load.u64 [x10 + 8]\n"
    );
}

TEST(Optimise, store_that_may_not_happen_shares_no_probe_with_a_load) {
    EXPECT_EQ(
        optimised({rv::ld(5, 10, 0), rv::beq(5, 6, 64), rv::sd(6, 10, 0)}),
        "x5 = load.u64 [x10]\nbranch.eq x5, x6, page +0x44\nstore.64 [x10], x6\n"
    );
}

TEST(Optimise, accesses_far_apart_share_no_probe) {
    EXPECT_EQ(
        optimised({rv::ld(5, 10, 0), rv::ld(6, 10, 1024)}),
        "x5 = load.u64 [x10]\nx6 = load.u64 [x10 + 1024]\n"
    );
}

TEST(Optimise, float_state_is_made_dirty_once) {
    // A loop over two blocks: the second is only reached through the first.
    const rv::Word fadd = 0x02000053;
    Page page;
    page.put(
        0,
        rv::Code{
            fadd,
            rv::beq(5, 0, 12),
            rv::addi(6, 6, 1),
            rv::jal(0, 4),
            fadd,
            rv::bne(7, 0, -20),
            rv::kEcall
        }
    );
    ir::Region region = page.build(0, Limits{.blocks = 8, .instructions = 100});
    vmm::dbt::optimise(region, {.share_probes = true});
    unsigned count = 0;
    for (const ir::Block& block : region.blocks) {
        for (const ir::Inst& inst : block.insts) {
            count += inst.op == ir::Op::float_dirty ? 1 : 0;
        }
    }
    EXPECT_EQ(count, 1U) << print(region);
}

TEST(Optimise, load_from_a_small_table_has_a_probe_of_the_table) {
    const rv::Word andi = rv::i(0x13, 7, 5, 5, 127);
    EXPECT_EQ(
        optimised({andi, rv::slli(5, 5, 2), rv::add(5, 5, 6), rv::lw(7, 5, 4)}),
        "x5 = and x5, 127\n"
        "x5 = shift_add.2 x5, x6\n"
        "t0 = probe.load512.by_address [x6 + 4]\n"
        "x7 = load.s32 [x5 + 4], t0 by address\n"
    );
    // The table's address is gone.
    EXPECT_EQ(
        optimised({andi, rv::add(6, 5, 6), rv::lw(7, 6, 4)}),
        "x5 = and x5, 127\nx6 = add x5, x6\nx7 = load.s32 [x6 + 4]\n"
    );
}

TEST(Optimise, recursion_stays_inside) {
    // f: beqz a0, out; addi a0, -1; call f; call f; out: ret
    Page page;
    page.put(
        0x40,
        rv::Code{
            rv::beq(10, 0, 16),
            rv::addi(10, 10, -1),
            rv::jal(1, -8),
            rv::jal(1, -12),
            rv::jalr(0, 1, 0)
        }
    );
    ir::Region region = page.build(0x40, Limits{.blocks = 8, .instructions = 100});
    vmm::dbt::optimise(region);
    EXPECT_EQ(
        print(region),
        "block 0: 0x40, 3 instructions\n"
        "  0: branch.eq x10, x0, block 2\n"
        "  1: x10 = add x10, -1\n"
        "  2: x1 = page_address 76\n"
        "  2: jump block 0\n"
        "block 1: 0x4c, 1 instructions\n"
        "  0: x1 = page_address 80\n"
        "  0: jump block 0\n"
        "block 2: 0x50, 1 instructions\n"
        "  0: t0 = page_address 76\n"
        "  0: t1 = sub x1, t0\n"
        "  0: branch.eq t1, x0, block 1\n"
        "  0: branch.eq t1, 4, block 2\n"
        "  0: jump_indirect.ret x1\n"
    );
}

TEST(Optimise, function_that_may_go_elsewhere_is_called_from_outside) {
    // The function at 0x80 jumps out of the page.
    Page page;
    page.put(0x40, rv::Code{rv::jal(1, 0x40), rv::addi(10, 10, 1), rv::kEcall});
    page.put(0x80, rv::Code{rv::beq(10, 0, 8), rv::jal(0, 0x10000), rv::jalr(0, 1, 0)});
    ir::Region region = page.build(0x40, Limits{.blocks = 8, .instructions = 100});
    EXPECT_EQ(region.blocks.size(), 4U);
    vmm::dbt::optimise(region);
    EXPECT_EQ(
        print(region),
        "block 0: 0x40, 1 instructions\n"
        "  0: x1 = page_address 68\n"
        "  0: push_return 68\n"
        "  0: jump.call block 1\n"
        "block 1: 0x80, 2 instructions\n"
        "  0: branch.eq x10, x0, block 2\n"
        "  1: jump page +0x10084\n"
        "block 2: 0x88, 1 instructions\n"
        "  0: jump_indirect.ret x1\n"
    );
}

}  // namespace
