// SPDX-License-Identifier: Apache-2.0
// Several contexts of one group, driven from one thread: stealing, pinning, parking.
#include "side.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

using ::testing::ElementsAre;

Routine where(std::vector<unsigned>& contexts) {
    contexts.push_back(here()->index);
    co_return;
}

Routine sleeps_then_where(std::vector<unsigned>& contexts) {
    co_await Suspend();
    contexts.push_back(here()->index);
}

Routine submits_then_where(std::vector<unsigned>& contexts) {
    co_await Submit();
    contexts.push_back(here()->index);
}

class Harts : public ::testing::Test {
protected:
    Side side_{{.contexts = 2, .slots = 4, .segments = 1}};
    std::vector<unsigned> contexts_;
};

TEST_F(Harts, idle_hart_steals_and_both_lines_follow) {
    start(side_.context(0), where(contexts_), 5);
    EXPECT_EQ(side_.line(0).ready, 1ull << 5);
    EXPECT_EQ(side_.run(1), COPS_RUN_IDLE);
    EXPECT_THAT(contexts_, ElementsAre(1));
    EXPECT_EQ(side_.line(0).ready, 0u);
    EXPECT_EQ(side_.context(1).counters.steals, 1u);
}

TEST_F(Harts, more_urgent_work_elsewhere_is_stolen_before_own) {
    std::vector<unsigned> other;
    start(side_.context(0), where(contexts_), 5);
    start(side_.context(1), where(other), 6);
    EXPECT_EQ(side_.run(1, 1), COPS_RUN_BUDGET);
    EXPECT_THAT(contexts_, ElementsAre(1));
    EXPECT_TRUE(other.empty());
    side_.run(1);
}

TEST_F(Harts, pinned_task_stays_and_wakes_at_home) {
    const cops_task_id id =
        start(side_.context(0), sleeps_then_where(contexts_), 5, COPS_SPAWN_PINNED);
    side_.run(0);
    ASSERT_EQ(cops_executor_park_begin(&side_.context(0)), 1);
    this_context = &side_.context(1);
    cops_executor_wake(&side_.context(1), id);
    EXPECT_EQ(cops_executor_take_kicks(&side_.context(1)), 1u) << "context 0 sleeps and owns it";
    EXPECT_EQ(cops_executor_take_kicks(&side_.context(1)), 0u);
    cops_executor_park_end(&side_.context(0));
    EXPECT_EQ(side_.line(0).ready, 1ull << 5);
    side_.run(0);
    EXPECT_THAT(contexts_, ElementsAre(0));
}

Routine spawns(std::vector<unsigned>& contexts) {
    start(*here(), where(contexts), 5);
    start(*here(), where(contexts), 5);
    co_return;
}

TEST_F(Harts, pinned_work_elsewhere_is_no_reason_to_stay_awake) {
    start(side_.context(0), where(contexts_), 5, COPS_SPAWN_PINNED);
    EXPECT_EQ(side_.run(1), COPS_RUN_IDLE);
    EXPECT_EQ(cops_executor_park_begin(&side_.context(1)), 1);
    cops_executor_park_end(&side_.context(1));
    start(side_.context(0), where(contexts_), 5);
    EXPECT_EQ(side_.run(1), COPS_RUN_IDLE);
    EXPECT_THAT(contexts_, ElementsAre(1)) << "the one behind the pinned one";
    side_.run(0);
    EXPECT_THAT(contexts_, ElementsAre(1, 0));
}

TEST_F(Harts, work_beside_a_running_task_kicks_one_sleeper_once) {
    ASSERT_EQ(cops_executor_park_begin(&side_.context(1)), 1);
    start(side_.context(0), spawns(contexts_), 5);
    EXPECT_EQ(cops_executor_take_kicks(&side_.context(0)), 0u) << "this hart is about to run it";
    side_.run(0, 1);
    EXPECT_EQ(cops_executor_take_kicks(&side_.context(0)), 2u);
    cops_executor_park_end(&side_.context(1));
    side_.run(0);
}

TEST_F(Harts, park_finds_work_of_the_whole_group) {
    start(side_.context(0), where(contexts_), 5);
    EXPECT_EQ(cops_executor_park_begin(&side_.context(1)), 0);
    cops_executor_park_end(&side_.context(1));
    side_.run(1);
    side_.line(1).wake_pending = 1;
    EXPECT_EQ(cops_executor_park_begin(&side_.context(1)), 0) << "a completion may wait";
    EXPECT_EQ(side_.line(1).wake_pending, 0u);
}

