// SPDX-License-Identifier: Apache-2.0
// Submissions, slots and completion lists; the test plays kernel and host.
#include "side.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

using ::testing::ElementsAre;
using Results = std::vector<std::int64_t>;

Routine asks(Results& results, std::int64_t offset = 0) {
    Submit submit;
    submit.submission.opcode = VIRTIO_COPS_OP_READ;
    submit.submission.offset = offset;
    results.push_back(co_await submit);
}

std::vector<std::int64_t> offsets(const std::vector<cops_submission>& batch) {
    std::vector<std::int64_t> found;
    for (const cops_submission& request : batch) {
        found.push_back(request.offset);
    }
    return found;
}

TEST(ExecutorSubmit, request_carries_level_slot_hart_and_task) {
    Side side;
    Results results;
    const cops_task_id id = start(side.context(), asks(results, 77), 13);
    EXPECT_EQ(side.run(), COPS_RUN_SUBMIT);
    const auto batch = side.take_batch();
    ASSERT_EQ(batch.size(), 1u);
    EXPECT_EQ(batch[0].level, 13u);
    EXPECT_EQ(batch[0].user_data, id);
    EXPECT_EQ(batch[0].hart, 0u);
    EXPECT_LT(batch[0].slot, side.group().num_slots);
    EXPECT_NE(batch[0].slot_generation, 0u);
    EXPECT_EQ(side.run(), COPS_RUN_IDLE);
    side.complete(batch[0], 4096);
    EXPECT_EQ(side.run(), COPS_RUN_IDLE);
    EXPECT_THAT(results, ElementsAre(4096));
}

TEST(ExecutorSubmit, request_moves_to_another_level_in_the_batch_or_is_named_for_the_kernel) {
    Side side;
    Results results;
    std::uint32_t generation = 0;
    const cops_task_id id = start(side.context(), asks(results), 40);
    EXPECT_EQ(cops_executor_move_request(&side.context(), id, 3, &generation), 0u) << "none yet";
    EXPECT_EQ(side.run(), COPS_RUN_SUBMIT);
    EXPECT_EQ(cops_executor_move_request(&side.context(), id, 3, &generation), 0u);
    const auto batch = side.take_batch();
    ASSERT_EQ(batch.size(), 1u);
    EXPECT_EQ(batch[0].level, 3u);
    EXPECT_EQ(cops_executor_move_request(&side.context(), id, 7, &generation), batch[0].slot + 1);
    EXPECT_EQ(generation, batch[0].slot_generation);
    side.complete(batch[0], 5);
    EXPECT_EQ(side.run(), COPS_RUN_IDLE);
    EXPECT_EQ(cops_executor_move_request(&side.context(), id, 7, &generation), 0u) << "ended";
}

TEST(ExecutorSubmit, submitting_is_work_of_the_requests_level) {
    Side side;
    Results results;
    start(side.context(), asks(results), 13);
    EXPECT_EQ(side.run(), COPS_RUN_SUBMIT);
    EXPECT_EQ(side.line().running_level, 13u);
    EXPECT_EQ(side.line().ready, 1ull << 13);
    const auto batch = side.take_batch();
    EXPECT_FALSE(side.complete(batch[0], 0)) << "the executor is about to look: no interrupt";
    EXPECT_EQ(side.run(), COPS_RUN_IDLE);
    EXPECT_EQ(side.line().running_level, unsigned{VIRTIO_COPS_LEVEL_NONE});
    EXPECT_EQ(side.line().ready, 0u);
}

TEST(ExecutorSubmit, slots_taken_are_counted_until_their_completion) {
    Side side;
    Results results;
    start(side.context(), asks(results), 5);
    start(side.context(), asks(results), 5);
    side.context().batch_hold = 8;
    side.run();
    const auto batch = side.take_batch();
    EXPECT_EQ(side.context().in_flight, 2u);
    side.complete(batch[0], 1);
    side.run();
    EXPECT_EQ(side.context().in_flight, 1u);
    side.complete(batch[1], 1);
    side.run();
    EXPECT_EQ(side.context().in_flight, 0u);
}

