// SPDX-License-Identifier: Apache-2.0
// The rules of tenants, each by an example.
#include "simulated_fleet.hpp"

#include <gtest/gtest.h>

namespace vmm::sched::test {
namespace {

constexpr VcpuId kA{.guest = 0};
constexpr VcpuId kA1{.guest = 0, .vcpu = 1};
constexpr VcpuId kB{.guest = 1};
constexpr std::uint64_t kMs = 1'000'000;

class TenantRules : public testing::TestWithParam<std::string_view> {};

TEST_P(TenantRules, a_guest_with_two_busy_vcpus_gets_no_more_than_one_with_one) {
    SimulatedFleet fleet(GetParam(), 1);
    fleet.add(kA);
    fleet.add(kA1);
    fleet.add(kB);
    for (const VcpuId id : {kA, kA1, kB}) {
        fleet.wake(id, 40);
    }
    for (int turn = 0; turn < 400; ++turn) {
        fleet.turn();
    }
    EXPECT_NEAR(static_cast<double>(fleet.at(kB).ran), 200e6, 2e6);
    EXPECT_NEAR(static_cast<double>(fleet.at(kA).ran), 100e6, 2e6);
    EXPECT_NEAR(static_cast<double>(fleet.at(kA1).ran), 100e6, 2e6);
}

TEST_P(TenantRules, a_weight_that_changes_counts_from_then_on) {
    SimulatedFleet fleet(GetParam(), 1);
    fleet.add(kA);
    fleet.add(kB);
    fleet.wake(kA, 40);
    fleet.wake(kB, 40);
    for (int turn = 0; turn < 100; ++turn) {
        fleet.turn();
    }
    const std::uint64_t before = fleet.at(kA).ran;
    EXPECT_NEAR(static_cast<double>(before), 50e6, 2e6);
    fleet.set_terms(kA, {.base_level = 32, .weight = 300});
    for (int turn = 0; turn < 100; ++turn) {
        fleet.turn();
    }
    EXPECT_NEAR(static_cast<double>(fleet.at(kA).ran - before), 75e6, 2e6);
}

INSTANTIATE_TEST_SUITE_P(
    Policies,
    TenantRules,
    testing::Values("priority", "fair", "pvsched"),
    [](const auto& info) { return std::string(info.param); }
);

TEST(TenantTerms, of_another_domain_are_others) {
    SimulatedFleet fleet("priority", 1);
    const VcpuId other{.domain = 1};
    fleet.add(kA, {.base_level = 10});
    fleet.add(other, {.base_level = 20});
    fleet.set_terms(other, {.base_level = 5});
    fleet.wake(kA, 64);
    fleet.wake(other, 64);
    EXPECT_EQ(fleet.policy().waiting_levels(kA.of_guest()), std::uint64_t{1} << 5);
    EXPECT_EQ(fleet.pick(0)->id, other);
}

TEST(BudgetLeft, falls_while_the_guest_runs_above_its_base_and_grows_while_it_does_not) {
    SimulatedFleet fleet("priority", 1);
    fleet.add(kA, {.base_level = 32, .budget_rate = 500, .budget_burst_ns = 10 * kMs});
    fleet.add(kB);
    const auto left = [&] {
        return fleet.policy().budget_left(kA.of_guest(), fleet.now()).value_or(-1);
    };
    EXPECT_FALSE(fleet.policy().budget_left(kB.of_guest(), fleet.now())) << "no limit";
    EXPECT_FALSE(fleet.policy().budget_left({.guest = 77}, fleet.now())) << "nobody";
    EXPECT_EQ(left(), 10 * kMs);
    fleet.wake(kA, 3);
    ASSERT_EQ(fleet.pick(0)->id, kA);
    fleet.advance(kMs);
    EXPECT_EQ(left(), 10 * kMs - kMs / 2) << "while it runs, with no event in between";
    fleet.advance(24 * kMs);
    EXPECT_EQ(left(), -5 * static_cast<std::int64_t>(kMs) / 2) << "a debt";
    fleet.leave(0, true);
    fleet.advance(kMs);
    EXPECT_EQ(left(), -2 * static_cast<std::int64_t>(kMs));
    fleet.advance(1000 * kMs);
    EXPECT_EQ(left(), 10 * kMs) << "the burst at most";
}

TEST(TenantTerms, out_of_range_count_as_the_nearest) {
    SimulatedFleet fleet("priority", 1);
    fleet.add(kA, {.base_level = 200, .ceiling = 100, .weight = 0});
    fleet.wake(kA, 64);
    EXPECT_EQ(fleet.turn().level, 63);
    fleet.claim(kA, 3);
    EXPECT_EQ(fleet.turn().level, 63);
}

TEST(TenantTerms, that_change_move_ready_and_running_vcpus) {
    SimulatedFleet fleet("priority", 1);
    fleet.add(kA);
    fleet.add(kB);
    fleet.wake(kA, 2);
    EXPECT_EQ(fleet.pick(0)->id, kA);
    fleet.wake(kB, 10);
    EXPECT_FALSE(fleet.policy().preempt(fleet.now()));
    fleet.set_terms(kA, {.base_level = 32, .ceiling = 20});  // running
    ASSERT_TRUE(fleet.policy().preempt(fleet.now()));
    EXPECT_EQ(fleet.policy().preempt(fleet.now())->victim, kA);
    fleet.set_terms(kB, {.base_level = 32, .ceiling = 25});  // ready
    EXPECT_FALSE(fleet.policy().preempt(fleet.now()));
    EXPECT_EQ(fleet.policy().waiting_levels(kA.of_guest()), std::uint64_t{1} << 25);
}

TEST(TenantBudget, that_is_used_up_makes_a_claim_count_as_the_base_level) {
    SimulatedFleet fleet("priority", 1);
    fleet.add(kA, {.base_level = 32, .budget_rate = 100, .budget_burst_ns = 9 * kMs});
    fleet.add(kB);
    fleet.wake(kA, 3);
    fleet.wake(kB, 10);
    for (int turn = 0; turn < 10; ++turn) {
        EXPECT_EQ(fleet.turn().level, 3) << turn;
    }
    EXPECT_EQ(fleet.policy().waiting_levels(kB.of_guest()), std::uint64_t{1} << 32);
    EXPECT_EQ(fleet.turn().level, 10);
}

TEST(TenantBudget, of_a_running_vcpu_ends_and_others_take_over) {
    SimulatedFleet fleet("priority", 1);
    fleet.add(kA, {.base_level = 32, .budget_rate = 100, .budget_burst_ns = kMs / 2});
    fleet.add(kB);
    fleet.wake(kA, 3);
    fleet.wake(kB, 10);
    const auto decision = fleet.pick(0);
    EXPECT_EQ(decision->id, kA);
    EXPECT_EQ(decision->slice_ns, 555'556U);  // when the budget ends, not the slice
    fleet.advance(555'555);
    EXPECT_FALSE(fleet.policy().preempt(fleet.now()));
    fleet.advance(1);
    ASSERT_TRUE(fleet.policy().preempt(fleet.now()));
    EXPECT_EQ(fleet.policy().preempt(fleet.now())->victim, kA);
}

TEST(TenantBudget, grows_while_it_is_not_used) {
    SimulatedFleet fleet("priority", 1);
    fleet.add(kA, {.base_level = 32, .budget_rate = 100, .budget_burst_ns = 2 * kMs});
    fleet.add(kB);
    fleet.wake(kA, 3);
    fleet.wake(kB, 10);
    while (fleet.turn().id == kA) {
    }
    std::uint64_t turns = 1;
    while (fleet.turn().id == kB) {
        ++turns;
    }
    EXPECT_EQ(turns, 11U);  // a slice and a little debt at a tenth
}

TEST(TenantBudget, is_not_renewed_by_starting_over) {
    SimulatedFleet fleet("priority", 1);
    const TenantTerms terms{.base_level = 32, .budget_rate = 1, .budget_burst_ns = kMs};
    fleet.add(kA, terms);
    fleet.wake(kA, 3);
    while (fleet.turn().level == 3) {
    }
    fleet.remove(kA);
    fleet.add(kA, terms);
    fleet.wake(kA, 3);
    EXPECT_EQ(fleet.turn().level, 32);
}

TEST(TenantShare, is_given_ahead_of_the_most_urgent_claims) {
    SimulatedFleet fleet("priority", 1);
    fleet.add(kA, {.base_level = 0});
    fleet.add(kB, {.base_level = 63, .share = 200});
    fleet.wake(kA, 0);
    fleet.wake(kB, 64);
    std::uint64_t due = 0;
    while (fleet.now() < 500 * kMs) {
        due += fleet.turn().due ? 1 : 0;
    }
    EXPECT_GE(fleet.at(kB).ran, 98 * kMs);
    EXPECT_LE(fleet.at(kB).ran, 103 * kMs);
    EXPECT_GE(due, 70U);
}

TEST(TenantShare, that_is_due_waits_at_level_0_and_takes_a_worker) {
    SimulatedFleet fleet("priority", 1);
    fleet.add(kA);
    fleet.add(kB, {.base_level = 63, .share = 500});
    fleet.wake(kA, 0);
    fleet.wake(kB, 64);
    EXPECT_EQ(fleet.pick(0)->id, kA);
    EXPECT_EQ(fleet.policy().waiting_levels(kA.of_guest()), std::uint64_t{1} << 63);
    fleet.advance(2 * kMs);
    const auto preemption = fleet.policy().preempt(fleet.now());
    ASSERT_TRUE(preemption);
    EXPECT_EQ(preemption->victim, kA);
    EXPECT_EQ(preemption->level, 0);
    EXPECT_EQ(fleet.policy().waiting_levels(kA.of_guest()), (std::uint64_t{1} << 63) | 1);
    EXPECT_EQ(fleet.policy().waiting_levels(kB.of_guest()), 0U);
    fleet.leave(0, false);
    const auto decision = fleet.pick(0);
    EXPECT_EQ(decision->id, kB);
    EXPECT_TRUE(decision->due);
    EXPECT_EQ(fleet.policy().first_to_yield(), std::nullopt) << "it would be picked again at once";
    // Until it has caught up, nobody takes the worker from it.
    EXPECT_FALSE(fleet.policy().preempt(fleet.now()));
    fleet.advance(2 * kMs);
    EXPECT_TRUE(fleet.policy().preempt(fleet.now()));
}

TEST(TenantShare, of_less_than_one_cpu_takes_one_worker_at_a_time) {
    SimulatedFleet fleet("priority", 2);
    fleet.add(kA, {.base_level = 63, .share = 500});
    fleet.add(kA1, {.base_level = 63, .share = 500});
    fleet.add(kB, {.base_level = 0});
    fleet.add({.guest = 1, .vcpu = 1}, {.base_level = 0});
    for (const auto& [id, vcpu] : std::map(fleet.vcpus())) {
        fleet.wake(id, 64);
    }
    EXPECT_EQ(fleet.pick(0)->id.guest, 1U);
    EXPECT_EQ(fleet.pick(1)->id.guest, 1U);
    fleet.advance(3 * kMs);
    fleet.leave(0, false);
    fleet.leave(1, false);
    EXPECT_TRUE(fleet.pick(0)->due);
    EXPECT_FALSE(fleet.pick(1)->due);
    EXPECT_EQ(fleet.running(1)->guest, 1U);
}

}  // namespace
}  // namespace vmm::sched::test
