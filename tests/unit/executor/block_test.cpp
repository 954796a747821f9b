// SPDX-License-Identifier: Apache-2.0
// Running-suspended by a call that waits: the coroutine keeps its stack, others have the hart, and
// it goes on there, without becoming ready.
#include "stacks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace {

using ::testing::ElementsAre;
using Log = std::vector<std::string>;

constexpr int kNoSuchTask = -3;        // ESRCH
constexpr int kInvalidArgument = -22;  // EINVAL

class ExecutorBlock : public ::testing::Test {
public:
    /// Runs everything that is ready on a hart and returns why it stopped.
    int run(unsigned index = 0) {
        (index == 0 ? stacks_ : other_stacks_).run();
        return reason_;
    }

    int state(cops_task_id id) { return cops_executor_state(&context_, id); }
    Routine looks_at(cops_task_id id, int expected) {
        EXPECT_EQ(state(id), expected);
        co_return;
    }

    Side side_{{.contexts = 2}};
    cops_executor_context& context_ = side_.context();
    cops_executor_context& other_ = side_.context(1);
    Log log_;
    int reason_ = 0;

    Stacks::Next turn(unsigned index) {
        reason_ = cops_executor_run(&side_.context(index), UINT32_MAX, 63);
        return reason_ == COPS_RUN_RESUME ? Stacks::Next::resume : Stacks::Next::stop;
    }
    Stacks stacks_{context_, [this] { return turn(0); }};
    Stacks other_stacks_{other_, [this] { return turn(1); }};
};

using Ask = std::function<void(cops_executor_context*, void*)>;

Ask ask_suspend() {
    return [](cops_executor_context* ctx, void* frame) { cops_executor_suspend(ctx, frame); };
}
Ask ask_wait() {
    return [](cops_executor_context* ctx, void* frame) { cops_executor_wait(ctx, frame); };
}
Ask ask_yield() {
    return [](cops_executor_context* ctx, void* frame) { cops_executor_yield(ctx, frame); };
}

Routine note(Log& log, std::string word) {
    log.push_back(word);
    co_return;
}

Routine blocker(Stacks& stacks, Log& log, std::string name, Ask ask, int times = 1) {
    for (int i = 0; i < times; ++i) {
        block_on(stacks, ask);
        log.push_back(name);
    }
    co_return;
}

TEST_F(ExecutorBlock, others_run_while_it_waits_and_a_wake_ends_the_wait) {
    const cops_task_id id = start(context_, blocker(stacks_, log_, "on", ask_suspend()), 20);
    start(context_, note(log_, "equal"), 20);
    start(context_, note(log_, "less urgent"), 40);
    EXPECT_EQ(run(), COPS_RUN_IDLE);
    EXPECT_THAT(log_, ElementsAre("equal", "less urgent"));
    EXPECT_EQ(state(id), COPS_TASK_BLOCKED_SUSPENDED);
    EXPECT_EQ(cops_executor_current(&context_), 0u);
    EXPECT_EQ(side_.line().ready, 0u);
    EXPECT_EQ(cops_executor_wake(&context_, id), 0);
    EXPECT_EQ(state(id), COPS_TASK_UNBLOCKED);
    EXPECT_EQ(side_.line().ready, std::uint64_t{1} << 20);
    EXPECT_EQ(run(), COPS_RUN_IDLE);
    EXPECT_THAT(log_, ElementsAre("equal", "less urgent", "on"));
    EXPECT_EQ(state(id), kNoSuchTask);
    EXPECT_EQ(context_.counters.blocks, 1u);
}

TEST_F(ExecutorBlock, event_ends_a_wait_and_a_wake_does_not) {
    const cops_task_id id = start(context_, blocker(stacks_, log_, "event", ask_wait()), 20);
    run();
    EXPECT_EQ(state(id), COPS_TASK_BLOCKED);
    EXPECT_EQ(cops_executor_wake(&context_, id), 0);
    EXPECT_EQ(state(id), COPS_TASK_BLOCKED);
    run();
    EXPECT_THAT(log_, ElementsAre());
    EXPECT_EQ(cops_executor_signal(&context_, id, 7), 0);
    run();
    EXPECT_THAT(log_, ElementsAre("event"));
}