TEST(ExecutorSubmit, refused_request_completes_with_the_error_and_the_rest_is_kept) {
    Side side;
    Results results;
    for (int i = 0; i < 3; ++i) {
        start(side.context(), asks(results, i), 5);
    }
    side.context().batch_hold = 8;
    EXPECT_EQ(side.run(), COPS_RUN_SUBMIT);
    ASSERT_EQ(side.context().batch_count, 3u);
    const cops_submission first = side.context().batch[0];
    cops_executor_submitted(&side.context(), 1, -EBADF);  // The second is refused.
    ASSERT_EQ(side.context().batch_count, 1u);
    const auto rest = side.take_batch();
    EXPECT_THAT(offsets(rest), ElementsAre(2));
    side.complete(first, 10);
    side.complete(rest[0], 30);
    side.run();
    EXPECT_THAT(results, ElementsAre(-EBADF, 10, 30));
}

TEST(ExecutorSubmit, without_a_slot_the_most_urgent_waits_least) {
    Side side({.contexts = 1, .slots = 1, .segments = 1});
    Results results;
    start(side.context(), asks(results, 1), 30);
    EXPECT_EQ(side.run(), COPS_RUN_SUBMIT);
    auto batch = side.take_batch();
    start(side.context(), asks(results, 2), 31);
    start(side.context(), asks(results, 3), 31);
    EXPECT_EQ(side.run(), COPS_RUN_IDLE);
    start(side.context(), asks(results, 4), 7);
    EXPECT_EQ(side.run(), COPS_RUN_IDLE) << "no slot: nothing to submit";
    std::vector<std::int64_t> order;
    for (int i = 0; i < 4; ++i) {
        order.push_back(batch.at(0).offset);
        side.complete(batch[0], batch[0].offset);
        side.run();
        batch = side.take_batch();
    }
    EXPECT_THAT(order, ElementsAre(1, 4, 2, 3));
    side.run();
    EXPECT_THAT(results, ElementsAre(4, 1, 2, 3)) << "4 was submitted before 1 went on";
    EXPECT_EQ(side.context().counters.slot_waits, 3u);
}

Routine busy(std::vector<std::string>& log, std::string word) {
    log.push_back(word);
    co_return;
}

TEST(ExecutorSubmit, request_goes_out_before_equal_and_less_urgent_work_and_after_more_urgent) {
    Side side;
    Results results;
    std::vector<std::string> log;
    start(side.context(), asks(results), 10);
    start(side.context(), busy(log, "equal"), 10);
    EXPECT_EQ(side.run(), COPS_RUN_SUBMIT);
    EXPECT_TRUE(log.empty());
    start(side.context(), busy(log, "urgent"), 9);
    EXPECT_EQ(side.run(), COPS_RUN_SUBMIT);
    EXPECT_THAT(log, ElementsAre("urgent"));
    const auto batch = side.take_batch();
    EXPECT_EQ(side.run(), COPS_RUN_IDLE);
    side.complete(batch[0], 0);
    side.run();
}

TEST(ExecutorSubmit, batching_on_request_and_never_above_its_size) {
    Side side({.contexts = 1, .slots = 64, .segments = 1});
    Results results;
    side.context().batch_hold = 1000;
    for (int i = 0; i < 40; ++i) {
        start(side.context(), asks(results, i), 10);
    }
    EXPECT_EQ(side.run(), COPS_RUN_SUBMIT);
    const auto full = side.take_batch();
    EXPECT_EQ(full.size(), std::size_t{COPS_EXECUTOR_BATCH});
    EXPECT_EQ(side.run(), COPS_RUN_SUBMIT);
    const auto rest = side.take_batch();
    EXPECT_EQ(rest.size(), 8u);
    for (const auto* batch : {&full, &rest}) {
        for (const cops_submission& request : *batch) {
            side.complete(request, 0);
        }
    }
    side.run();
    EXPECT_EQ(results.size(), 40u);
}

class Completions : public ::testing::Test {
protected:
    /// `count` requests at `level` in flight.
    std::vector<cops_submission> in_flight(int count, unsigned level) {
        for (int i = 0; i < count; ++i) {
            start(side_.context(), asks(results_), level);
        }
        side_.context().batch_hold = 100;
        side_.run();
        return side_.take_batch();
    }

    Side side_;
    Results results_;
};

TEST_F(Completions, of_one_level_wake_in_the_order_they_came) {
    const auto batch = in_flight(3, 5);
    side_.complete(batch[2], 2);
    side_.complete(batch[0], 0);
    side_.complete(batch[1], 1);
    side_.run();
    EXPECT_THAT(results_, ElementsAre(2, 0, 1));
}

