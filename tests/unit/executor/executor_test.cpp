// SPDX-License-Identifier: Apache-2.0
// Order, wakes, levels, joins: one hart, nothing shared with host or kernel but the line.
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

Routine sleeper(Log& log, std::string word, unsigned times) {
    for (unsigned i = 0; i < times; ++i) {
        co_await Suspend();
        log.push_back(word);
    }
}

TEST(ExecutorAbi, version_of_the_code_is_that_of_the_header) {
    EXPECT_EQ(cops_executor_abi(), unsigned{COPS_EXECUTOR_ABI});
}

TEST(ExecutorAbi, group_of_another_version_is_refused) {
    cops_executor_group group{};
    group.abi = COPS_EXECUTOR_ABI + 1;
    EXPECT_EQ(cops_executor_init_group(&group), -EINVAL);
}

TEST(ExecutorSpawn, most_urgent_level_runs_first_and_each_level_in_order) {
    Side side;
    Log log;
    start(side.context(), note(log, "20a"), 20);
    start(side.context(), note(log, "2a"), 2);
    start(side.context(), note(log, "63"), 63);
    start(side.context(), note(log, "20b"), 20);
    start(side.context(), note(log, "0"), 0);
    start(side.context(), note(log, "2b"), 2);
    EXPECT_EQ(side.run(), COPS_RUN_IDLE);
    EXPECT_THAT(log, ElementsAre("0", "2a", "2b", "20a", "20b", "63"));
}

TEST(ExecutorSpawn, level_out_of_range_is_refused) {
    Side side;
    Log log;
    Routine routine = note(log, "never");
    EXPECT_EQ(start(side.context(), routine, 64), 0u);
    routine.handle.destroy();
}

TEST(ExecutorSpawn, full_table_gives_no_id_until_a_segment_is_added) {
    Side side;
    Log log;
    for (unsigned i = 0; i < COPS_EXECUTOR_SEGMENT_TASKS; ++i) {
        ASSERT_NE(start(side.context(), note(log, "x"), 5), 0u);
    }
    Routine one_more = note(log, "last");
    EXPECT_EQ(start(side.context(), one_more, 5), 0u);
    EXPECT_EQ(side.add_segment(), 0);
    EXPECT_NE(start(side.context(), one_more, 5), 0u);
    side.run();
    EXPECT_EQ(log.size(), COPS_EXECUTOR_SEGMENT_TASKS + 1u);
}

TEST(ExecutorSpawn, ids_are_not_reused_with_their_table_entry) {
    Side side;
    Log log;
    const cops_task_id first = start(side.context(), note(log, "a"), 5);
    side.run();
    const cops_task_id second = start(side.context(), note(log, "b"), 5);
    EXPECT_EQ(static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(second));
    EXPECT_NE(first, second);
    EXPECT_EQ(cops_executor_wake(&side.context(), first), -ESRCH);
    EXPECT_EQ(cops_executor_alive(&side.context(), first), 0);
    EXPECT_EQ(cops_executor_alive(&side.context(), second), 1);
    side.run();
}

TEST(ExecutorWake, suspended_task_runs_again) {
    Side side;
    Log log;
    const cops_task_id id = start(side.context(), sleeper(log, "woken", 1), 5);
    side.run();
    EXPECT_TRUE(log.empty());
    EXPECT_EQ(cops_executor_wake(&side.context(), id), 0);
    side.run();
    EXPECT_THAT(log, ElementsAre("woken"));
}

TEST(ExecutorWake, wake_before_suspend_leaves_one_token_however_many_come) {
    Side side;
    Log log;
    const cops_task_id id = start(side.context(), sleeper(log, "woken", 2), 5);
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(cops_executor_wake(&side.context(), id), 0);
    }
    side.run();
    EXPECT_THAT(log, ElementsAre("woken"));
    cops_executor_wake(&side.context(), id);
    side.run();
    EXPECT_THAT(log, ElementsAre("woken", "woken"));
    EXPECT_EQ(cops_executor_wake(&side.context(), id), -ESRCH);
}

