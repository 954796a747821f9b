// SPDX-License-Identifier: Apache-2.0
// A valid region, broken in one way after the other.
#include "cpu/dbt/ir/print.hpp"
#include "cpu/dbt/ir/verify.hpp"
#include "cpu/dbt/opt/optimise.hpp"
#include "page.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

namespace ir = vmm::dbt::ir;
using ::testing::HasSubstr;

/// addi x5, x6, -1; ld x8, 16(x5); add.uw x7, x5, x8; beqz x7, itself; jr x1
ir::Region valid() {
    dbt_test::Page page;
    page.put(
        0,
        rv::Code{
            rv::addi(5, 6, -1),
            rv::ld(8, 5, 16),
            0x0800003b | 7 << 7 | 5 << 15 | 8 << 20,
            rv::b(0, 7, 0, -12),
            rv::jalr(0, 1, 0)
        }
    );
    return page.build(0, {.blocks = 4, .instructions = 40});
}

ir::Inst& find(ir::Region& region, ir::Op op) {
    for (ir::Block& block : region.blocks) {
        for (ir::Inst& inst : block.insts) {
            if (inst.op == op) {
                return inst;
            }
        }
    }
    ADD_FAILURE() << "no such instruction\n" << print(region);
    return region.blocks[0].insts[0];
}

TEST(Verify, region_of_the_frontend_is_valid) {
    EXPECT_EQ(ir::verify(valid()), "");
}

TEST(Verify, empty_region_is_refused) {
    EXPECT_EQ(ir::verify(ir::Region{}), "region without blocks");
}

TEST(Verify, block_without_terminator_is_refused) {
    ir::Region region = valid();
    region.blocks.back().insts.pop_back();
    EXPECT_THAT(ir::verify(region), HasSubstr("does not end in a terminator"));
}

TEST(Verify, terminator_in_the_middle_is_refused) {
    ir::Region region = valid();
    auto& insts = region.blocks.back().insts;
    insts.push_back(insts.back());
    EXPECT_THAT(ir::verify(region), HasSubstr("terminator in the middle"));
}

TEST(Verify, write_of_x0_is_refused) {
    ir::Region region = valid();
    find(region, ir::Op::load).dst = ir::kZero;
    EXPECT_THAT(ir::verify(region), HasSubstr("x0 is written"));
}

TEST(Verify, operand_of_another_class_is_refused) {
    ir::Region region = valid();
    find(region, ir::Op::load).a = ir::kFirstFloat;
    EXPECT_THAT(ir::verify(region), HasSubstr("wrong class"));
    region = valid();
    find(region, ir::Op::zero_extend_32).b = 3;
    EXPECT_THAT(ir::verify(region), HasSubstr("wrong class"));
    region = valid();
    find(region, ir::Op::zero_extend_32).a = ir::kNone;
    EXPECT_THAT(ir::verify(region), HasSubstr("wrong class"));
    region = valid();
    find(region, ir::Op::load).c = 3;
    EXPECT_THAT(ir::verify(region), HasSubstr("third operand"));
}

TEST(Verify, temporary_out_of_order_or_twice_is_refused) {
    ir::Region region = valid();
    find(region, ir::Op::zero_extend_32).a = region.next_temp;
    EXPECT_THAT(ir::verify(region), HasSubstr("before it is defined"));
    region = valid();
    find(region, ir::Op::zero_extend_32).dst = region.next_temp;
    EXPECT_THAT(ir::verify(region), HasSubstr("beyond next_temp"));
    region = valid();
    auto& insts = region.blocks.front().insts;
    insts.insert(insts.begin() + 2, find(region, ir::Op::zero_extend_32));
    insts[2].index = 2;
    EXPECT_THAT(ir::verify(region), HasSubstr("defined twice"));
}

TEST(Verify, temporary_of_another_block_is_refused) {
    ir::Region region = valid();
    ASSERT_GT(region.blocks.size(), 1U);
    find(region, ir::Op::jump_indirect).a = find(region, ir::Op::zero_extend_32).dst;
    EXPECT_THAT(ir::verify(region), HasSubstr("before it is defined"));
}

TEST(Verify, change_before_a_fault_is_refused) {
    ir::Region region = valid();
    find(region, ir::Op::add).index = 1;
    EXPECT_THAT(ir::verify(region), HasSubstr("may fault after a change"));
}

TEST(Verify, index_out_of_order_is_refused) {
    ir::Region region = valid();
    find(region, ir::Op::load).index = 3;
    EXPECT_THAT(ir::verify(region), HasSubstr("index out of order"));
}

TEST(Verify, target_that_does_not_exist_is_refused) {
    ir::Region region = valid();
    find(region, ir::Op::branch).target = {.internal = true, .block = 9, .offset = 0};
    EXPECT_THAT(ir::verify(region), HasSubstr("no such block"));
    region = valid();
    find(region, ir::Op::branch).target.offset += 2;
    EXPECT_THAT(ir::verify(region), HasSubstr("offset of another block"));
}

TEST(Verify, access_outside_of_its_probe_is_refused) {
    dbt_test::Page page;
    page.put(0, rv::Code{rv::ld(5, 10, 0), rv::sd(6, 10, 8), rv::jalr(0, 1, 0)});
    const auto shared = [&page] {
        ir::Region region = page.build(0);
        vmm::dbt::optimise(region, {.share_probes = true});
        return region;
    };
    ir::Region region = shared();
    find(region, ir::Op::load).within = 9;
    EXPECT_THAT(ir::verify(region), HasSubstr("outside of its probe"));
    region = shared();
    find(region, ir::Op::probe).store = false;
    EXPECT_THAT(ir::verify(region), HasSubstr("outside of its probe"));
    region = shared();
    find(region, ir::Op::probe).span = 0;
    EXPECT_THAT(ir::verify(region), HasSubstr("probe out of range"));
}

TEST(Verify, fields_out_of_range_are_refused) {
    ir::Region region = valid();
    find(region, ir::Op::load).size = 3;
    EXPECT_THAT(ir::verify(region), HasSubstr("size out of range"));
    region = valid();
    find(region, ir::Op::zero_extend_32).word = true;
    EXPECT_THAT(ir::verify(region), HasSubstr("no such operation on words"));
    region = valid();
    find(region, ir::Op::add).op = ir::Op::shift_add;
    EXPECT_THAT(ir::verify(region), HasSubstr("scale out of range"));
    region = valid();
    region.blocks.front().offsets.front() = 1;
    EXPECT_THAT(ir::verify(region), HasSubstr("offset outside of the page"));
}

}  // namespace
