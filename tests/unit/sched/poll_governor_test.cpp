// SPDX-License-Identifier: Apache-2.0
#include "sched/workers/poll_governor.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace vmm::sched::test {
namespace {

constexpr Nanos kMost = 100'000;

/// Waits that all take `wait`, as seen by a worker whose looks succeed when they are long enough.
/// Returns how often of `waits` it slept.
unsigned sleeps(PollGovernor& governor, Nanos wait, unsigned waits, Nanos* looked = nullptr) {
    unsigned slept = 0;
    for (unsigned i = 0; i < waits; ++i) {
        const Nanos limit = governor.begin_wait();
        const bool found = limit >= wait;
        slept += found ? 0 : 1;
        if (looked != nullptr) {
            *looked += std::min(limit, wait);
        }
        governor.end_wait(wait, found);
    }
    return slept;
}

TEST(PollGovernor, short_waits_are_looked_through) {
    PollGovernor governor(kMost);
    EXPECT_EQ(sleeps(governor, kMost / 2, 100), 1U);  // the first, of which nothing was known
}

TEST(PollGovernor, long_waits_cost_no_looking) {
    PollGovernor governor(kMost);
    Nanos looked = 0;
    EXPECT_EQ(sleeps(governor, 2 * kMost, 1000, &looked), 1000U);
    EXPECT_EQ(looked, 0U);
}

TEST(PollGovernor, a_long_wait_is_forgotten_after_a_few_short_ones) {
    PollGovernor governor(kMost);
    sleeps(governor, Nanos{10'000'000'000}, 3);
    EXPECT_LE(sleeps(governor, kMost / 2, 100), 20U);
}

// What is waited for comes only once the processor is free, shortly after each look.
TEST(PollGovernor, looks_in_vain_get_rare) {
    PollGovernor governor(kMost);
    unsigned looks = 0;
    for (unsigned i = 0; i < 1000; ++i) {
        const Nanos limit = governor.begin_wait();
        looks += limit != 0 ? 1 : 0;
        governor.end_wait(limit + 5'000, false);
    }
    EXPECT_LE(looks, 30U);
    EXPECT_GE(looks, 10U);  // it keeps trying
    EXPECT_LE(sleeps(governor, kMost / 2, 200), 80U) << "and recovers";
}

TEST(PollGovernor, never_looks_when_told_so) {
    PollGovernor governor(0);
    EXPECT_EQ(sleeps(governor, 1, 100), 100U);
}

RC_GTEST_PROP(PollGovernor, no_look_is_longer_than_the_bound, ()) {
    const auto most = *rc::gen::inRange<Nanos>(0, 1'000'000);
    PollGovernor governor(most);
    const auto waits = *rc::gen::container<std::vector<std::pair<Nanos, bool>>>(
        rc::gen::pair(rc::gen::arbitrary<Nanos>(), rc::gen::arbitrary<bool>())
    );
    for (const auto& [waited, found] : waits) {
        RC_ASSERT(governor.begin_wait() <= most);
        governor.end_wait(waited, found);
    }
}

}  // namespace
}  // namespace vmm::sched::test
