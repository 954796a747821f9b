// SPDX-License-Identifier: Apache-2.0
// Running-suspended coroutines. Stacks are the runtime's business: here the victim's own stack,
// further down, stands for the other one, and it goes on when its turn comes.
#include "side.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace {

using ::testing::ElementsAre;
using Log = std::vector<std::string>;

Routine note(Log& log, std::string word) {
    log.push_back(word);
    co_return;
}

/// Is preempted, if that is possible, and runs the loop until it is its turn again.
bool lose_the_hart(cops_executor_context& context, int slice_over = 0) {
    int stack = 0;
    if (cops_executor_preempt(&context, &stack, slice_over) == 0) {
        return false;
    }
    EXPECT_EQ(context.current, 0u);
    EXPECT_EQ(cops_executor_run(&context, UINT32_MAX, 63), COPS_RUN_RESUME);
    EXPECT_EQ(cops_executor_resumed(&context), &stack);
    return true;
}

class ExecutorPreempt : public ::testing::Test {
protected:
    Side side_{{.contexts = 2}};
    cops_executor_context& context_ = side_.context();
    Log log_;
};

Routine victim(Side& side, Log& log, std::function<void()> before, int slice_over = 0) {
    before();
    log.emplace_back(lose_the_hart(side.context(), slice_over) ? "preempted" : "kept");
    co_return;
}

TEST_F(ExecutorPreempt, least_urgent_one_has_the_next_turn_when_it_is_asked_for) {
    start(context_, note(log_, "least"), 60);
    start(context_, note(log_, "middle"), 40);
    start(context_, victim(side_, log_, [&] { cops_executor_serve_least(&context_); }), 2);
    EXPECT_EQ(side_.run(), COPS_RUN_IDLE);
    EXPECT_THAT(log_, ElementsAre("least", "preempted", "middle"));
}

Routine served(cops_executor_context& context, Log& log, int slice_over) {
    start(context, note(log, "urgent"), 2);
    EXPECT_EQ(cops_executor_should_preempt(&context, 0), 0);
    log.emplace_back(lose_the_hart(context, slice_over) ? "lost" : "kept");
    co_return;
}

TEST_F(ExecutorPreempt, turn_of_the_least_urgent_one_lasts_a_slice) {
    start(context_, served(context_, log_, 0), 60);
    cops_executor_serve_least(&context_);
    EXPECT_EQ(side_.run(), COPS_RUN_IDLE);
    start(context_, served(context_, log_, 1), 60);
    cops_executor_serve_least(&context_);
    EXPECT_EQ(side_.run(), COPS_RUN_IDLE);
    EXPECT_THAT(log_, ElementsAre("kept", "urgent", "urgent", "lost"));
}

TEST_F(ExecutorPreempt, turn_for_the_least_urgent_one_is_void_when_nothing_waits) {
    start(context_, victim(side_, log_, [&] { cops_executor_serve_least(&context_); }), 20);
    EXPECT_EQ(side_.run(), COPS_RUN_IDLE);
    EXPECT_THAT(log_, ElementsAre("kept"));
    start(context_, note(log_, "next"), 3);
    EXPECT_EQ(side_.run(), COPS_RUN_IDLE);
    EXPECT_THAT(log_, ElementsAre("kept", "next"));
}

TEST_F(ExecutorPreempt, more_urgent_one_that_another_hart_has_queued_runs_here) {
    start(
        context_,
        victim(
            side_,
            log_,
            [&] {
                start(side_.context(1), note(log_, "pinned there"), 1, COPS_SPAWN_PINNED);
                start(side_.context(1), note(log_, "urgent"), 2);
            }
        ),
        20
    );
    EXPECT_EQ(side_.run(), COPS_RUN_IDLE);
    EXPECT_THAT(log_, ElementsAre("urgent", "preempted"));
    EXPECT_EQ(context_.counters.steals, 1u);
    side_.run(1);
}

TEST_F(ExecutorPreempt, more_urgent_one_runs_at_once_and_the_victim_before_its_equals) {
    start(
        context_,
        victim(
            side_,
            log_,
            [&] {
                start(context_, note(log_, "equal"), 20);
                start(context_, note(log_, "urgent"), 2);
            }
        ),
        20
    );
    EXPECT_EQ(side_.run(), COPS_RUN_IDLE);
    EXPECT_THAT(log_, ElementsAre("urgent", "preempted", "equal"));
    EXPECT_EQ(context_.counters.preemptions, 1u);
}

TEST_F(ExecutorPreempt, what_is_as_urgent_has_to_wait_until_the_slice_is_over) {
    start(context_, victim(side_, log_, [&] { start(context_, note(log_, "first"), 20); }), 20);
    EXPECT_EQ(side_.run(), COPS_RUN_IDLE);
    start(context_, victim(side_, log_, [&] { start(context_, note(log_, "second"), 20); }, 1), 20);
    EXPECT_EQ(side_.run(), COPS_RUN_IDLE);
    EXPECT_THAT(log_, ElementsAre("kept", "first", "second", "preempted"));
}

TEST_F(ExecutorPreempt, less_urgent_ones_never_preempt) {
    start(context_, victim(side_, log_, [&] { start(context_, note(log_, "late"), 21); }, 1), 20);
    EXPECT_EQ(side_.run(), COPS_RUN_IDLE);
    EXPECT_THAT(log_, ElementsAre("kept", "late"));
}