TEST_F(ExecutorBlock, wake_during_a_wait_is_kept_for_the_next_suspend) {
    Routine routine = [](Stacks& stacks, Log& log) -> Routine {
        block_on(stacks, ask_wait());
        log.emplace_back("event");
        block_on(stacks, ask_suspend());
        log.emplace_back("token");
        co_await Suspend();
        log.emplace_back("woken");
    }(stacks_, log_);
    const cops_task_id id = start(context_, routine, 20);
    run();
    cops_executor_wake(&context_, id);
    cops_executor_signal(&context_, id, 0);
    run();
    EXPECT_THAT(log_, ElementsAre("event", "token"));
    EXPECT_EQ(context_.counters.blocks, 1u);
    EXPECT_EQ(state(id), COPS_TASK_SUSPENDED);
    cops_executor_wake(&context_, id);
    run();
    EXPECT_THAT(log_, ElementsAre("event", "token", "woken"));
}

TEST_F(ExecutorBlock, it_goes_on_at_once_when_its_event_came_first) {
    Routine routine = [](Stacks& stacks, Log& log) -> Routine {
        cops_executor_signal(here(), cops_executor_current(here()), 7);
        block_on(stacks, ask_wait());
        EXPECT_EQ(cops_executor_state(here(), cops_executor_current(here())), COPS_TASK_RUNNING);
        log.emplace_back("result " + std::to_string(cops_executor_result(here())));
        cops_executor_wake(here(), cops_executor_current(here()));
        block_on(stacks, ask_suspend());
        log.emplace_back("woken");
        co_return;
    }(stacks_, log_);
    start(context_, routine, 20);
    start(context_, note(log_, "equal"), 20);
    run();
    EXPECT_THAT(log_, ElementsAre("result 7", "woken", "equal"));
    EXPECT_EQ(context_.counters.blocks, 0u);
    EXPECT_EQ(context_.counters.tokens, 2u);
}

TEST_F(ExecutorBlock, several_wait_and_go_on_in_the_order_of_their_wakes_and_levels) {
    std::vector<cops_task_id> ids;
    for (const char* name : {"a", "b", "c", "d"}) {
        ids.push_back(start(context_, blocker(stacks_, log_, name, ask_suspend()), 20));
    }
    run();
    cops_executor_wake(&context_, ids[0]);
    cops_executor_wake(&context_, ids[3]);
    cops_executor_wake(&context_, ids[1]);
    EXPECT_EQ(cops_executor_set_level(&context_, ids[1], 5), 0);
    run();
    EXPECT_THAT(log_, ElementsAre("b", "a", "d"));
    cops_executor_wake(&context_, ids[2]);
    run();
    EXPECT_THAT(log_, ElementsAre("b", "a", "d", "c"));
}

TEST_F(ExecutorBlock, it_waits_again_and_again_and_then_without_a_stack) {
    Routine routine = [](Stacks& stacks, Log& log) -> Routine {
        block_on(stacks, ask_suspend());
        block_on(stacks, ask_suspend());
        co_await Suspend();
        log.emplace_back("end");
    }(stacks_, log_);
    const cops_task_id id = start(context_, routine, 20);
    for (const int expected :
         {COPS_TASK_BLOCKED_SUSPENDED, COPS_TASK_BLOCKED_SUSPENDED, COPS_TASK_SUSPENDED}) {
        run();
        EXPECT_EQ(state(id), expected);
        cops_executor_wake(&context_, id);
    }
    run();
    EXPECT_THAT(log_, ElementsAre("end"));
}

TEST_F(ExecutorBlock, yield_lets_its_equals_run) {
    start(context_, blocker(stacks_, log_, "one", ask_yield(), 2), 20);
    start(context_, blocker(stacks_, log_, "other", ask_yield(), 2), 20);
    start(context_, note(log_, "late"), 21);
    run();
    EXPECT_THAT(log_, ElementsAre("one", "other", "one", "other", "late"));
}

