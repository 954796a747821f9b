// SPDX-License-Identifier: Apache-2.0
#include "cpu/dbt/x64/float_facts.hpp"

#include <gtest/gtest.h>

namespace dbt = vmm::dbt;
namespace ir = vmm::dbt::ir;
using vmm::riscv::Op;

namespace {

constexpr ir::Var f(unsigned n) {
    return static_cast<ir::Var>(ir::kFirstFloat + n);
}
constexpr std::uint32_t bit(unsigned n) {
    return std::uint32_t{1} << n;
}

ir::Inst float_op(Op guest, ir::Var dst, ir::Var a, ir::Var b = ir::kNone) {
    return {.op = ir::Op::float_op, .guest = guest, .dst = dst, .a = a, .b = b};
}
ir::Inst load(unsigned size, ir::Var dst) {
    return {.op = ir::Op::load_float, .size = static_cast<std::uint8_t>(size), .dst = dst, .a = 10};
}
ir::Inst jump(std::uint16_t block) {
    return {.op = ir::Op::jump, .target = {.internal = true, .block = block}};
}
ir::Inst branch(std::uint16_t block) {
    return {
        .op = ir::Op::branch,
        .a = 10,
        .b = ir::kZero,
        .target = {.internal = true, .block = block},
    };
}
ir::Inst leave() {
    return {.op = ir::Op::jump};
}

ir::Region region(std::vector<std::vector<ir::Inst>> blocks) {
    ir::Region made;
    for (auto& insts : blocks) {
        made.blocks.push_back({.insts = std::move(insts), .offsets = {}});
    }
    return made;
}

}  // namespace

TEST(FloatFacts, results_that_are_singles_are_boxed_and_doubles_are_not) {
    EXPECT_EQ(dbt::boxed_after(float_op(Op::fadd_s, f(3), f(1), f(2)), 0), bit(3));
    EXPECT_EQ(dbt::boxed_after(float_op(Op::fcvt_s_d, f(3), f(1)), 0), bit(3));
    EXPECT_EQ(dbt::boxed_after(float_op(Op::fmv_w_x, f(3), 10), 0), bit(3));
    EXPECT_EQ(dbt::boxed_after(load(4, f(3)), 0), bit(3));
    EXPECT_EQ(dbt::boxed_after(float_op(Op::fcvt_d_s, f(3), f(3)), bit(3)), 0U);
    EXPECT_EQ(dbt::boxed_after(float_op(Op::fmv_d_x, f(3), 10), bit(3)), 0U);
    EXPECT_EQ(dbt::boxed_after(load(8, f(3)), bit(3)), 0U);
    EXPECT_EQ(dbt::boxed_after(float_op(Op::feq_s, 10, f(1), f(2)), bit(1)), bit(1));
}

TEST(FloatFacts, a_move_of_a_double_is_as_boxed_as_its_source) {
    const auto move = float_op(Op::fsgnj_d, f(3), f(1), f(1));
    EXPECT_EQ(dbt::boxed_after(move, bit(1)), bit(1) | bit(3));
    EXPECT_EQ(dbt::boxed_after(move, bit(3)), 0U);
    EXPECT_EQ(
        dbt::boxed_after(float_op(Op::fsgnj_d, f(3), f(1), f(2)), bit(1) | bit(2)), bit(1) | bit(2)
    );
}

TEST(FloatFacts, a_block_starts_with_what_holds_on_all_ways_to_it) {
    const auto both = region({
        {load(4, f(1)), branch(2), load(8, f(1)), jump(2)},
        {leave()},
        {leave()},
    });
    EXPECT_EQ(dbt::boxed_at_blocks(both, 0)[2], 0U);
    EXPECT_EQ(dbt::boxed_at_blocks(both, bit(7))[2], bit(7));
    const auto loop = region({
        {load(4, f(1)), load(4, f(2)), jump(1)},
        {float_op(Op::fadd_s, f(3), f(1), f(2)), load(8, f(2)), branch(1), leave()},
    });
    EXPECT_EQ(dbt::boxed_at_blocks(loop, 0)[1], bit(1));
}

