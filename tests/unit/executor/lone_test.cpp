// SPDX-License-Identifier: Apache-2.0
// A task that is alone in its context's queue stays for the next turn there, until it has waited.
#include "side.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <utility>

namespace {

using ::testing::ElementsAre;

Routine sleeps_then_where(std::vector<unsigned>& contexts) {
    co_await Suspend();
    contexts.push_back(here()->index);
}

Routine wakes(cops_task_id id, std::function<void()> then) {
    cops_executor_wake(here(), id);
    then();
    co_return;
}

Routine answers(cops_task_id& asker) {
    for (;;) {
        co_await Suspend();
        if (asker == 0) {
            co_return;
        }
        cops_executor_wake(here(), asker);
    }
}

Routine asks(cops_task_id other, int times) {
    for (int n = 0; n < times; ++n) {
        cops_executor_wake(here(), other);
        co_await Suspend();
    }
}

class Lone : public ::testing::Test {
protected:
    Lone() {
        for (unsigned i = 0; i < 2; ++i) {
            side_.context(i).keeps_lone = 1;
        }
    }

    /// Context 0 runs a coroutine that wakes another, and then `act` while it still runs.
    void while_one_is_lone(std::function<void()> act, unsigned level = 5) {
        const cops_task_id id = start(side_.context(0), sleeps_then_where(contexts_), level);
        ASSERT_EQ(side_.run(0), COPS_RUN_IDLE);
        start(side_.context(0), wakes(id, std::move(act)), 5);
        side_.run(0);
        cops_executor_take_kicks(&side_.context(0));
        side_.run(0);
    }

    /// As if it happened on the other hart.
    int run_other() {
        const int reason = side_.run(1);
        this_context = &side_.context(0);
        return reason;
    }