TEST_F(ExecutorBlock, yield_to_hands_the_turn_on) {
    start(context_, note(log_, "equal"), 20);
    const cops_task_id chosen = start(context_, note(log_, "chosen"), 40);
    const Ask ask = [=](cops_executor_context* ctx, void* frame) {
        cops_executor_yield_to(ctx, frame, chosen);
    };
    start(context_, blocker(stacks_, log_, "on", ask), 10);
    run();
    EXPECT_THAT(log_, ElementsAre("chosen", "on", "equal"));
}

TEST_F(ExecutorBlock, join_waits_for_the_end_of_another) {
    Routine sleeper = [](Log& log) -> Routine {
        co_await Suspend();
        log.emplace_back("ended");
    }(log_);
    const cops_task_id id = start(context_, sleeper, 20);
    const Ask ask = [=](cops_executor_context* ctx, void* frame) {
        cops_executor_join(ctx, frame, id);
    };
    const cops_task_id first = start(context_, blocker(stacks_, log_, "joined", ask), 20);
    run();
    EXPECT_EQ(state(first), COPS_TASK_BLOCKED);
    cops_executor_wake(&context_, id);
    run();
    start(context_, blocker(stacks_, log_, "joined late", ask), 20);
    run();
    EXPECT_THAT(log_, ElementsAre("ended", "joined", "joined late"));
}

TEST_F(ExecutorBlock, request_travels_and_its_completion_goes_on_there) {
    Submit submit;
    const Ask ask = [&](cops_executor_context* ctx, void* frame) {
        cops_executor_submit(ctx, frame, &submit.submission);
    };
    Routine routine = [](Stacks& stacks, Log& log, Ask request) -> Routine {
        block_on(stacks, request);
        log.push_back(std::to_string(cops_executor_result(here())));
        co_return;
    }(stacks_, log_, ask);
    const cops_task_id id = start(context_, routine, 20);
    EXPECT_EQ(run(), COPS_RUN_SUBMIT);
    std::uint32_t generation = 0;
    EXPECT_EQ(cops_executor_move_request(&context_, id, 9, &generation), 0u);
    const auto batch = side_.take_batch();
    ASSERT_EQ(batch.size(), 1u);
    EXPECT_EQ(batch[0].level, 9u);
    EXPECT_EQ(cops_executor_move_request(&context_, id, 3, &generation), 1 + batch[0].slot);
    EXPECT_EQ(run(), COPS_RUN_IDLE);
    EXPECT_EQ(state(id), COPS_TASK_BLOCKED);
    side_.complete(batch[0], 42);
    EXPECT_EQ(run(), COPS_RUN_IDLE);
    EXPECT_THAT(log_, ElementsAre("42"));
}

