// SPDX-License-Identifier: Apache-2.0
#include "simulated_fleet.hpp"

#include <gtest/gtest.h>

namespace vmm::sched::test {
namespace {

constexpr VcpuId kA{.guest = 0};
constexpr VcpuId kB{.guest = 1};
constexpr VcpuId kC{.guest = 2};

TEST(Policies, unknown_name_gives_none) {
    EXPECT_EQ(make_policy("lottery"), nullptr);
    for (const std::string_view name : policy_names()) {
        ASSERT_NE(make_policy(name), nullptr) << name;
        EXPECT_EQ(make_policy(name)->name(), name);
    }
}

TEST(Policies, nothing_ready_gives_no_decision) {
    for (const std::string_view name : policy_names()) {
        SimulatedFleet fleet(name, 1);
        EXPECT_FALSE(fleet.pick(0)) << name;
        fleet.add(kA);
        EXPECT_FALSE(fleet.pick(0)) << name;
        EXPECT_FALSE(fleet.policy().preempt(5)) << name;
    }
}

TEST(Policies, events_of_unknown_vcpus_change_nothing) {
    for (const std::string_view name : policy_names()) {
        const auto policy = make_policy(name);
        for (const EventKind kind :
             {EventKind::ready,
              EventKind::claim,
              EventKind::ran,
              EventKind::idle,
              EventKind::remove,
              EventKind::tenant}) {
            policy->apply({.kind = kind, .id = kA});
        }
        EXPECT_FALSE(policy->pick(0, 1)) << name;
    }
}

TEST(PriorityPolicy, work_at_a_more_urgent_level_runs_first) {
    SimulatedFleet fleet("priority", 1);
    fleet.add(kA);
    fleet.add(kB);
    fleet.wake(kA, 20);
    fleet.wake(kB, 2);
    EXPECT_EQ(fleet.pick(0)->id, kB);
}

TEST(PriorityPolicy, no_claim_competes_at_the_base_level) {
    SimulatedFleet fleet("priority", 1);
    fleet.add(kA, {.base_level = 10});
    fleet.add(kB, {.base_level = 32});
    fleet.wake(kA, 64);
    fleet.wake(kB, 11);
    const auto decision = fleet.pick(0);
    EXPECT_EQ(decision->id, kA);
    EXPECT_EQ(decision->level, 10);
}

TEST(PriorityPolicy, a_claim_above_the_ceiling_is_cut) {
    SimulatedFleet fleet("priority", 1);
    fleet.add(kA, {.base_level = 32, .ceiling = 16});
    fleet.add(kB);
    fleet.wake(kA, 0);
    fleet.wake(kB, 15);
    EXPECT_EQ(fleet.pick(0)->id, kB);
    EXPECT_EQ(fleet.policy().waiting_levels({.guest = 1}), std::uint64_t{1} << 16);
}

TEST(PriorityPolicy, the_least_urgent_running_vcpu_makes_way) {
    SimulatedFleet fleet("priority", 2);
    fleet.add(kA);
    fleet.add(kB);
    fleet.add(kC);
    fleet.wake(kA, 5);
    fleet.pick(0);
    fleet.wake(kB, 30);
    fleet.pick(1);
    fleet.wake(kC, 10);
    const auto preemption = fleet.policy().preempt(fleet.now());
    ASSERT_TRUE(preemption);
    EXPECT_EQ(preemption->victim, kB);
    EXPECT_EQ(preemption->worker, 1U);
    EXPECT_EQ(preemption->level, 10);
    EXPECT_TRUE(preemption->ask);
}

TEST(PriorityPolicy, equal_levels_do_not_preempt) {
    SimulatedFleet fleet("priority", 1);
    fleet.add(kA);
    fleet.add(kB);
    fleet.wake(kA, 5);
    fleet.pick(0);
    fleet.wake(kB, 5);
    EXPECT_FALSE(fleet.policy().preempt(fleet.now()));
}

TEST(PriorityPolicy, a_changed_claim_moves_a_running_vcpu) {
    SimulatedFleet fleet("priority", 1);
    fleet.add(kA);
    fleet.add(kB);
    fleet.wake(kA, 2);
    fleet.pick(0);
    fleet.wake(kB, 20);
    EXPECT_FALSE(fleet.policy().preempt(fleet.now()));
    fleet.claim(kA, 30);
    EXPECT_TRUE(fleet.policy().preempt(fleet.now()));
}

TEST(PriorityPolicy, sleeping_saves_up_no_turns) {
    SimulatedFleet fleet("priority", 1);
    fleet.add(kA);
    fleet.add(kB);
    fleet.wake(kA, 9);
    for (int turn = 0; turn < 100; ++turn) {
        fleet.pick(0);
        fleet.advance(1'000'000);
        fleet.leave(0, false);
    }
    fleet.wake(kB, 9);  // slept for 100 turns
    int turns_of_b = 0;
    for (int turn = 0; turn < 10; ++turn) {
        turns_of_b += fleet.pick(0)->id == kB ? 1 : 0;
        fleet.advance(1'000'000);
        fleet.leave(0, false);
    }
    EXPECT_LE(turns_of_b, 6);
    EXPECT_GE(turns_of_b, 4);
}

TEST(PriorityPolicy, changing_levels_sheds_no_debt) {
    SimulatedFleet fleet("priority", 1);
    fleet.add(kA);
    fleet.add(kB);
    fleet.wake(kA, 9);
    fleet.wake(kB, 9);
    std::map<VcpuId, int> turns;
    for (int turn = 0; turn < 400; ++turn) {
        const VcpuId id = fleet.pick(0)->id;
        ++turns[id];
        fleet.advance(1'000'000);
        fleet.leave(0, false);
        if (id == kA) {  // away and back after each turn
            fleet.claim(kA, 40);
            fleet.claim(kA, 9);
        }
    }
    EXPECT_NEAR(turns[kA], 200, 5);
}

TEST(FairPolicy, levels_mean_nothing) {
    SimulatedFleet fleet("fair", 1);
    fleet.add(kA);
    fleet.add(kB);
    fleet.wake(kA, 63);
    fleet.wake(kB, 0);
    EXPECT_EQ(fleet.pick(0)->id, kA);  // equal virtual times: by id
    EXPECT_FALSE(fleet.policy().preempt(fleet.now()));
    EXPECT_EQ(fleet.policy().waiting_levels({.guest = 0}), 0U);
}

TEST(FairPolicy, one_that_wakes_takes_over_from_one_that_ran_long) {
    SimulatedFleet fleet("fair", 1);
    fleet.add(kA);
    fleet.add(kB);
    fleet.wake(kA, 1);
    fleet.pick(0);
    fleet.advance(500'000);
    fleet.wake(kB, 60);
    EXPECT_FALSE(fleet.policy().preempt(fleet.now()));
    fleet.advance(5'000'000);
    const auto preemption = fleet.policy().preempt(fleet.now());
    ASSERT_TRUE(preemption);
    EXPECT_EQ(preemption->victim, kA);
    EXPECT_FALSE(preemption->ask);
}

TEST(RoundRobinPolicy, vcpus_take_turns_whatever_their_guest_and_level) {
    SimulatedFleet fleet("rr", 1);
    const VcpuId other{.guest = 0, .vcpu = 1};
    fleet.add(kA, {.weight = 1000});
    fleet.add(other, {.weight = 1000});
    fleet.add(kB);
    fleet.wake(kB, 60);
    fleet.wake(kA, 0);
    fleet.wake(other, 0);
    for (int round = 0; round < 5; ++round) {
        EXPECT_EQ(fleet.turn().id, kB);
        EXPECT_EQ(fleet.turn().id, kA);
        EXPECT_EQ(fleet.turn().id, other);
    }
    fleet.pick(0);
    EXPECT_FALSE(fleet.policy().preempt(fleet.now() + 100'000'000));
    EXPECT_EQ(fleet.policy().waiting_levels(kC.of_guest()), 0U);
}

TEST(RoundRobinPolicy, a_turn_lasts_a_quantum) {
    for (const std::uint64_t quantum : {1'000U, 50'000U, 7'000'000U}) {
        const auto policy = make_policy("rr", {.quantum_ns = quantum});
        policy->apply({.kind = EventKind::add, .id = kA});
        policy->apply({.kind = EventKind::ready, .id = kA});
        EXPECT_EQ(policy->pick(0, 0)->slice_ns, quantum);
    }
}

TEST(PvschedPolicy, a_claim_above_the_base_level_is_a_boost_and_no_more) {
    SimulatedFleet fleet("pvsched", 1);
    fleet.add(kA, {.base_level = 20});
    fleet.add(kB, {.base_level = 40});
    fleet.add(kC, {.base_level = 10});
    fleet.wake(kA, 19);
    fleet.wake(kC, 10);
    EXPECT_EQ(fleet.pick(0)->id, kA);
    EXPECT_FALSE(fleet.policy().preempt(fleet.now()));
    fleet.wake(kB, 0);  // boosted too: as urgent
    EXPECT_FALSE(fleet.policy().preempt(fleet.now()));
    fleet.claim(kA, 20);
    const auto preemption = fleet.policy().preempt(fleet.now());
    ASSERT_TRUE(preemption);
    EXPECT_EQ(preemption->victim, kA);
    EXPECT_FALSE(preemption->ask);
    EXPECT_EQ(fleet.policy().waiting_levels(kA.of_guest()), 0U);
}

TEST(PvschedPolicy, boosts_are_refused_from_the_budgets_end_until_all_is_repaid) {
    SimulatedFleet fleet("pvsched", 1);
    fleet.add(kA, {.base_level = 20, .budget_rate = 500, .budget_burst_ns = 5'000'000});
    fleet.add(kB, {.base_level = 20, .weight = 1'000'000});
    fleet.wake(kA, 3);
    fleet.wake(kB, 64);
    int boosted = 0;
    while (fleet.turn().id == kA) {
        ++boosted;
    }
    EXPECT_EQ(boosted, 10);  // 5 ms, and half of what passes
    int refused = 1;
    while (fleet.turn().level >= 20) {
        ++refused;
    }
    EXPECT_EQ(refused, 10);  // 5 ms at a half
}

}  // namespace
}  // namespace vmm::sched::test
