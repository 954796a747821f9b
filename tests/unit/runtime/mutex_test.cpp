// SPDX-License-Identifier: Apache-2.0
// Mutexes: who gets one next, and the levels that holders inherit.
#include "host_runtime.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>

using namespace std::chrono_literals;
using ::testing::ElementsAre;

namespace {

using Log = std::vector<std::string>;

class MutexTest : public ::testing::Test {
protected:
    [[nodiscard]] static unsigned level(cops::TaskId id) { return cops::priority(id).value(); }

    HostRuntime runtime_;
    Log log_;
};

// Holds the mutexes, in that order, until it is woken once for each.
cops::Task<> holds(std::vector<cops::Mutex*> mutexes) {
    std::vector<cops::Mutex::Guard> guards;
    for (cops::Mutex* mutex : mutexes) {
        guards.push_back(co_await mutex->lock());
    }
    while (!guards.empty()) {
        co_await cops::suspend();
        guards.pop_back();
    }
}

cops::Task<> passes(cops::Mutex& mutex, Log& log, std::string name) {
    const cops::Mutex::Guard guard = co_await mutex.lock();
    log.push_back(name);
}

cops::Task<> passes_within(cops::Mutex& mutex, Log& log, std::string name, cops::Limit limit) {
    const cops::Result<cops::Mutex::Guard> guard = co_await mutex.lock(limit);
    log.push_back(
        name + (guard ? "" : std::string(" ") + ::strerrorname_np(guard.error().number()))
    );
}

TEST_F(MutexTest, uncontended_lock_is_one_word_and_no_switch) {
    cops::Mutex mutex;
    cops::spawn(passes(mutex, log_, "a"), 5);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("a"));
    EXPECT_EQ(runtime_.side().context().counters.switches, 1u);
}

TEST_F(MutexTest, try_lock_tells_whether_it_was_free) {
    cops::Mutex mutex;
    const cops::TaskId holder = cops::spawn(holds({&mutex}), 5);
    runtime_.run();
    EXPECT_FALSE(mutex.try_lock());
    cops::wake(holder);
    runtime_.run();
    cops::spawn(
        [](cops::Mutex& free, Log& log) -> cops::Task<> {
            log.push_back(free.try_lock() ? "locked" : "refused");
            free.unlock();
            co_return;
        }(mutex, log_),
        5
    );
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("locked"));
}

TEST_F(MutexTest, goes_to_the_most_urgent_waiter_and_in_order_within_a_level) {
    cops::Mutex mutex;
    const cops::TaskId holder = cops::spawn(holds({&mutex}), 5);
    runtime_.run();
    for (const auto& [name, at] : {std::pair{"20a", 20u}, {"7", 7u}, {"20b", 20u}, {"30", 30u}}) {
        cops::spawn(passes(mutex, log_, name), at);
        runtime_.run();
    }
    EXPECT_TRUE(log_.empty());
    cops::wake(holder);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("7", "20a", "20b", "30"));
}

TEST_F(MutexTest, unlocking_hands_over_so_that_nobody_can_get_in_between) {
    cops::Mutex mutex;
    const cops::TaskId holder = cops::spawn(holds({&mutex}), 50);
    runtime_.run();
    cops::spawn(passes(mutex, log_, "waited"), 50);
    runtime_.run();
    cops::wake(holder);
    runtime_.step();  // Unlocks; the heir has not run yet.
    cops::spawn(passes(mutex, log_, "late and urgent"), 1);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("waited", "late and urgent"));
}

TEST_F(MutexTest, holder_inherits_the_level_of_its_most_urgent_waiter_until_it_unlocks) {
    cops::Mutex mutex;
    const cops::TaskId holder = cops::spawn(holds({&mutex}), 40);
    runtime_.run();
    cops::spawn(passes(mutex, log_, "20"), 20);
    runtime_.run();
    EXPECT_EQ(level(holder), 20u);
    cops::spawn(passes(mutex, log_, "3"), 3);
    runtime_.run();
    EXPECT_EQ(level(holder), 3u);
    cops::spawn(passes(mutex, log_, "30"), 30);
    runtime_.run();
    EXPECT_EQ(level(holder), 3u) << "a less urgent one changes nothing";

    unsigned level_after = 0;
    cops::spawn(
        [](cops::TaskId id, unsigned& out) -> cops::Task<> {
            co_await cops::yield();
            out = cops::priority(id).value_or(99);
        }(holder, level_after),
        2
    );
    cops::wake(holder);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("3", "20", "30"));
}