TEST_F(ExecutorPreempt, victim_stays_on_its_hart_and_shows_in_its_line) {
    Routine urgent = [](Side& side, Log& log) -> Routine {
        log.emplace_back(side.line().ready == (1u << 2 | 1u << 20) ? "claims" : "hides");
        EXPECT_EQ(side.run(1), COPS_RUN_IDLE);  // the other hart finds nothing to steal
        this_context = &side.context();
        co_return;
    }(side_, log_);
    start(context_, victim(side_, log_, [&] { start(context_, urgent, 2); }), 20);
    EXPECT_EQ(side_.run(), COPS_RUN_IDLE);
    EXPECT_THAT(log_, ElementsAre("claims", "preempted"));
    EXPECT_EQ(side_.context(1).counters.steals, 0u);
}

TEST_F(ExecutorPreempt, level_of_a_preempted_one_moves_it) {
    cops_task_id id = 0;
    Routine urgent = [](Side& side, Log& log, const cops_task_id& moved) -> Routine {
        EXPECT_EQ(cops_executor_set_level(&side.context(), moved, 50), 0);
        log.emplace_back("moved");
        co_return;
    }(side_, log_, id);
    id = start(
        context_,
        victim(
            side_,
            log_,
            [&] {
                start(context_, urgent, 2);
                start(context_, note(log_, "40"), 40);
            }
        ),
        20
    );
    EXPECT_EQ(side_.run(), COPS_RUN_IDLE);
    EXPECT_THAT(log_, ElementsAre("moved", "40", "preempted"));
}

TEST_F(ExecutorPreempt, wake_of_a_preempted_one_ends_its_next_suspend) {
    cops_task_id id = 0;
    Routine urgent = [](Side& side, const cops_task_id& woken) -> Routine {
        EXPECT_EQ(cops_executor_wake(&side.context(), woken), 0);
        co_return;
    }(side_, id);
    Routine sleeper = [](Side& side, Log& log, Routine other) -> Routine {
        start(side.context(), other, 2);
        EXPECT_TRUE(lose_the_hart(side.context()));
        co_await Suspend();
        log.emplace_back("woken");
    }(side_, log_, urgent);
    id = start(context_, sleeper, 20);
    EXPECT_EQ(side_.run(), COPS_RUN_IDLE);
    EXPECT_THAT(log_, ElementsAre("woken"));
}

TEST_F(ExecutorPreempt, preempted_ones_nest) {
    start(
        context_,
        victim(
            side_,
            log_,
            [&] {
                start(
                    context_, victim(side_, log_, [&] { start(context_, note(log_, "1"), 1); }), 10
                );
            }
        ),
        20
    );
    EXPECT_EQ(side_.run(), COPS_RUN_IDLE);
    EXPECT_THAT(log_, ElementsAre("1", "preempted", "preempted"));
}

TEST_F(ExecutorPreempt, neither_a_masked_executor_nor_a_leaving_coroutine_loses_the_hart) {
    struct Leaving {
        Side& side;
        Log& log;
        bool await_ready() { return false; }
        void await_suspend(std::coroutine_handle<> self) {
            cops_executor_yield(&side.context(), self.address());
            log.emplace_back(lose_the_hart(side.context()) ? "preempted" : "kept");
        }
        void await_resume() {}
    };
    Routine routine = [](Side& side, Log& log) -> Routine {
        start(side.context(), note(log, "urgent"), 2);
        cops_executor_enter(&side.context());
        log.emplace_back(lose_the_hart(side.context()) ? "preempted" : "kept");
        cops_executor_leave(&side.context());
        co_await Leaving{side, log};
        log.emplace_back("end");
    }(side_, log_);
    start(context_, routine, 20);
    EXPECT_EQ(side_.run(), COPS_RUN_IDLE);
    EXPECT_THAT(log_, ElementsAre("kept", "kept", "urgent", "end"));
}

TEST_F(ExecutorPreempt, kept_one_keeps_the_hart_though_nothing_is_masked) {
    Routine routine = [](Side& side, Log& log) -> Routine {
        start(side.context(), note(log, "urgent"), 2);
        ++side.context().kept;
        log.emplace_back(lose_the_hart(side.context(), 1) ? "preempted" : "kept");
        --side.context().kept;
        log.emplace_back(lose_the_hart(side.context()) ? "preempted" : "kept");
        co_return;
    }(side_, log_);
    start(context_, routine, 20);
    EXPECT_EQ(side_.run(), COPS_RUN_IDLE);
    EXPECT_THAT(log_, ElementsAre("kept", "urgent", "preempted"));
}

TEST_F(ExecutorPreempt, id_of_the_running_task_is_gone_and_back_with_it) {
    cops_task_id self = 0;
    Routine routine = [](Side& side, const cops_task_id& id, Log& log) -> Routine {
        cops_executor_context& context = side.context();
        EXPECT_EQ(context.running_task, id);
        start(context, note(log, "urgent"), 2);
        int stack = 0;
        EXPECT_EQ(cops_executor_preempt(&context, &stack, 0), 1);
        EXPECT_EQ(context.running_task, 0u);
        EXPECT_EQ(cops_executor_run(&context, UINT32_MAX, 63), COPS_RUN_RESUME);
        EXPECT_EQ(context.running_task, id);
        co_return;
    }(side_, self, log_);
    self = start(context_, routine, 20);
    EXPECT_EQ(side_.run(), COPS_RUN_IDLE);
    EXPECT_EQ(context_.running_task, 0u);
}

TEST_F(ExecutorPreempt, nothing_runs_nothing_is_preempted) {
    start(context_, note(log_, "ready"), 2);
    EXPECT_EQ(cops_executor_preempt(&context_, nullptr, 1), 0);
    EXPECT_EQ(side_.run(), COPS_RUN_IDLE);
}

}  // namespace
