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

class SyncTest : public ::testing::Test {
protected:
    HostRuntime runtime_;
    Log log_;
};

std::string with_error(const std::string& name, const cops::Result<void>& result) {
    return result ? name : name + " " + ::strerrorname_np(result.error().number());
}

cops::Task<> acquires(cops::Semaphore& semaphore, Log& log, std::string name) {
    co_await semaphore.acquire();
    log.push_back(name);
}

cops::Task<>
acquires_within(cops::Semaphore& semaphore, Log& log, std::string name, cops::Limit limit) {
    log.push_back(with_error(name, co_await semaphore.acquire(limit)));
}

using SemaphoreTest = SyncTest;

TEST_F(SemaphoreTest, permits_go_to_the_most_urgent_in_order_within_a_level) {
    cops::Semaphore semaphore(1);
    for (const auto& [name, level] :
         {std::pair{"first", 30u}, {"20a", 20u}, {"20b", 20u}, {"7", 7u}}) {
        cops::spawn(acquires(semaphore, log_, name), level);
        runtime_.run();
    }
    EXPECT_THAT(log_, ElementsAre("first"));
    EXPECT_EQ(semaphore.available(), 0u);
    semaphore.release();
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("first", "7"));
    semaphore.release(3);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("first", "7", "20a", "20b"));
    EXPECT_EQ(semaphore.available(), 1u) << "what nobody waited for stays";
}

TEST_F(SemaphoreTest, permit_of_a_woken_waiter_cannot_be_taken_by_another) {
    cops::Semaphore semaphore(0);
    cops::spawn(acquires(semaphore, log_, "waited"), 40);
    runtime_.run();
    semaphore.release();
    EXPECT_FALSE(semaphore.try_acquire());
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("waited"));
}

TEST_F(SemaphoreTest, cancelled_and_late_waiters_take_no_permit) {
    cops::Semaphore semaphore(0);
    cops::CancelSource source;
    cops::spawn(acquires(semaphore, log_, "a"), 20);
    cops::spawn(acquires_within(semaphore, log_, "b", source.token()), 20);
    cops::spawn(acquires_within(semaphore, log_, "c", 5us), 20);
    cops::spawn(acquires(semaphore, log_, "d"), 20);
    runtime_.run();
    source.cancel();
    runtime_.run();
    runtime_.advance(5'000);
    semaphore.release(2);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("b ECANCELED", "c ETIMEDOUT", "a", "d"));
    EXPECT_EQ(semaphore.available(), 0u);
}

TEST_F(SemaphoreTest, works_on_after_its_last_waiter_gave_up) {
    cops::Semaphore semaphore(0);
    cops::spawn(acquires_within(semaphore, log_, "a", 5us), 20);
    runtime_.run();
    runtime_.advance(5'000);
    EXPECT_EQ(semaphore.available(), 0u);
    semaphore.release();
    EXPECT_EQ(semaphore.available(), 1u);
    EXPECT_TRUE(semaphore.try_acquire());
    EXPECT_FALSE(semaphore.try_acquire());
}

TEST_F(SemaphoreTest, changed_priority_moves_a_waiter) {
    cops::Semaphore semaphore(0);
    cops::spawn(acquires(semaphore, log_, "a"), 20);
    const cops::TaskId b = cops::spawn(acquires(semaphore, log_, "b"), 30);
    runtime_.run();
    cops::set_priority(b, 10).value();
    semaphore.release(2);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("b", "a"));
}

cops::Task<> holds_and_acquires(cops::Mutex& mutex, cops::Semaphore& semaphore, Log& log) {
    const cops::Mutex::Guard guard = co_await mutex.lock();
    co_await semaphore.acquire();
    log.push_back("holder");
}

TEST_F(SemaphoreTest, inherited_level_moves_a_waiter_too) {
    cops::Semaphore semaphore(0);
    cops::Mutex mutex;
    cops::spawn(holds_and_acquires(mutex, semaphore, log_), 40);
    cops::spawn(acquires(semaphore, log_, "20"), 20);
    runtime_.run();
    cops::spawn(
        [](cops::Mutex& wanted, Log& log) -> cops::Task<> {
            const cops::Mutex::Guard guard = co_await wanted.lock();
            log.push_back("urgent");
        }(mutex, log_),
        3
    );
    runtime_.run();
    semaphore.release();
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("holder", "urgent"));
    semaphore.release();
    runtime_.run();
}