TEST_F(MutexTest, level_falls_back_at_unlock) {
    cops::Mutex first;
    cops::Mutex second;
    const cops::TaskId holder = cops::spawn(holds({&first, &second}), 40);
    runtime_.run();
    cops::spawn(passes(first, log_, "first"), 20);
    cops::spawn(passes(second, log_, "second"), 10);
    runtime_.run();
    EXPECT_EQ(level(holder), 10u);
    cops::wake(holder);  // Unlocks `second`.
    runtime_.run();
    EXPECT_EQ(level(holder), 20u) << "of the one it still holds";
    EXPECT_THAT(log_, ElementsAre("second"));
    cops::wake(holder);
    runtime_.step();
    EXPECT_THAT(log_, ElementsAre("second"));
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("second", "first"));
}

// Locks one mutex, then waits for another.
cops::Task<> link(cops::Mutex& own, cops::Mutex& wanted, Log& log, std::string name) {
    const cops::Mutex::Guard held = co_await own.lock();
    const cops::Mutex::Guard guard = co_await wanted.lock();
    log.push_back(name);
}

TEST_F(MutexTest, level_travels_along_a_chain_of_holders_and_back) {
    constexpr unsigned kLength = 5;
    std::array<cops::Mutex, kLength + 1> mutexes;
    std::vector<cops::TaskId> chain;
    chain.push_back(cops::spawn(holds({&mutexes[0]}), 60));
    runtime_.run();
    for (unsigned i = 1; i <= kLength; ++i) {
        chain.push_back(
            cops::spawn(link(mutexes[i], mutexes[i - 1], log_, std::to_string(i)), 60 - i)
        );
        runtime_.run();
    }
    cops::CancelSource source;
    cops::spawn(passes_within(mutexes[kLength], log_, "urgent", source.token()), 1);
    runtime_.run();
    for (const cops::TaskId id : chain) {
        EXPECT_EQ(level(id), 1u);
    }
    source.cancel();
    for (unsigned i = 0; i <= kLength; ++i) {
        // The one behind it waits still, and is more urgent than its own level.
        EXPECT_EQ(level(chain[i]), 60 - kLength) << i;
    }
    cops::wake(chain[0]);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("urgent ECANCELED", "1", "2", "3", "4", "5"));
    EXPECT_EQ(runtime_.alive(), 0u);
}

TEST_F(MutexTest, changed_priority_of_a_waiter_moves_it_and_the_holder) {
    cops::Mutex mutex;
    const cops::TaskId holder = cops::spawn(holds({&mutex}), 40);
    runtime_.run();
    const cops::TaskId a = cops::spawn(passes(mutex, log_, "a"), 20);
    const cops::TaskId b = cops::spawn(passes(mutex, log_, "b"), 30);
    runtime_.run();
    EXPECT_TRUE(cops::set_priority(b, 5));
    EXPECT_EQ(level(holder), 5u);
    EXPECT_TRUE(cops::set_priority(a, 35));
    EXPECT_EQ(level(holder), 5u);
    EXPECT_TRUE(cops::set_priority(b, 38));
    EXPECT_EQ(level(holder), 35u);
    EXPECT_TRUE(cops::set_priority(a, 39));
    EXPECT_EQ(level(holder), 38u);
    cops::wake(holder);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("b", "a"));
}

