// SPDX-License-Identifier: Apache-2.0
#include "host_runtime.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

using namespace std::chrono_literals;
using ::testing::ElementsAre;

namespace {

using Log = std::vector<std::string>;

class ConditionTest : public ::testing::Test {
protected:
    HostRuntime runtime_;
    Log log_;
    cops::Mutex mutex_;
    cops::Condition condition_;
};

// Says whether the mutex is held after the wait.
std::string after(const std::string& name, bool held, int error) {
    return name + (held ? "" : " without the mutex")
           + (error == 0 ? "" : std::string(" ") + ::strerrorname_np(error));
}

cops::Task<> waits(cops::Mutex& mutex, cops::Condition& condition, Log& log, std::string name) {
    cops::Mutex::Guard guard = co_await mutex.lock();
    co_await condition.wait(guard);
    log.push_back(after(name, !mutex.try_lock(), 0));
}

cops::Task<> waits_within(
    cops::Mutex& mutex, cops::Condition& condition, Log& log, std::string name, cops::Limit limit
) {
    cops::Mutex::Guard guard = co_await mutex.lock();
    const cops::Result<void> result = co_await condition.wait(guard, limit);
    log.push_back(after(name, !mutex.try_lock(), result ? 0 : result.error().number()));
}

// Locks, suspends, unlocks.
cops::Task<> holds(cops::Mutex& mutex) {
    const cops::Mutex::Guard guard = co_await mutex.lock();
    co_await cops::suspend();
}

TEST_F(ConditionTest, notify_one_wakes_the_most_urgent_with_the_mutex_held) {
    cops::spawn(waits(mutex_, condition_, log_, "20a"), 20);
    cops::spawn(waits(mutex_, condition_, log_, "20b"), 20);
    cops::spawn(waits(mutex_, condition_, log_, "5"), 5);
    runtime_.run();
    for (int i = 0; i < 3; ++i) {
        condition_.notify_one();
        runtime_.run();
        EXPECT_EQ(log_.size(), static_cast<std::size_t>(i) + 1);
    }
    condition_.notify_one();  // Nobody: not kept.
    cops::spawn(waits(mutex_, condition_, log_, "late"), 5);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("5", "20a", "20b"));
    condition_.notify_all();
    runtime_.run();
}

TEST_F(ConditionTest, notified_waiters_queue_at_the_mutex_and_lend_their_level) {
    cops::spawn(waits(mutex_, condition_, log_, "20"), 20);
    cops::spawn(waits(mutex_, condition_, log_, "5"), 5);
    runtime_.run();
    const cops::TaskId holder = cops::spawn(holds(mutex_), 40);
    runtime_.run();
    condition_.notify_all();
    runtime_.run();
    EXPECT_TRUE(log_.empty());
    EXPECT_EQ(cops::priority(holder).value(), 5u);
    cops::wake(holder);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("5", "20"));
}

TEST_F(ConditionTest, limit_ends_the_wait_and_the_mutex_is_held_again) {
    cops::CancelSource source;
    cops::spawn(waits_within(mutex_, condition_, log_, "a", 5us), 20);
    cops::spawn(waits_within(mutex_, condition_, log_, "b", source.token()), 20);
    cops::spawn(waits(mutex_, condition_, log_, "c"), 20);
    runtime_.run();
    runtime_.advance(5'000);
    source.cancel();
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("a ETIMEDOUT", "b ECANCELED"));
    condition_.notify_one();
    runtime_.run();
    EXPECT_EQ(log_.back(), "c");
}

TEST_F(ConditionTest, limit_does_not_shorten_the_wait_for_the_mutex) {
    cops::CancelSource source;
    cops::spawn(waits_within(mutex_, condition_, log_, "a", {source.token(), 5us}), 20);
    runtime_.run();
    const cops::TaskId holder = cops::spawn(holds(mutex_), 30);
    runtime_.run();
    runtime_.advance(5'000);
    source.cancel();
    runtime_.run();
    EXPECT_TRUE(log_.empty());
    EXPECT_EQ(cops::priority(holder).value(), 20u);
    cops::wake(holder);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("a ETIMEDOUT"));
}

TEST_F(ConditionTest, notified_first_is_not_timed_out) {
    cops::spawn(waits_within(mutex_, condition_, log_, "a", 5us), 20);
    runtime_.run();
    const cops::TaskId holder = cops::spawn(holds(mutex_), 30);
    runtime_.run();
    condition_.notify_one();
    runtime_.advance(5'000);
    cops::wake(holder);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("a"));
}

TEST_F(ConditionTest, may_be_destroyed_once_all_are_notified) {
    auto condition = std::make_unique<cops::Condition>();
    cops::spawn(waits_within(mutex_, *condition, log_, "a", 5us), 20);
    runtime_.run();
    const cops::TaskId holder = cops::spawn(holds(mutex_), 30);
    runtime_.run();
    condition->notify_all();
    condition.reset();
    runtime_.advance(5'000);
    cops::wake(holder);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("a"));
}

TEST_F(ConditionTest, cancelled_token_keeps_the_mutex) {
    cops::CancelSource source;
    source.cancel();
    cops::spawn(waits_within(mutex_, condition_, log_, "a", source.token()), 20);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("a ECANCELED"));
}

}  // namespace