TEST_F(SemaphoreTest, may_be_destroyed_once_its_last_waiter_is_woken) {
    auto semaphore = std::make_unique<cops::Semaphore>(0);
    cops::CancelSource source;
    cops::spawn(acquires_within(*semaphore, log_, "a", {source.token(), 5us}), 20);
    runtime_.run();
    semaphore->release();
    semaphore.reset();
    source.cancel();  // Finds the waiter, which has not run, and must not look at the semaphore.
    runtime_.run();
    runtime_.advance(5'000);
    EXPECT_THAT(log_, ElementsAre("a"));
}

cops::Task<> waits(cops::Event& event, Log& log, std::string name) {
    co_await event.wait();
    log.push_back(name);
}

cops::Task<> waits_within(cops::Event& event, Log& log, std::string name, cops::Limit limit) {
    log.push_back(with_error(name, co_await event.wait(limit)));
}

using EventTest = SyncTest;

TEST_F(EventTest, manual_event_lets_everybody_go_on_until_it_is_reset) {
    cops::Event event(cops::Reset::manual);
    cops::spawn(waits(event, log_, "20"), 20);
    cops::spawn(waits(event, log_, "10"), 10);
    runtime_.run();
    EXPECT_TRUE(log_.empty());
    event.set();
    EXPECT_TRUE(event.is_set());
    cops::spawn(waits(event, log_, "late"), 30);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("10", "20", "late"));
    event.reset();
    cops::spawn(waits(event, log_, "again"), 30);
    runtime_.run();
    EXPECT_EQ(log_.size(), 3u);
    event.set();
    runtime_.run();
    EXPECT_EQ(log_.back(), "again");
}

TEST_F(EventTest, automatic_event_lets_one_go_on_for_each_set) {
    cops::Event event(cops::Reset::automatic);
    cops::spawn(waits(event, log_, "20"), 20);
    cops::spawn(waits(event, log_, "10"), 10);
    runtime_.run();
    event.set();
    EXPECT_FALSE(event.is_set());
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("10"));
    event.set();
    event.set();  // Nobody waits: kept.
    event.set();  // As one.
    cops::spawn(waits(event, log_, "kept"), 30);
    cops::spawn(waits(event, log_, "not kept"), 31);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("10", "20", "kept"));
    event.set();
    runtime_.run();
}

TEST_F(EventTest, limits_end_the_wait_and_leave_the_event_as_it_was) {
    for (const cops::Reset reset : {cops::Reset::manual, cops::Reset::automatic}) {
        log_.clear();
        cops::Event event(reset);
        cops::CancelSource source;
        cops::spawn(waits_within(event, log_, "a", 5us), 20);
        cops::spawn(waits_within(event, log_, "b", {source.token(), 9us}), 20);
        cops::spawn(waits_within(event, log_, "c", 0ns), 20);
        runtime_.run();
        runtime_.advance(5'000);
        source.cancel();
        runtime_.run();
        EXPECT_THAT(log_, ElementsAre("c ETIMEDOUT", "a ETIMEDOUT", "b ECANCELED"));
        event.set();
        EXPECT_TRUE(event.is_set());
    }
}

TEST_F(EventTest, setter_may_destroy_it_at_once) {
    auto event = std::make_unique<cops::Event>(cops::Reset::manual);
    cops::spawn(waits_within(*event, log_, "a", 5us), 20);
    cops::spawn(waits(*event, log_, "b"), 20);
    runtime_.run();
    event->set();
    event.reset();
    runtime_.advance(5'000);
    EXPECT_THAT(log_, ElementsAre("a", "b"));
}

TEST_F(EventTest, timeout_and_set_at_the_same_time_wake_once) {
    cops::Event event(cops::Reset::automatic);
    cops::spawn(waits_within(event, log_, "a", 5us), 20);
    runtime_.run();
    runtime_.side();
    event.set();              // First.
    runtime_.advance(5'000);  // The timer is still armed, and finds that the wait is over.
    EXPECT_THAT(log_, ElementsAre("a"));
    cops::spawn(waits_within(event, log_, "b", 5us), 20);
    runtime_.run();
    runtime_.advance(5'000);
    event.set();
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("a", "b ETIMEDOUT"));
    EXPECT_TRUE(event.is_set()) << "which nobody has seen";
}

}  // namespace