    Side side_{{.contexts = 2, .slots = 4, .segments = 1}};
    std::vector<unsigned> contexts_;
};

TEST_F(Lone, stays_with_its_waker) {
    while_one_is_lone([&] {
        EXPECT_EQ(side_.line(0).ready, 1ull << 5);
        EXPECT_EQ(run_other(), COPS_RUN_IDLE);
        EXPECT_EQ(cops_executor_has_work(&side_.context(1)), 0);
        EXPECT_EQ(cops_executor_lone(&side_.context(1), 1), 0u);
    });
    EXPECT_THAT(contexts_, ElementsAre(0));
}

TEST_F(Lone, is_anyones_once_it_has_waited) {
    while_one_is_lone([&] {
        const std::uint64_t lone = cops_executor_lone(&side_.context(1), 0);
        ASSERT_NE(lone, 0u);
        EXPECT_EQ(cops_executor_share_lone(&side_.context(1), 0, lone), 1);
        EXPECT_EQ(cops_executor_lone(&side_.context(1), 0), 0u);
        EXPECT_EQ(cops_executor_share_lone(&side_.context(1), 0, lone), 0);
        EXPECT_EQ(run_other(), COPS_RUN_IDLE);
    });
    EXPECT_THAT(contexts_, ElementsAre(1));
    EXPECT_EQ(side_.line(0).ready, 0u);
}

TEST_F(Lone, is_not_shared_by_who_saw_an_earlier_one) {
    std::uint64_t earlier = 0;
    while_one_is_lone([&] { earlier = cops_executor_lone(&side_.context(1), 0); });
    ASSERT_NE(earlier, 0u);
    while_one_is_lone([&] {
        EXPECT_NE(cops_executor_lone(&side_.context(1), 0), earlier);
        EXPECT_EQ(cops_executor_share_lone(&side_.context(1), 0, earlier), 0);
    });
    EXPECT_THAT(contexts_, ElementsAre(0, 0));
}

TEST_F(Lone, is_not_shared_from_within_the_executor) {
    while_one_is_lone([&] {
        cops_executor_context& own = side_.context(0);
        cops_executor_enter(&own);
        EXPECT_EQ(cops_executor_share_lone(&own, 0, cops_executor_lone(&own, 0)), 0)
            << "an interrupt may have come while its lock was held";
        cops_executor_leave(&own);
        EXPECT_EQ(cops_executor_share_lone(&own, 0, cops_executor_lone(&own, 0)), 1);
    });
}

TEST_F(Lone, is_shared_when_something_more_urgent_comes) {
    std::vector<unsigned> urgent;
    const cops_task_id id = start(side_.context(0), sleeps_then_where(urgent), 3);
    ASSERT_EQ(side_.run(0), COPS_RUN_IDLE);
    while_one_is_lone([&] {
        cops_executor_wake(&side_.context(0), id);
        EXPECT_EQ(cops_executor_lone(&side_.context(0), 0), 0u) << "its turn is not the next one";
        EXPECT_EQ(run_other(), COPS_RUN_IDLE);
    });
    EXPECT_THAT(urgent, ElementsAre(1));
    EXPECT_THAT(contexts_, ElementsAre(1));
}

TEST_F(Lone, second_one_is_anyones_and_wakes_a_sleeper) {
    const cops_task_id second = start(side_.context(0), sleeps_then_where(contexts_), 5);
    ASSERT_EQ(side_.run(0), COPS_RUN_IDLE);
    side_.context(0).lone_resume = UINT64_MAX;  // nobody is told of the first
    while_one_is_lone([&] {
        ASSERT_EQ(cops_executor_park_begin(&side_.context(1)), 1);
        cops_executor_wake(&side_.context(0), second);
        EXPECT_EQ(cops_executor_take_kicks(&side_.context(0)), 2u);
        cops_executor_park_end(&side_.context(1));
        EXPECT_EQ(run_other(), COPS_RUN_IDLE);
    });
    EXPECT_THAT(contexts_, ElementsAre(1, 0));
}

TEST_F(Lone, is_taken_by_a_sleeper_that_was_told_of_it) {
    const cops_task_id id = start(side_.context(0), sleeps_then_where(contexts_), 5);
    ASSERT_EQ(side_.run(0), COPS_RUN_IDLE);
    ASSERT_EQ(cops_executor_park_begin(&side_.context(1)), 1);
    start(
        side_.context(0),
        wakes(
            id,
            [&] {
                EXPECT_EQ(cops_executor_take_kicks(&side_.context(0)), 2u);
                cops_executor_park_end(&side_.context(1));
                EXPECT_EQ(run_other(), COPS_RUN_IDLE);
            }
        ),
        5
    );
    EXPECT_EQ(side_.run(0), COPS_RUN_IDLE);
    EXPECT_THAT(contexts_, ElementsAre(1));
}

TEST_F(Lone, is_told_seldom_where_sleepers_come_too_late) {
    constexpr int kTurns = 20'000;
    cops_task_id asker = 0;
    const cops_task_id other = start(side_.context(0), answers(asker), 5);
    ASSERT_EQ(side_.run(0), COPS_RUN_IDLE);
    asker = start(side_.context(0), asks(other, kTurns), 5);
    int told = 0;
    do {
        (void)cops_executor_park_begin(&side_.context(1));
        if (side_.run(0) == COPS_RUN_KICK) {
            ++told;
            EXPECT_EQ(cops_executor_take_kicks(&side_.context(0)), 2u);
            (void)cops_executor_take_kicks(&side_.context(0));
            side_.run(0, 1);  // the turn comes before the sleeper does
        }
        cops_executor_park_end(&side_.context(1));
    } while (cops_executor_alive(&side_.context(0), asker) != 0);
    EXPECT_GE(told, 5);
    EXPECT_LE(told, 12) << "after 0, 64, 192, 448, ... turns of 40,000";
    EXPECT_EQ(side_.context(1).counters.switches, 0u);
    asker = 0;
    cops_executor_wake(&side_.context(0), other);
    side_.run(0);
}

TEST_F(Lone, is_told_at_once_after_one_had_to_wait) {
    side_.context(0).lone_pause = 65536;
    side_.context(0).lone_resume = UINT64_MAX;
    for (int round = 0; round < 2; ++round) {
        while_one_is_lone([&] {
            const std::uint64_t lone = cops_executor_lone(&side_.context(0), 0);
            EXPECT_EQ(cops_executor_share_lone(&side_.context(0), 0, lone), 1);
        });
    }
    ASSERT_EQ(cops_executor_park_begin(&side_.context(1)), 1);
    while_one_is_lone([&] { EXPECT_EQ(cops_executor_take_kicks(&side_.context(0)), 2u); });
    cops_executor_park_end(&side_.context(1));
}

}  // namespace
