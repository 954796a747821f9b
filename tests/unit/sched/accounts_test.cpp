// SPDX-License-Identifier: Apache-2.0
#include "sched/policy/accounts.hpp"

#include <gtest/gtest.h>

namespace vmm::sched {
namespace {

constexpr std::uint64_t kMs = 1'000'000;

TEST(Budget, without_a_rate_is_never_used_up) {
    Budget budget;
    budget.set(0, 0, 0);
    budget.elapse(1'000 * kMs, 64);
    EXPECT_FALSE(budget.turn());
    EXPECT_FALSE(budget.used_up());
    EXPECT_EQ(budget.next_turn(64), kNever);
}

TEST(Budget, begins_full_and_says_when_it_ends) {
    Budget budget;
    budget.set(200, 8 * kMs, kMs);
    EXPECT_EQ(budget.next_turn(1), 10 * kMs);  // 8 ms, less than it earns meanwhile
    budget.elapse(10 * kMs - 1, 1);
    EXPECT_FALSE(budget.turn());
    budget.elapse(1, 1);
    EXPECT_TRUE(budget.turn());
    EXPECT_TRUE(budget.used_up());
}

TEST(Budget, is_usable_again_when_it_has_grown_to_a_slice) {
    Budget budget;
    budget.set(200, 8 * kMs, kMs);
    budget.elapse(11 * kMs, 1);  // 0.8 ms of debt
    EXPECT_TRUE(budget.turn());
    EXPECT_EQ(budget.next_turn(0), 9 * kMs);
    budget.elapse(9 * kMs - 1, 0);
    EXPECT_FALSE(budget.turn());
    budget.elapse(1, 0);
    EXPECT_TRUE(budget.turn());
    EXPECT_FALSE(budget.used_up());
}

TEST(Budget, saves_up_no_more_than_its_burst) {
    Budget budget;
    budget.set(500, 2 * kMs, kMs);
    budget.elapse(3'600'000 * kMs, 0);
    EXPECT_EQ(budget.next_turn(1), 4 * kMs);
}

TEST(Budget, a_clock_that_jumps_costs_a_second) {
    Budget budget;
    budget.set(1, 2 * kMs, kMs);
    budget.elapse(60'000 * kMs, 1);
    EXPECT_TRUE(budget.turn());
    EXPECT_LE(budget.next_turn(0), 1'000'000 * kMs);  // to pay back one second at one permille
}

TEST(Budget, that_is_changed_keeps_what_it_has) {
    Budget budget;
    budget.set(100, 8 * kMs, kMs);
    budget.elapse(20 * kMs, 1);
    EXPECT_TRUE(budget.turn());
    budget.set(1000, 8 * kMs, kMs);
    EXPECT_FALSE(budget.turn());
    EXPECT_EQ(budget.next_turn(0), 11 * kMs);
    budget.set(0, 0, 0);
    EXPECT_FALSE(budget.used_up());
}

TEST(Guarantee, is_due_when_it_waited_for_a_tick) {
    Guarantee guarantee;
    guarantee.set(250);
    EXPECT_EQ(guarantee.next_turn(1, 0), 4 * kMs);
    guarantee.elapse(4 * kMs, 1, 0);
    EXPECT_TRUE(guarantee.turn());
    EXPECT_TRUE(guarantee.due());
    EXPECT_EQ(guarantee.next_turn(1, 1), 1'333'334U);  // 1 ms, and what is owed meanwhile
    guarantee.elapse(1'333'334, 1, 1);
    EXPECT_TRUE(guarantee.turn());
    EXPECT_FALSE(guarantee.due());
}

TEST(Guarantee, owes_nothing_for_idle_time) {
    Guarantee guarantee;
    guarantee.set(1000);
    guarantee.elapse(500 * kMs, 0, 0);
    EXPECT_FALSE(guarantee.turn());
    EXPECT_EQ(guarantee.next_turn(0, 0), kNever);
}

TEST(Guarantee, owes_no_more_cpus_than_there_are_runnable_vcpus) {
    Guarantee guarantee;
    guarantee.set(3000);
    EXPECT_EQ(guarantee.slots(), 3U);
    EXPECT_EQ(guarantee.next_turn(1, 0), kMs);
    EXPECT_EQ(guarantee.next_turn(1, 1), kNever);
    EXPECT_EQ(guarantee.next_turn(2, 0), kMs / 2);
}

TEST(Guarantee, of_little_has_a_short_tick) {
    Guarantee guarantee;
    guarantee.set(10);
    EXPECT_EQ(guarantee.next_turn(1, 0), 10 * kMs);
}

}  // namespace
}  // namespace vmm::sched