TEST_F(MutexTest, changed_priority_of_a_holder_counts_when_nobody_lends_it_more) {
    cops::Mutex mutex;
    const cops::TaskId holder = cops::spawn(holds({&mutex}), 40);
    runtime_.run();
    cops::spawn(passes(mutex, log_, "a"), 20);
    runtime_.run();
    EXPECT_TRUE(cops::set_priority(holder, 50));
    EXPECT_EQ(level(holder), 20u) << "inherited";
    EXPECT_TRUE(cops::set_priority(holder, 10));
    EXPECT_EQ(level(holder), 10u);
    EXPECT_TRUE(cops::set_priority(holder, 45));
    EXPECT_EQ(level(holder), 20u);
    cops::wake(holder);
    runtime_.run();
    EXPECT_EQ(runtime_.alive(), 0u);
}

TEST_F(MutexTest, own_level_is_restored_for_the_rest_of_its_life) {
    cops::Mutex mutex;
    const cops::TaskId holder = cops::spawn(
        [](cops::Mutex& held) -> cops::Task<> {
            {
                const cops::Mutex::Guard guard = co_await held.lock();
                co_await cops::suspend();
            }
            co_await cops::suspend();
        }(mutex),
        40
    );
    runtime_.run();
    cops::spawn(passes(mutex, log_, "a"), 4);
    runtime_.run();
    EXPECT_EQ(level(holder), 4u);
    cops::wake(holder);
    runtime_.run();
    EXPECT_EQ(level(holder), 40u);
    EXPECT_EQ(runtime_.side().line().ready, 0u);
    cops::wake(holder);
    runtime_.run();
}

TEST_F(MutexTest, waiter_that_times_out_takes_its_level_back) {
    cops::Mutex mutex;
    const cops::TaskId holder = cops::spawn(holds({&mutex}), 40);
    runtime_.run();
    cops::spawn(passes_within(mutex, log_, "short", 5us), 4);
    cops::spawn(passes_within(mutex, log_, "long", 50us), 8);
    runtime_.run();
    EXPECT_EQ(level(holder), 4u);
    runtime_.advance(4'999);
    EXPECT_EQ(level(holder), 4u);
    runtime_.advance(1);
    EXPECT_THAT(log_, ElementsAre("short ETIMEDOUT"));
    EXPECT_EQ(level(holder), 8u);
    cops::wake(holder);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("short ETIMEDOUT", "long"));
    runtime_.advance(50'000);
    EXPECT_EQ(runtime_.alive(), 0u);
}

TEST_F(MutexTest, cancelled_waiter_in_the_middle_leaves_the_others_in_order) {
    cops::Mutex mutex;
    cops::CancelSource source;
    const cops::TaskId holder = cops::spawn(holds({&mutex}), 5);
    runtime_.run();
    cops::spawn(passes(mutex, log_, "a"), 20);
    cops::spawn(passes_within(mutex, log_, "b", source.token()), 20);
    cops::spawn(passes(mutex, log_, "c"), 20);
    runtime_.run();
    EXPECT_TRUE(source.cancel());
    EXPECT_FALSE(source.cancel());
    runtime_.run();
    cops::wake(holder);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("b ECANCELED", "a", "c"));
}

TEST_F(MutexTest, timeout_of_nothing_takes_a_free_mutex_and_no_other) {
    cops::Mutex mutex;
    cops::spawn(passes_within(mutex, log_, "free", 0ns), 5);
    runtime_.run();
    const cops::TaskId holder = cops::spawn(holds({&mutex}), 5);
    runtime_.run();
    cops::spawn(passes_within(mutex, log_, "held", 0ns), 5);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("free", "held ETIMEDOUT"));
    EXPECT_EQ(runtime_.requests(), 0u);
    cops::wake(holder);
    runtime_.run();
}

TEST_F(MutexTest, cancelled_token_refuses_even_a_free_mutex) {
    cops::Mutex mutex;
    cops::CancelSource source;
    source.cancel();
    cops::spawn(passes_within(mutex, log_, "a", {source.token(), 1s}), 5);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("a ECANCELED"));
    EXPECT_EQ(runtime_.requests(), 0u);
}