TEST(ExecutorWake, id_that_never_was_is_refused) {
    Side side;
    EXPECT_EQ(cops_executor_wake(&side.context(), 0), -ESRCH);
    EXPECT_EQ(cops_executor_wake(&side.context(), 0x100000001), -ESRCH);
    EXPECT_EQ(cops_executor_wake(&side.context(), 0x1ffffffff), -ESRCH);
}

Routine waiter(Log& log) {
    co_await Wait();
    log.push_back("event " + std::to_string(cops_executor_result(here())));
    co_await Suspend();
    log.push_back("wake");
}

TEST(ExecutorWake, wake_does_not_end_a_wait_and_is_kept_for_the_next_suspend) {
    Side side;
    Log log;
    const cops_task_id id = start(side.context(), waiter(log), 5);
    side.run();
    cops_executor_wake(&side.context(), id);
    side.run();
    EXPECT_TRUE(log.empty());
    cops_executor_signal(&side.context(), id, 42);
    side.run();
    EXPECT_THAT(log, ElementsAre("event 42", "wake"));
}

TEST(ExecutorWake, signal_before_wait_is_kept) {
    Side side;
    Log log;
    const cops_task_id id = start(side.context(), waiter(log), 5);
    cops_executor_signal(&side.context(), id, -7);
    side.run();
    EXPECT_THAT(log, ElementsAre("event -7"));
    cops_executor_wake(&side.context(), id);
    side.run();
}

Routine yielder(Log& log, std::string word) {
    log.push_back(word + "1");
    co_await Yield();
    log.push_back(word + "2");
}

TEST(ExecutorYield, goes_to_the_tail_of_its_own_level) {
    Side side;
    Log log;
    start(side.context(), yielder(log, "a"), 7);
    start(side.context(), yielder(log, "b"), 7);
    start(side.context(), note(log, "later"), 8);
    side.run();
    EXPECT_THAT(log, ElementsAre("a1", "b1", "a2", "b2", "later"));
}

TEST(ExecutorLevel, ready_task_moves_with_its_bit_at_once) {
    Side side;
    Log log;
    start(side.context(), note(log, "first"), 10);
    const cops_task_id id = start(side.context(), note(log, "moved"), 30);
    EXPECT_EQ(side.line().ready, (1ull << 10) | (1ull << 30));
    EXPECT_EQ(cops_executor_set_level(&side.context(), id, 3), 0);
    EXPECT_EQ(side.line().ready, (1ull << 10) | (1ull << 3));
    EXPECT_EQ(cops_executor_level(&side.context(), id), 3);
    side.run();
    EXPECT_THAT(log, ElementsAre("moved", "first"));
}

TEST(ExecutorLevel, suspended_task_moves_at_its_wake) {
    Side side;
    Log log;
    const cops_task_id id = start(side.context(), sleeper(log, "moved", 1), 30);
    side.run();
    EXPECT_EQ(cops_executor_set_level(&side.context(), id, 1), 0);
    EXPECT_EQ(side.line().ready, 0u);
    cops_executor_wake(&side.context(), id);
    EXPECT_EQ(side.line().ready, 1ull << 1);
    side.run();
    EXPECT_EQ(cops_executor_set_level(&side.context(), id, 2), -ESRCH);
    EXPECT_EQ(cops_executor_set_level(&side.context(), id, 64), -EINVAL);
}

Routine changes_own_level(Side& side, Log& log) {
    const cops_task_id self = cops_executor_current(here());
    log.push_back(std::to_string(side.line().running_level));
    cops_executor_set_level(here(), self, 40);
    log.push_back(std::to_string(side.line().running_level));
    EXPECT_EQ(side.line().ready, 1ull << 40);
    co_await Yield();
    log.push_back(std::to_string(side.line().running_level));
}

TEST(ExecutorLevel, running_task_takes_its_line_along) {
    Side side;
    Log log;
    start(side.context(), changes_own_level(side, log), 4);
    side.run();
    EXPECT_THAT(log, ElementsAre("4", "40", "40"));
    EXPECT_EQ(side.line().running_level, unsigned{VIRTIO_COPS_LEVEL_NONE});
    EXPECT_EQ(side.line().ready, 0u);
}

