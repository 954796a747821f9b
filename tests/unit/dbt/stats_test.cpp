// SPDX-License-Identifier: Apache-2.0
// What emitted code counts of itself (EngineOptions::collect_stats) against programs whose numbers
// are known.
#include "hart_fixture.hpp"

#include <gtest/gtest.h>

using namespace rv;
using cpu_test::kRam;

namespace {

constexpr std::uint64_t kRounds = 3000;  // far more than makes a region hot

class EngineStatistics : public cpu_test::HartTest {
protected:
    EngineStatistics()
        : HartTest("dbt") {}

    vmm::EngineStats stats_of(const Code& code, bool collect) {
        vcpu =
            std::move(vmm::make_vcpu("dbt", *memory, host, 0, {.collect_stats = collect}).value());
        run_code(code);
        return vcpu->stats();
    }

    /// A loop of one load and two stores in one page.
    static Code accesses() {
        Code code;
        code.load(t0, kRounds).load(s2, kRam + 0x10000);
        code << ld(a0, s2, 0) << sd(a0, s2, 8) << sw(a0, s2, 16) << addi(t0, t0, -1)
             << bne(t0, x0, -16);
        return code;
    }
};

}  // namespace

TEST_F(EngineStatistics, each_access_is_a_hit_a_miss_or_a_slow_one) {
    const vmm::EngineStats stats = stats_of(accesses(), true);
    ASSERT_TRUE(stats.tlb_hits && stats.tlb_misses && stats.slow_accesses);
    EXPECT_EQ(*stats.tlb_hits + *stats.tlb_misses + *stats.slow_accesses, 3 * kRounds);
    EXPECT_GE(*stats.tlb_misses, 1U);
    EXPECT_LE(*stats.tlb_misses, 4U);
    EXPECT_EQ(*stats.slow_accesses, 0U);
}

TEST_F(EngineStatistics, devices_and_page_crossings_are_slow_accesses) {
    Code code;
    code.load(t0, kRounds).load(s2, kRam + 0x10ffc).load(s3, cpu_test::kDevice);
    code << ld(a0, s2, 0) << lw(a1, s3, 0) << lw(a2, s2, 0) << addi(t0, t0, -1) << bne(t0, x0, -16);
    const vmm::EngineStats stats = stats_of(code, true);
    EXPECT_EQ(*stats.slow_accesses, 2 * kRounds);
    EXPECT_EQ(*stats.tlb_hits + *stats.tlb_misses, kRounds);
}

TEST_F(EngineStatistics, calls_of_other_pages_are_chained) {
    put(kRam + 0x3000, {jalr(0, ra, 0)});
    state.x[s0] = kRam + 0x3000;
    Code code;
    code.load(t0, kRounds);
    code << jalr(ra, s0, 0) << addi(t0, t0, -1) << bne(t0, x0, -8);
    const vmm::EngineStats stats = stats_of(code, true);
    ASSERT_TRUE(stats.chained_exits && stats.dispatched_exits);
    EXPECT_GE(*stats.chained_exits, kRounds - 300);
    EXPECT_LE(*stats.chained_exits, 3 * kRounds);
    EXPECT_GE(*stats.dispatched_exits, 1U);
    EXPECT_LE(*stats.dispatched_exits, 100U);
}

TEST_F(EngineStatistics, code_that_nobody_asked_to_count_is_shorter_and_says_nothing) {
    const vmm::EngineStats counted = stats_of(accesses(), true);
    const vmm::EngineStats plain = stats_of(accesses(), false);
    EXPECT_FALSE(plain.tlb_hits || plain.tlb_misses || plain.chained_exits);
    EXPECT_LT(plain.code_bytes, counted.code_bytes);
}
