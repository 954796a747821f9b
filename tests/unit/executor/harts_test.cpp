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

}  // namespace
