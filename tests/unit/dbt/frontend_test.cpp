// SPDX-License-Identifier: Apache-2.0
#include "cpu/dbt/frontend/frontend.hpp"
#include "cpu/dbt/ir/print.hpp"
#include "cpu/dbt/ir/verify.hpp"
#include "page.hpp"

#include <gtest/gtest.h>

#include <random>

namespace {

using dbt_test::kFloatOn;
using dbt_test::Page;
using vmm::dbt::Limits;
using vmm::dbt::Source;
namespace ir = vmm::dbt::ir;

constexpr Limits kTrace{.blocks = 32, .instructions = 400};

std::string built(const rv::Code& code, const Limits& limits = {}, std::uint16_t at = 0) {
    Page page;
    page.put(at, code);
    return print(page.build(at, limits));
}

TEST(Frontend, computation_ends_at_an_indirect_jump) {
    EXPECT_EQ(
        built(rv::Code{
            rv::addi(5, 6, -1),
            rv::add(7, 5, 0),
            rv::ld(8, 5, 16),
            rv::sd(8, 5, -8),
            rv::jalr(0, 1, 0)
        }),
        "block 0: 0x0, 5 instructions\n"
        "  0: x5 = add x6, -1\n"
        "  1: x7 = add x5, x0\n"
        "  2: x8 = load.u64 [x5 + 16]\n"
        "  3: store.64 [x5 - 8], x8\n"
        "  4: jump_indirect.ret x1\n"
    );
}

TEST(Frontend, call_through_its_own_link_register_uses_the_old_value) {
    EXPECT_EQ(
        built(rv::Code{rv::jalr(1, 1, 20)}, {}, 0x100),
        "block 0: 0x100, 1 instructions\n"
        "  0: t0 = mov x1\n"
        "  0: x1 = page_address 260\n"
        "  0: push_return 260\n"
        "  0: jump_indirect.call t0, 20\n"
    );
}

TEST(Frontend, pure_results_in_x0_vanish_and_loads_stay) {
    EXPECT_EQ(
        built(rv::Code{rv::addi(0, 6, 1), rv::ld(0, 6, 8), rv::jal(0, 0x100)}),
        "block 0: 0x0, 3 instructions\n"
        "  1: load.u64 [x6 + 8]\n"
        "  2: jump page +0x108\n"
    );
}

TEST(Frontend, loop_of_one_block_stays_inside) {
    EXPECT_EQ(
        built(rv::Code{rv::addi(5, 5, -1), rv::b(1, 5, 0, -4), rv::addi(6, 6, 1)}, {}, 0x20),
        "block 0: 0x20, 2 instructions\n"
        "  0: x5 = add x5, -1\n"
        "  1: branch.ne x5, x0, block 0\n"
        "  2: jump page +0x28\n"
    );
}

TEST(Frontend, large_region_has_both_ways_of_a_branch) {
    // if (x5 == 0) x6++; else x7++; then loop
    EXPECT_EQ(
        built(
            rv::Code{
                rv::b(0, 5, 0, 12),
                rv::addi(6, 6, 1),
                rv::jal(0, 8),
                rv::addi(7, 7, 1),
                rv::b(1, 8, 0, -16),
                rv::kEcall
            },
            kTrace
        ),
        "block 0: 0x0, 3 instructions\n"
        "  0: branch.eq x5, x0, block 1\n"
        "  1: x6 = add x6, 1\n"
        "  2: jump block 2\n"
        "block 1: 0xc, 1 instructions\n"
        "  0: x7 = add x7, 1\n"
        "  1: jump block 2\n"
        "block 2: 0x10, 1 instructions\n"
        "  0: branch.ne x8, x0, block 0\n"
        "  1: jump block 3\n"
        "block 3: 0x14, 1 instructions\n"
        "  0: system.ecall 0x73\n"
    );
}

TEST(Frontend, page_end_cuts_a_block) {
    Page page;
    page.put(4088, rv::Code{rv::addi(5, 5, 1), rv::addi(6, 6, 1)});
    EXPECT_EQ(
        print(page.build(4088)),
        "block 0: 0xff8, 2 instructions\n"
        "  0: x5 = add x5, 1\n"
        "  1: x6 = add x6, 1\n"
        "  2: jump page +0x1000\n"
    );
}

TEST(Frontend, instruction_that_crosses_is_a_region_of_its_own) {
    Page page;
    page.put_half(4092, 0x0285);  // c.addi x5, 1
    page.put_half(4094, static_cast<std::uint16_t>(rv::addi(6, 6, 1)));
    EXPECT_EQ(
        print(page.build(4092)),
        "block 0: 0xffc, 1 instructions\n"
        "  0: x5 = add x5, 1\n"
        "  1: jump page +0xffe\n"
    );
    ir::Region region;
    build_region(
        Source{.page = page.bytes, .crossing_word = rv::addi(6, 6, 1), .has_crossing = true},
        4094,
        kFloatOn,
        kTrace,
        region
    );
    EXPECT_EQ(
        print(region),
        "block 0: 0xffe, 1 instructions\n"
        "  0: x6 = add x6, 1\n"
        "  1: jump page +0x1002\n"
    );
}

TEST(Frontend, instruction_limit_leaves_exactly_there) {
    Page page;
    page.put(0, rv::Code{rv::addi(5, 5, 1), rv::b(1, 5, 0, 16), rv::addi(6, 6, 1), rv::kEcall});
    ir::Region region;
    build_region(Source{.page = page.bytes, .stop_after = 3}, 0, kFloatOn, kTrace, region);
    EXPECT_EQ(
        print(region),
        "block 0: 0x0, 3 instructions\n"
        "  0: x5 = add x5, 1\n"
        "  1: branch.ne x5, x0, page +0x14\n"
        "  2: x6 = add x6, 1\n"
        "  3: leave.counted page +0xc\n"
    );
}

TEST(Frontend, breakpoint_leaves_before_its_instruction) {
    Page page;
    page.put(0, rv::Code{rv::addi(5, 5, 1), rv::addi(6, 6, 1)});
    const std::array<std::uint16_t, 1> breakpoints = {4};
    ir::Region region;
    const Source source{.page = page.bytes, .breakpoints = breakpoints};
    build_region(source, 0, kFloatOn, kTrace, region);
    EXPECT_EQ(
        print(region),
        "block 0: 0x0, 1 instructions\n"
        "  0: x5 = add x5, 1\n"
        "  1: leave.breakpoint page +0x4\n"
    );
    build_region(source, 4, kFloatOn, kTrace, region);
    EXPECT_EQ(print(region), "block 0: 0x4, 0 instructions\n  0: leave.breakpoint page +0x4\n");
}

TEST(Frontend, floating_point_is_illegal_when_off_or_rounding_is_reserved) {
    const rv::Word fadd_d = 0x02000053 | 7 << 12;  // dynamic rounding
    Page page;
    page.put(0, rv::Code{fadd_d});
    EXPECT_EQ(
        print(page.build(0, {}, {.float_on = false, .frm = 0})),
        "block 0: 0x0, 1 instructions\n  0: system.illegal 0x2007053\n"
    );
    EXPECT_EQ(
        print(page.build(0, {}, {.float_on = true, .frm = 5})),
        "block 0: 0x0, 1 instructions\n  0: system.illegal 0x2007053\n"
    );
    EXPECT_TRUE(print(page.build(0, {}, {.float_on = true, .frm = 3}))
                    .starts_with("block 0: 0x0, 2 instructions\n"
                                 "  0: float_dirty\n"
                                 "  0: f0 = float_op.fadd.d f0, f0, rm 3\n"));
}

TEST(Frontend, fence_tso_orders_all_but_writes_before_reads) {
    EXPECT_EQ(
        built(rv::Code{0x8330000f, 0x0100000f, 0x0ff0000f, rv::jal(0, 16)}),
        "block 0: 0x0, 4 instructions\n"
        "  0: fence 35\n"
        "  0: fence 17\n"
        "  2: fence 255\n"
        "  3: jump page +0x1c\n"
    );
}

TEST(Frontend, csr_access_does_not_end_a_block) {
    EXPECT_EQ(
        built(rv::Code{rv::csrr(5, 0x140), rv::kEcall}),
        "block 0: 0x0, 2 instructions\n"
        "  0: system.csrrs 0x140022f3\n"
        "  1: system.ecall 0x73\n"
    );
}

// Whatever the bytes, regions are valid and keep within their limits.
TEST(Frontend, random_bytes_make_valid_regions) {
    std::mt19937_64 random(20260731);
    const auto table = vmm::riscv::instruction_table();
    ir::Region region;
    for (unsigned round = 0; round < 400; ++round) {
        Page page;
        for (std::size_t at = 0; at < page.bytes.size(); at += 4) {
            const auto& info = table[random() % table.size()];
            const auto any = static_cast<std::uint32_t>(random());
            const std::uint32_t known = info.match | (any & ~info.mask);
            const std::uint32_t word = random() % 4 == 0 ? any : known;
            std::memcpy(&page.bytes[at], &word, sizeof word);
        }
        const auto entry = static_cast<std::uint16_t>(random() % 2047 * 2);
        const ir::Mode mode{
            .float_on = random() % 4 != 0, .frm = static_cast<std::uint8_t>(random() % 8)
        };
        for (const Limits& limits : {Limits{}, kTrace}) {
            build_region(Source{.page = page.bytes}, entry, mode, limits, region);
            ASSERT_EQ(verify(region), "") << "round " << round << "\n" << print(region);
            unsigned instructions = 0;
            for (const ir::Block& block : region.blocks) {
                instructions += block.count();
            }
            EXPECT_LE(instructions, limits.instructions);
            EXPECT_LE(region.blocks.size(), 2 * limits.blocks);
            EXPECT_EQ(region.entry_offset(), entry);
        }
    }
}

}  // namespace