TEST_F(Completions, are_counted_by_path) {
    const auto batch = in_flight(3, 5);
    side_.complete(batch[0], 0, VIRTIO_COPS_PATH_KERNEL);
    side_.complete(batch[1], 0);
    side_.run();
    EXPECT_TRUE(side_.complete(batch[2], 0)) << "idle: the host must interrupt";
    cops_executor_interrupt(&side_.context());
    side_.run();
    const cops_executor_counters& counters = side_.context().counters;
    EXPECT_EQ(counters.kernel_completions, 1u);
    EXPECT_EQ(counters.ring_completions, 1u);
    EXPECT_EQ(counters.interrupt_completions, 1u);
    EXPECT_EQ(counters.interrupts, 1u);
    EXPECT_EQ(results_.size(), 3u);
}

TEST_F(Completions, listed_twice_or_with_another_generation_count_once) {
    auto batch = in_flight(2, 5);
    side_.complete(batch[0], 11);
    side_.run();
    side_.complete(batch[0], 12);  // Again, after it was consumed.
    cops_submission stale = batch[1];
    stale.slot_generation += 1;
    side_.complete(stale, 13);
    side_.run();
    EXPECT_THAT(results_, ElementsAre(11));
    EXPECT_EQ(side_.context().counters.stale_completions, 2u);
    side_.complete(batch[1], 14);
    side_.run();
    EXPECT_THAT(results_, ElementsAre(11, 14));
}

TEST_F(Completions, in_a_list_that_loops_or_leaves_the_table_do_no_harm) {
    const auto batch = in_flight(2, 5);
    side_.complete(batch[0], 1);
    side_.complete(batch[1], 2);
    side_.slot(batch[0].slot).next = batch[1].slot + 1;  // A loop of the two.
    side_.run();
    EXPECT_THAT(results_, ::testing::UnorderedElementsAre(1, 2));

    const auto more = in_flight(1, 5);
    side_.complete(more[0], 3);
    side_.slot(more[0].slot).next = 0xfffffff0;
    side_.run();
    EXPECT_EQ(results_.back(), 3);
}

TEST_F(Completions, bit_without_a_list_is_harmless) {
    side_.line().wake_pending = ~0ull;
    EXPECT_EQ(side_.run(), COPS_RUN_IDLE);
    EXPECT_EQ(side_.line().wake_pending, 0u);
}

TEST_F(Completions, interrupt_that_finds_the_mask_is_made_up_for_on_leaving) {
    const auto batch = in_flight(1, 5);
    cops_executor_enter(&side_.context());
    EXPECT_NE(side_.line().flags & VIRTIO_COPS_LINE_F_MASKED, 0u);
    side_.complete(batch[0], 9);
    cops_executor_interrupt(&side_.context());
    EXPECT_EQ(side_.context().counters.masked_interrupts, 1u);
    EXPECT_NE(side_.line().wake_pending, 0u);
    cops_executor_leave(&side_.context());
    EXPECT_EQ(side_.line().wake_pending, 0u);
    EXPECT_EQ(side_.line().ready, 1ull << 5);
    side_.run();
    EXPECT_THAT(results_, ElementsAre(9));
}

Routine spins_until_ready(Side& side, cops_submission request, bool& interrupted) {
    // A long coroutine of level 20: the host sees it run and must interrupt for level 5.
    interrupted = side.complete(request, 1);
    cops_executor_interrupt(here());
    EXPECT_EQ(side.line().ready, (1ull << 20) | (1ull << 5));
    co_return;
}

TEST_F(Completions, reach_a_running_executor_by_interrupt_when_more_urgent) {
    const auto batch = in_flight(1, 5);
    bool interrupted = false;
    start(side_.context(), spins_until_ready(side_, batch[0], interrupted), 20);
    side_.run();
    EXPECT_TRUE(interrupted);
    EXPECT_EQ(side_.context().counters.interrupt_completions, 1u);
}

Routine completes_quietly(Side& side, cops_submission request, bool& interrupted) {
    interrupted = side.complete(request, 1);
    co_return;
}

TEST_F(Completions, reach_a_running_executor_by_polling_when_not_more_urgent) {
    const auto batch = in_flight(1, 20);
    bool interrupted = true;
    start(side_.context(), completes_quietly(side_, batch[0], interrupted), 20);
    side_.run();
    EXPECT_FALSE(interrupted);
    EXPECT_EQ(side_.context().counters.ring_completions, 1u);
    EXPECT_THAT(results_, ElementsAre(1));
}

}  // namespace