TEST_F(MutexTest, handed_over_before_the_cancellation_stays_handed_over) {
    cops::Mutex mutex;
    cops::CancelSource source;
    const cops::TaskId holder = cops::spawn(holds({&mutex}), 5);
    runtime_.run();
    cops::spawn(passes_within(mutex, log_, "heir", {source.token(), 10us}), 20);
    runtime_.run();
    cops::wake(holder);
    runtime_.step();  // The mutex is the heir's, which has not run.
    source.cancel();
    runtime_.advance(10'000);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("heir"));
}

TEST_F(MutexTest, without_memory_for_a_timer_the_wait_ends) {
    cops::Mutex mutex;
    const cops::TaskId holder = cops::spawn(holds({&mutex}), 5);
    cops::spawn(passes_within(mutex, log_, "a", 1us), 20);
    HostRuntime::refuse_tasks(true);
    runtime_.run();
    HostRuntime::refuse_tasks(false);
    EXPECT_THAT(log_, ElementsAre("a ENOMEM"));
    cops::wake(holder);
    runtime_.run();
}

TEST_F(MutexTest, wake_of_a_waiter_by_its_id_does_not_give_it_the_mutex) {
    cops::Mutex mutex;
    const cops::TaskId holder = cops::spawn(holds({&mutex}), 5);
    runtime_.run();
    const cops::TaskId waiter = cops::spawn(passes(mutex, log_, "a"), 20);
    runtime_.run();
    EXPECT_TRUE(cops::wake(waiter));
    runtime_.run();
    EXPECT_TRUE(log_.empty());
    cops::wake(holder);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("a"));
}

TEST_F(MutexTest, coroutines_that_wait_for_each_other_stay_asleep_and_harm_nobody) {
    cops::Mutex a;
    cops::Mutex b;
    cops::spawn(
        [](cops::Mutex& own, cops::Mutex& wanted, Log& log) -> cops::Task<> {
            const cops::Mutex::Guard held = co_await own.lock();
            co_await cops::yield();
            const cops::Result<cops::Mutex::Guard> guard = co_await wanted.lock(5us);
            log.push_back(guard ? "got it" : "gave up");
        }(a, b, log_),
        30
    );
    cops::spawn(link(b, a, log_, "went on"), 30);
    runtime_.run();
    cops::spawn(passes(a, log_, "urgent"), 1);
    runtime_.run();
    EXPECT_TRUE(log_.empty());
    runtime_.advance(5'000);
    EXPECT_THAT(log_, ElementsAre("gave up", "urgent", "went on"));
    EXPECT_EQ(runtime_.alive(), 0u);
}

TEST_F(MutexTest, task_entry_used_again_does_not_keep_what_its_last_owner_inherited) {
    for (unsigned at : {40u, 30u}) {
        cops::Mutex mutex;
        const cops::TaskId holder = cops::spawn(holds({&mutex}), at);
        runtime_.run();
        cops::spawn(passes(mutex, log_, "a"), 4);
        runtime_.run();
        EXPECT_EQ(level(holder), 4u);
        cops::wake(holder);
        runtime_.run();
        const cops::TaskId next = cops::spawn(holds({&mutex}), 50);
        EXPECT_EQ(level(next), 50u);
        EXPECT_TRUE(cops::set_priority(next, 51));
        EXPECT_EQ(level(next), 51u);
        EXPECT_EQ(cops::set_priority(holder, 1).error(), cops::Error(ESRCH));
        EXPECT_EQ(level(next), 51u);
        runtime_.run();
        cops::wake(next);
        runtime_.run();
    }
}

cops::Task<> unlocks(cops::Mutex& mutex) {
    mutex.unlock();
    co_return;
}

using MutexDeathTest = MutexTest;

TEST_F(MutexDeathTest, unlocking_what_another_holds_is_said_and_ends_the_program) {
    cops::Mutex mutex;
    const cops::TaskId holder = cops::spawn(holds({&mutex}), 5);
    runtime_.run();
    const auto unlock_by_another = [&] {
        cops::spawn(unlocks(mutex), 5);
        runtime_.run();
    };
    EXPECT_DEATH(unlock_by_another(), "unlocked by a coroutine that does not hold it");
    cops::wake(holder);
    runtime_.run();
}

}  // namespace
