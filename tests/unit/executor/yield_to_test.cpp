// SPDX-License-Identifier: Apache-2.0
// A turn handed from one task to another.
#include "side.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace {

using ::testing::ElementsAre;
using Log = std::vector<std::string>;

struct YieldTo {
    cops_task_id id;
    bool await_ready() { return false; }
    void await_suspend(std::coroutine_handle<> self) {
        cops_executor_yield_to(here(), self.address(), id);
    }
    void await_resume() {}
};

Routine gives(Log& log, const cops_task_id& to) {
    log.emplace_back("gives");
    co_await YieldTo{to};
    log.emplace_back("back");
}

Routine takes(Log& log, std::string name) {
    log.push_back(name + " at " + std::to_string(here()->running_level));
    co_await Yield();
    log.push_back(name + " at " + std::to_string(here()->running_level));
}

Routine sleeps(Log& log) {
    co_await Suspend();
    log.emplace_back("woke");
}

class ExecutorYieldTo : public ::testing::Test {
protected:
    Side side_{{.contexts = 2, .slots = 0, .segments = 1}};
    Log log_;
    cops_task_id to_ = 0;
};

TEST_F(ExecutorYieldTo, next_turn_is_the_other_ones_at_the_callers_level) {
    start(side_.context(), gives(log_, to_), 10);
    start(side_.context(), takes(log_, "equal"), 10);
    to_ = start(side_.context(), takes(log_, "patient"), 30);
    side_.run();
    EXPECT_THAT(
        log_,
        ElementsAre("gives", "patient at 10", "equal at 10", "back", "equal at 10", "patient at 30")
    );
    EXPECT_EQ(side_.line().ready, 0u);
}

TEST_F(ExecutorYieldTo, more_urgent_one_keeps_its_own_level_and_comes_first_of_it) {
    start(side_.context(), gives(log_, to_), 10);
    side_.run(0, 0);
    this_context = &side_.context();
    to_ = start(side_.context(), takes(log_, "b"), 10);
    start(side_.context(), takes(log_, "c"), 10);
    start(side_.context(), takes(log_, "a"), 10);
    cops_executor_set_level(&side_.context(), to_, 10);  // Behind `a`.
    side_.run();
    EXPECT_THAT(
        log_,
        ElementsAre(
            "gives", "b at 10", "c at 10", "a at 10", "back", "b at 10", "c at 10", "a at 10"
        )
    );
}

Routine wakes_then_gives(Log& log, const cops_task_id& urgent, const cops_task_id& to) {
    cops_executor_wake(here(), urgent);
    co_await YieldTo{to};
    log.emplace_back("back");
}

TEST_F(ExecutorYieldTo, what_is_more_urgent_than_both_goes_first) {
    const cops_task_id urgent = start(side_.context(), sleeps(log_), 2);
    side_.run();
    start(side_.context(), wakes_then_gives(log_, urgent, to_), 10);
    to_ = start(side_.context(), takes(log_, "patient"), 30);
    side_.run();
    EXPECT_THAT(log_, ElementsAre("woke", "patient at 10", "back", "patient at 30"));
}

TEST_F(ExecutorYieldTo, task_that_is_not_ready_or_has_ended_makes_it_a_yield) {
    const cops_task_id asleep = start(side_.context(), sleeps(log_), 2);
    side_.run();
    for (const cops_task_id id : {asleep, cops_task_id{0}, cops_task_id{77} << 32 | 5}) {
        log_.clear();
        to_ = id;
        start(side_.context(), gives(log_, to_), 10);
        start(side_.context(), takes(log_, "equal"), 10);
        side_.run();
        EXPECT_THAT(log_, ElementsAre("gives", "equal at 10", "back", "equal at 10"));
    }
    cops_executor_wake(&side_.context(), asleep);
    side_.run();
}

TEST_F(ExecutorYieldTo, task_queued_on_another_hart_comes_here_unless_it_is_pinned_there) {
    to_ = start(side_.context(1), takes(log_, "other"), 30);
    start(side_.context(0), gives(log_, to_), 10);
    side_.run(0, 2);
    EXPECT_THAT(log_, ElementsAre("gives", "other at 10"));
    EXPECT_EQ(side_.line(1).ready, 0u);
    side_.run(0);

    log_.clear();
    to_ = start(side_.context(1), takes(log_, "pinned"), 30, COPS_SPAWN_PINNED);
    start(side_.context(0), gives(log_, to_), 10);
    side_.run(0);
    EXPECT_THAT(log_, ElementsAre("gives", "back"));
    EXPECT_EQ(side_.line(1).ready, 1ull << 30);
    side_.run(1);
}

}  // namespace