TEST_F(Harts, level_change_reaches_a_queue_of_another_hart) {
    const cops_task_id id = start(side_.context(0), where(contexts_), 5);
    this_context = &side_.context(1);
    EXPECT_EQ(cops_executor_set_level(&side_.context(1), id, 2), 0);
    EXPECT_EQ(side_.line(0).ready, 1ull << 2);
    side_.run(0);
}

// ---- Contexts that come and go

Routine yields_then_where(std::vector<unsigned>& contexts) {
    contexts.push_back(here()->index);
    co_await Yield();
    contexts.push_back(here()->index);
}

TEST_F(Harts, closed_context_takes_nothing_and_its_own_goes_on_elsewhere) {
    start(side_.context(1), yields_then_where(contexts_), 5);
    this_context = &side_.context(0);
    EXPECT_EQ(cops_executor_close(&side_.context(0), 1, 1), 0);
    EXPECT_EQ(side_.run(1), COPS_RUN_IDLE);
    EXPECT_THAT(contexts_, ElementsAre(1)) << "it ran once more where it was";
    EXPECT_EQ(side_.line(1).ready, 0u);
    EXPECT_EQ(side_.line(0).ready, 1ull << 5);
    start(side_.context(0), where(contexts_), 4);
    EXPECT_EQ(side_.run(1), COPS_RUN_IDLE) << "it steals nothing";
    side_.run(0);
    EXPECT_THAT(contexts_, ElementsAre(1, 0, 0));
}

TEST_F(Harts, completion_found_on_a_closed_context_wakes_its_task_on_an_open_one) {
    start(side_.context(1), submits_then_where(contexts_), 5);
    EXPECT_EQ(side_.run(1), COPS_RUN_SUBMIT);
    const std::vector<cops_submission> batch = side_.take_batch(1);
    ASSERT_EQ(batch.size(), 1u);
    EXPECT_EQ(cops_executor_close(&side_.context(0), 1, 1), 0);
    side_.complete(batch[0], 7);
    EXPECT_EQ(side_.run(1), COPS_RUN_IDLE);
    EXPECT_TRUE(contexts_.empty());
    side_.run(0);
    EXPECT_THAT(contexts_, ElementsAre(0));
}

TEST_F(Harts, closed_sleeper_is_let_sleep_until_it_is_opened) {
    ASSERT_EQ(cops_executor_park_begin(&side_.context(1)), 1);
    EXPECT_EQ(cops_executor_close(&side_.context(0), 1, 1), 0);
    start(side_.context(0), spawns(contexts_), 5);
    EXPECT_EQ(side_.run(0), COPS_RUN_IDLE);
    EXPECT_EQ(cops_executor_take_kicks(&side_.context(0)), 0u);
    EXPECT_EQ(cops_executor_close(&side_.context(0), 1, 0), 0);
    EXPECT_EQ(cops_executor_take_kicks(&side_.context(0)), 2u);
    cops_executor_park_end(&side_.context(1));
}

TEST_F(Harts, first_context_and_unknown_ones_cannot_be_closed) {
    EXPECT_EQ(cops_executor_close(&side_.context(0), 0, 1), -22);
    EXPECT_EQ(cops_executor_close(&side_.context(0), 2, 1), -22);
}

TEST_F(Harts, run_ends_for_a_kick_before_the_next_task) {
    ASSERT_EQ(cops_executor_park_begin(&side_.context(1)), 1);
    start(side_.context(0), spawns(contexts_), 5);
    EXPECT_EQ(side_.run(0), COPS_RUN_KICK);
    EXPECT_TRUE(contexts_.empty()) << "the sleeper should hear of them first";
    EXPECT_EQ(cops_executor_take_kicks(&side_.context(0)), 2u);
    EXPECT_EQ(side_.run(0), COPS_RUN_IDLE);
    cops_executor_park_end(&side_.context(1));
}