Routine checks_line(Side& side) {
    EXPECT_EQ(side.line().running_level, 9u);
    EXPECT_EQ(side.line().ready, (1ull << 9) | (1ull << 12));
    EXPECT_EQ(side.line().flags & VIRTIO_COPS_LINE_F_MASKED, 0u);
    co_return;
}

TEST(ExecutorLine, shows_ready_and_running_work) {
    Side side;
    Log log;
    start(side.context(), checks_line(side), 9);
    start(side.context(), note(log, "x"), 12);
    EXPECT_EQ(side.run(0, 1), COPS_RUN_BUDGET);
    EXPECT_EQ(side.line().ready, 1ull << 12);
    EXPECT_EQ(side.line().running_level, unsigned{VIRTIO_COPS_LEVEL_NONE});
    EXPECT_EQ(side.run(), COPS_RUN_IDLE);
    EXPECT_EQ(side.line().ready, 0u);
}

Routine joiner(Log& log, cops_task_id id, std::string word) {
    co_await Join{id};
    log.push_back(word);
}

TEST(ExecutorJoin, every_joiner_wakes_when_the_task_ends) {
    Side side;
    Log log;
    const cops_task_id id = start(side.context(), sleeper(log, "ends", 1), 5);
    start(side.context(), joiner(log, id, "one"), 5);
    start(side.context(), joiner(log, id, "two"), 4);
    side.run();
    EXPECT_TRUE(log.empty());
    cops_executor_wake(&side.context(), id);
    side.run();
    EXPECT_THAT(log, ::testing::UnorderedElementsAre("ends", "two", "one"));
    EXPECT_EQ(log[0], "ends");
}

Routine joins_itself(Log& log) {
    log.push_back(std::to_string(co_await Join{cops_executor_current(here())}));
}

TEST(ExecutorJoin, ended_unknown_and_own_task_do_not_block) {
    Side side;
    Log log;
    const cops_task_id id = start(side.context(), note(log, "ended"), 5);
    side.run();
    start(side.context(), joiner(log, id, "after"), 5);
    start(side.context(), joiner(log, 0xfffff, "never was"), 5);
    start(side.context(), joins_itself(log), 6);
    side.run();
    EXPECT_THAT(log, ElementsAre("ended", "after", "never was", "-3"));
}

TEST(ExecutorRun, limit_keeps_less_urgent_work_back) {
    Side side;
    Log log;
    start(side.context(), note(log, "5"), 5);
    start(side.context(), note(log, "6"), 6);
    EXPECT_EQ(side.run(0, UINT32_MAX, 5), COPS_RUN_LIMIT);
    EXPECT_THAT(log, ElementsAre("5"));
    EXPECT_EQ(cops_executor_best(&side.context()), 6u);
    EXPECT_EQ(side.run(), COPS_RUN_IDLE);
}

Routine stops() {
    cops_executor_stop(here(), 1);
    co_return;
}

TEST(ExecutorRun, stop_takes_effect_at_the_next_switch) {
    Side side;
    Log log;
    start(side.context(), stops(), 5);
    start(side.context(), note(log, "x"), 6);
    EXPECT_EQ(side.run(), COPS_RUN_STOPPED);
    EXPECT_TRUE(log.empty());
    cops_executor_stop(&side.context(), 0);
    EXPECT_EQ(side.run(), COPS_RUN_IDLE);
}

TEST(ExecutorYieldOut, more_urgent_work_at_the_host_is_reported_once_a_task) {
    Side side;
    Log log;
    start(side.context(), note(log, "a"), 20);
    start(side.context(), note(log, "b"), 20);
    side.host_line().yield_level = 19;
    EXPECT_EQ(side.run(), COPS_RUN_YIELD_HOST);
    EXPECT_TRUE(log.empty());
    EXPECT_EQ(side.run(), COPS_RUN_YIELD_HOST);
    EXPECT_THAT(log, ElementsAre("a"));
    side.host_line().yield_level = 20;
    EXPECT_EQ(side.run(), COPS_RUN_IDLE);
    EXPECT_THAT(log, ElementsAre("a", "b"));
}