TEST(FloatFacts, what_is_worth_assuming_is_used_before_it_is_written) {
    const auto loop = region({
        {load(4, f(1)),
         float_op(Op::fmul_s, f(1), f(1), f(9)),
         float_op(Op::fadd_s, f(3), f(3), f(1)),
         float_op(Op::fadd_d, f(4), f(5), f(6)),
         branch(0),
         leave()},
    });
    EXPECT_EQ(dbt::boxed_operands_at_entry(loop), bit(9) | bit(3));
    EXPECT_EQ(dbt::boxed_at_blocks(loop, bit(9) | bit(3))[0], bit(9) | bit(3));
    // A double comes round: assuming helps nothing.
    const auto mixed = region({
        {float_op(Op::fadd_s, f(1), f(1), f(1)), float_op(Op::fcvt_d_s, f(1), f(1)), jump(0)},
    });
    EXPECT_EQ(dbt::boxed_operands_at_entry(mixed), 0U);
}

TEST(FloatFacts, a_nan_that_only_arithmetic_sees_need_not_be_canonical) {
    auto access = load(8, f(5));
    access.c = ir::kFirstTemp;
    const auto chain = region({{
        float_op(Op::fmul_d, f(5), f(1), f(2)),  // overwritten by the load
        float_op(Op::fadd_d, f(4), f(4), f(5)),  // by the next sum
        access,
        float_op(Op::fmul_d, f(5), f(5), f(2)),
        float_op(Op::fadd_d, f(4), f(4), f(5)),
        branch(0),
        leave(),
    }});
    const std::vector<bool> expected = {true, true, false, false, false, false, false};
    EXPECT_EQ(dbt::any_nan_will_do(chain.blocks[0], true), expected);
    EXPECT_EQ(dbt::any_nan_will_do(chain.blocks[0], false), std::vector<bool>(7, false))
        << "the load may fault";
}

TEST(FloatFacts, moves_and_stores_and_probes_show_the_bits_of_a_nan) {
    auto store = ir::Inst{.op = ir::Op::store_float, .a = 10, .b = f(3), .c = ir::kFirstTemp};
    for (const ir::Inst& reader :
         {float_op(Op::fsgnjn_d, f(6), f(3), f(3)),
          float_op(Op::fmv_x_d, 10, f(3)),
          ir::Inst{.op = ir::Op::probe, .dst = ir::kFirstTemp, .a = 10, .span = 8},
          store}) {
        const auto code = region({{
            float_op(Op::fadd_d, f(3), f(1), f(2)),
            reader,
            float_op(Op::fmv_d_x, f(3), 10),
            leave(),
        }});
        EXPECT_FALSE(dbt::any_nan_will_do(code.blocks[0], true)[0]);
    }
    const auto code = region({{
        float_op(Op::fadd_d, f(3), f(1), f(2)),
        float_op(Op::flt_d, 10, f(3), f(2)),
        float_op(Op::fmv_d_x, f(3), 10),
        leave(),
    }});
    EXPECT_TRUE(dbt::any_nan_will_do(code.blocks[0], true)[0]);
}

TEST(FloatFacts, arithmetic_on_singles_shows_whether_a_double_nan_looks_like_one) {
    const auto code = region({{
        float_op(Op::fdiv_d, f(3), f(1), f(2)),
        float_op(Op::fsub_s, f(3), f(3), f(2)),  // sees a double
        float_op(Op::fadd_s, f(3), f(3), f(2)),  // sees a single
        float_op(Op::fadd_d, f(3), f(3), f(2)),  // sees a single as a double: a NaN either way
        float_op(Op::fmv_d_x, f(3), 10),
        leave(),
    }});
    const std::vector<bool> expected = {false, true, true, true, false, false};
    EXPECT_EQ(dbt::any_nan_will_do(code.blocks[0], true), expected);
}