TEST_F(Harts, several_completions_that_one_hart_finds_wake_another) {
    side_.context(0).batch_hold = 8;
    for (int i = 0; i < 3; ++i) {
        start(side_.context(0), submits_then_where(contexts_), 5);
    }
    EXPECT_EQ(side_.run(0), COPS_RUN_SUBMIT);
    const std::vector<cops_submission> batch = side_.take_batch(0);
    ASSERT_EQ(batch.size(), 3u);
    EXPECT_EQ(side_.run(0), COPS_RUN_IDLE);
    ASSERT_EQ(cops_executor_park_begin(&side_.context(1)), 1);
    side_.complete(batch[0], 0);
    EXPECT_EQ(side_.run(0), COPS_RUN_IDLE) << "one is for the hart that found it";
    side_.complete(batch[1], 0);
    side_.complete(batch[2], 0);
    EXPECT_EQ(side_.run(0), COPS_RUN_KICK);
    EXPECT_EQ(cops_executor_take_kicks(&side_.context(0)), 2u);
    cops_executor_park_end(&side_.context(1));
    EXPECT_EQ(side_.run(0), COPS_RUN_IDLE);
    EXPECT_THAT(contexts_, ElementsAre(0, 0, 0));
}

TEST_F(Harts, completion_of_a_closed_context_wakes_the_first_one_or_another) {
    Side side({.contexts = 3, .slots = 4, .segments = 1});
    start(side.context(1), submits_then_where(contexts_), 5);
    EXPECT_EQ(side.run(1), COPS_RUN_SUBMIT);
    const std::vector<cops_submission> batch = side.take_batch(1);
    EXPECT_EQ(side.run(1), COPS_RUN_IDLE);
    EXPECT_EQ(cops_executor_close(&side.context(0), 1, 1), 0);
    ASSERT_EQ(cops_executor_park_begin(&side.context(0)), 1);
    ASSERT_EQ(cops_executor_park_begin(&side.context(2)), 1);
    side.complete(batch[0], 0);
    EXPECT_EQ(side.run(1), COPS_RUN_KICK);
    EXPECT_EQ(cops_executor_take_kicks(&side.context(1)), 1u) << "the one whose queue it is in";
    cops_executor_park_end(&side.context(0));
    cops_executor_park_end(&side.context(2));
    EXPECT_EQ(side.run(0), COPS_RUN_IDLE);
}

TEST(AddedContext, takes_part_from_then_on) {
    Side side({.contexts = 2, .slots = 4, .segments = 1});
    side.group().num_contexts = 1;  // as if the second came later
    std::vector<unsigned> contexts;
    start(side.context(0), where(contexts), 5);
    ASSERT_EQ(cops_executor_init_context(&side.group(), 1, 4, 0), 0);
    EXPECT_EQ(side.group().num_contexts, 2u);
    EXPECT_EQ(side.run(1), COPS_RUN_IDLE);
    EXPECT_THAT(contexts, ElementsAre(1));
    EXPECT_EQ(cops_executor_init_context(&side.group(), 3, 0, 0), -22) << "not the next one";
}

// ---- Nothing can wake anybody

TEST_F(Harts, all_asleep_only_when_each_sleeps_and_nothing_is_on_its_way) {
    ASSERT_EQ(cops_executor_park_begin(&side_.context(0)), 1);
    EXPECT_EQ(cops_executor_asleep(&side_.context(0)), 0) << "context 1 is awake";
    ASSERT_EQ(cops_executor_park_begin(&side_.context(1)), 1);
    EXPECT_EQ(cops_executor_asleep(&side_.context(0)), 1);
    cops_executor_park_end(&side_.context(1));
    start(side_.context(1), submits_then_where(contexts_), 5);
    EXPECT_EQ(side_.run(1), COPS_RUN_SUBMIT);
    const std::vector<cops_submission> batch = side_.take_batch(1);
    EXPECT_EQ(side_.run(1), COPS_RUN_IDLE);
    ASSERT_EQ(cops_executor_park_begin(&side_.context(1)), 1);
    EXPECT_EQ(cops_executor_asleep(&side_.context(0)), 0) << "a request is in flight";
    cops_executor_park_end(&side_.context(1));
    side_.complete(batch[0], 0);
    EXPECT_EQ(side_.run(1), COPS_RUN_IDLE);
    ASSERT_EQ(cops_executor_park_begin(&side_.context(1)), 1);
    EXPECT_EQ(cops_executor_asleep(&side_.context(1)), 1);
}

}  // namespace