TEST(ExecutorYieldOut, more_urgent_work_in_the_kernel_is_reported_and_equal_work_is_not) {
    Side side;
    Log log;
    start(side.context(), note(log, "a"), 20);
    start(side.context(), note(log, "b"), 20);
    side.kernel_line().others = (1ull << 20) | (1ull << 33);
    EXPECT_EQ(side.run(0, 1), COPS_RUN_BUDGET);
    side.kernel_line().others = 1ull << 3;
    EXPECT_EQ(side.run(), COPS_RUN_YIELD_KERNEL);
    EXPECT_THAT(log, ElementsAre("a"));
    EXPECT_EQ(side.run(), COPS_RUN_IDLE);
}

Routine asks(Side& side, std::vector<int>& answers, Log& log) {
    answers.push_back(cops_executor_should_yield(here()));
    side.line().wake_pending = 1ull << 21;  // Less urgent: no reason.
    answers.push_back(cops_executor_should_yield(here()));
    side.line().wake_pending = 1ull << 19;
    answers.push_back(cops_executor_should_yield(here()));
    side.line().wake_pending = 0;
    side.host_line().yield_level = 5;
    answers.push_back(cops_executor_should_yield(here()));
    side.host_line().yield_level = VIRTIO_COPS_LEVEL_NONE;
    side.kernel_line().others = 1;
    answers.push_back(cops_executor_should_yield(here()));
    side.kernel_line().others = 0;
    start(*here(), note(log, ""), 21);
    answers.push_back(cops_executor_should_yield(here()));
    const cops_task_id id = start(*here(), note(log, ""), 20);
    answers.push_back(cops_executor_should_yield(here()));
    cops_executor_set_level(here(), id, 10);
    answers.push_back(cops_executor_should_yield(here()));
    co_await Yield();
    co_await Yield();
}

TEST(ExecutorYieldOut, should_yield_looks_at_queue_completions_kernel_and_host) {
    Side side;
    std::vector<int> answers;
    Log log;
    start(side.context(), asks(side, answers, log), 20);
    side.run(0, 1);
    EXPECT_THAT(answers, ElementsAre(0, 0, 1, 1, 1, 0, 0, 1));
    EXPECT_EQ(side.run(), COPS_RUN_IDLE);
}

TEST(ExecutorDoorbell, claim_rings_only_when_it_becomes_more_urgent_than_the_ring_level) {
    Side side;
    Log log;
    side.host_line().ring_level = 10;
    std::uint32_t& bell = side.doorbell(VIRTIO_COPS_DOORBELL_CLAIM);
    start(side.context(), note(log, ""), 10);
    EXPECT_EQ(bell, 0u) << "10 is not more urgent than 10";
    start(side.context(), note(log, ""), 9);
    EXPECT_EQ(bell, 1u);
    bell = 0;
    start(side.context(), note(log, ""), 8);
    EXPECT_EQ(bell, 0u) << "it has been below the ring level since the last ring";
    side.host_line().ring_level = 8;
    start(side.context(), note(log, ""), 7);
    EXPECT_EQ(bell, 1u) << "the host has sampled and set a new ring level";
    EXPECT_EQ(side.context().counters.claims_rung, 2u);
    side.run();
}

TEST(ExecutorDoorbell, ring_level_zero_never_rings) {
    Side side;
    Log log;
    start(side.context(), note(log, ""), 0);
    EXPECT_EQ(side.doorbell(VIRTIO_COPS_DOORBELL_CLAIM), 0u);
    side.run();
}

TEST(ExecutorDoorbell, level_change_of_a_ready_task_rings_too) {
    Side side;
    Log log;
    side.host_line().ring_level = 10;
    const cops_task_id id = start(side.context(), note(log, ""), 30);
    cops_executor_set_level(&side.context(), id, 2);
    EXPECT_EQ(side.doorbell(VIRTIO_COPS_DOORBELL_CLAIM), 1u);
    side.run();
}

}  // namespace