/// A coroutine that the plain function runs, in place of the loop: its frame is the one to go on
/// with.
struct Inner {
    struct promise_type {
        Inner get_return_object() {
            return {std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { std::abort(); }
    };
    std::coroutine_handle<promise_type> handle;
};

Inner inner(Log& log) {
    log.emplace_back("inner begins");
    co_await Suspend();
    log.emplace_back("inner goes on");
    co_await Wait();
    log.emplace_back("inner ends");
}

TEST_F(ExecutorBlock, coroutine_that_a_plain_function_runs_goes_on_on_the_kept_stack) {
    Routine outer = [](Stacks& stacks, Log& log) -> Routine {
        const Inner running = inner(log);
        while (!running.handle.done()) {
            std::coroutine_handle<>::from_address(stacks.block()).resume();
        }
        running.handle.destroy();
        log.emplace_back("outer ends");
        co_return;
    }(stacks_, log_);
    const cops_task_id id = start(context_, outer, 20);
    run();
    log_.emplace_back("wake");
    cops_executor_wake(&context_, id);
    run();
    log_.emplace_back("signal");
    cops_executor_signal(&context_, id, 0);
    run();
    EXPECT_THAT(
        log_,
        ElementsAre("inner begins", "wake", "inner goes on", "signal", "inner ends", "outer ends")
    );
}

TEST_F(ExecutorBlock, nobody_steals_it) {
    const cops_task_id id = start(context_, blocker(stacks_, log_, "on", ask_suspend()), 20);
    run();
    // Woken by the other hart, it is queued where its stack is.
    EXPECT_EQ(cops_executor_wake(&other_, id), 0);
    EXPECT_EQ(side_.line(1).ready, 0u);
    EXPECT_EQ(side_.line(0).ready, std::uint64_t{1} << 20);
    EXPECT_EQ(run(1), COPS_RUN_IDLE);
    EXPECT_THAT(log_, ElementsAre());
    run();
    EXPECT_THAT(log_, ElementsAre("on"));
    EXPECT_EQ(other_.counters.steals, 0u);
}

TEST_F(ExecutorBlock, stack_is_where_it_ran_last) {
    Routine routine = [](Stacks& first, Stacks& second, Log& log) -> Routine {
        co_await Suspend();
        block_on(here()->index == 0 ? first : second, ask_suspend());
        log.emplace_back("on hart " + std::to_string(here()->index));
    }(stacks_, other_stacks_, log_);
    const cops_task_id id = start(context_, routine, 20);
    run();
    cops_executor_wake(&other_, id);
    run(1);
    cops_executor_wake(&context_, id);
    EXPECT_EQ(run(), COPS_RUN_IDLE);
    run(1);
    EXPECT_THAT(log_, ElementsAre("on hart 1"));
}

TEST_F(ExecutorBlock, hart_that_sleeps_is_kicked_and_no_other) {
    const cops_task_id id = start(context_, blocker(stacks_, log_, "on", ask_suspend()), 20);
    run();
    EXPECT_EQ(cops_executor_park_begin(&context_), 1);
    EXPECT_EQ(cops_executor_asleep(&context_), 0);
    EXPECT_EQ(cops_executor_wake(&other_, id), 0);
    EXPECT_EQ(cops_executor_take_kicks(&other_), 1u);
    cops_executor_park_end(&context_);
    run();
    EXPECT_THAT(log_, ElementsAre("on"));
}

TEST_F(ExecutorBlock, it_goes_on_on_a_context_that_is_closed) {
    const cops_task_id id = start(other_, blocker(other_stacks_, log_, "on", ask_suspend(), 2), 20);
    run(1);
    EXPECT_EQ(cops_executor_close(&context_, 1, 1), 0);
    EXPECT_EQ(cops_executor_park_begin(&other_), 1);
    for (const std::uint64_t kicked : {2u, 0u}) {
        EXPECT_EQ(cops_executor_wake(&context_, id), 0);
        EXPECT_EQ(cops_executor_take_kicks(&context_), kicked);
        cops_executor_park_end(&other_);
        EXPECT_EQ(run(), COPS_RUN_IDLE);
        EXPECT_EQ(run(1), COPS_RUN_IDLE);
    }
    EXPECT_THAT(log_, ElementsAre("on", "on"));
}

TEST_F(ExecutorBlock, everybody_asleep_is_noticed_with_stacks_kept_too) {
    const cops_task_id id = start(context_, blocker(stacks_, log_, "on", ask_suspend()), 20);
    run();
    EXPECT_EQ(run(1), COPS_RUN_IDLE);
    EXPECT_EQ(cops_executor_park_begin(&other_), 1);
    EXPECT_EQ(cops_executor_park_begin(&context_), 1);
    EXPECT_EQ(cops_executor_asleep(&context_), 1);
    cops_executor_park_end(&context_);
    cops_executor_wake(&context_, id);
    EXPECT_EQ(cops_executor_asleep(&context_), 0);
    run();
}

TEST_F(ExecutorBlock, more_urgent_one_preempts_whoever_has_the_hart_meanwhile) {
    const cops_task_id id = start(context_, blocker(stacks_, log_, "urgent", ask_suspend()), 5);
    run();
    Routine busy = [](cops_executor_context& context, Log& log, cops_task_id woken) -> Routine {
        EXPECT_EQ(cops_executor_should_preempt(&context, 0), 0);
        cops_executor_wake(&context, woken);
        log.emplace_back(
            cops_executor_should_preempt(&context, 0) != 0 ? "must give way" : "goes on"
        );
        co_return;
    }(context_, log_, id);
    start(context_, busy, 20);
    run();
    EXPECT_THAT(log_, ElementsAre("must give way", "urgent"));
}

TEST_F(ExecutorBlock, between_asking_and_waiting_it_keeps_the_hart) {
    const cops_task_id urgent = start(context_, blocker(stacks_, log_, "on", ask_suspend()), 5);
    run();
    const Ask ask = [=](cops_executor_context* ctx, void* frame) {
        cops_executor_wait(ctx, frame);
        cops_executor_signal(ctx, cops_executor_current(ctx), 0);  // another hart is fast
        cops_executor_wake(ctx, urgent);
        EXPECT_EQ(cops_executor_should_preempt(ctx, 1), 0);
    };
    start(context_, blocker(stacks_, log_, "came first", ask), 20);
    run();
    EXPECT_THAT(log_, ElementsAre("came first", "on"));
}

TEST_F(ExecutorBlock, every_state_is_told) {
    Routine routine = [](ExecutorBlock& test, cops_executor_context& context) -> Routine {
        const cops_task_id self = cops_executor_current(&context);
        EXPECT_EQ(test.state(self), COPS_TASK_RUNNING);
        start(context, test.looks_at(self, COPS_TASK_PREEMPTED), 5);
        int stack = 0;
        EXPECT_EQ(cops_executor_preempt(&context, &stack, 0), 1);
        EXPECT_EQ(cops_executor_run(&context, UINT32_MAX, 63), COPS_RUN_RESUME);
        EXPECT_EQ(test.state(self), COPS_TASK_RUNNING);
        co_await Suspend();
        co_await Wait();
    }(*this, context_);
    const cops_task_id id = start(context_, routine, 20);
    EXPECT_EQ(state(id), COPS_TASK_READY);
    run();
    EXPECT_EQ(state(id), COPS_TASK_SUSPENDED);
    cops_executor_wake(&context_, id);
    EXPECT_EQ(state(id), COPS_TASK_READY);
    run();
    EXPECT_EQ(state(id), COPS_TASK_WAITING);
    cops_executor_wake(&context_, id);  // a token is no state
    EXPECT_EQ(state(id), COPS_TASK_WAITING);
    cops_executor_signal(&context_, id, 0);
    run();
    EXPECT_EQ(state(id), kNoSuchTask);
    EXPECT_EQ(state(0), kNoSuchTask);
    EXPECT_EQ(state(id + 2), kNoSuchTask);
}

TEST_F(ExecutorBlock, who_has_asked_for_nothing_cannot_wait) {
    const Ask nothing = [](cops_executor_context* /*ctx*/, void* /*frame*/) {};
    start(context_, blocker(stacks_, log_, "refused", nothing), 20);
    run();
    EXPECT_THAT(log_, ElementsAre("refused"));
    int stack = 0;
    void* frame = nullptr;
    EXPECT_EQ(cops_executor_block(&context_, &stack, &frame), kInvalidArgument);
}

TEST_F(ExecutorBlock, stale_ids_are_told) {
    const cops_task_id id = start(context_, blocker(stacks_, log_, "first", ask_suspend()), 20);
    run();
    cops_executor_wake(&context_, id);
    run();
    const cops_task_id next = start(context_, blocker(stacks_, log_, "next", ask_suspend()), 20);
    ASSERT_EQ(static_cast<std::uint32_t>(next), static_cast<std::uint32_t>(id));  // its entry
    run();
    EXPECT_EQ(cops_executor_wake(&context_, id), kNoSuchTask);
    EXPECT_EQ(cops_executor_signal(&context_, id, 0), kNoSuchTask);
    EXPECT_EQ(state(id), kNoSuchTask);
    EXPECT_EQ(state(next), COPS_TASK_BLOCKED_SUSPENDED);
    cops_executor_wake(&context_, next);
    run();
    EXPECT_THAT(log_, ElementsAre("first", "next"));
}

}  // namespace
