// SPDX-License-Identifier: Apache-2.0
// Waiting allocates nothing, whatever is waited for and however the wait ends.
#include "host_runtime.hpp"

#include <gtest/gtest.h>

#include <memory>

using namespace std::chrono_literals;

namespace {

struct Everything {
    cops::Mutex mutex;
    cops::Semaphore semaphore{0};
    cops::Event event{cops::Reset::automatic};
    cops::Condition condition;
    cops::Channel<int, 1> channel;
    cops::CancelSource source;
};

cops::Task<cops::Result<int>> sleeper(cops::CancelToken token, std::chrono::nanoseconds duration) {
    const cops::Result<void> slept = co_await cops::sleep_for(duration, token);
    co_return slept ? cops::Result<int>(1) : std::unexpected(slept.error());
}

// Everything it waits for is made to happen by the coroutine after it.
cops::Task<> waits(Everything& all, std::uint64_t& waited) {
    cops::CancelSource any;
    cops::Task<cops::Result<int>> first = sleeper(any.token(), 5us);
    cops::Task<cops::Result<int>> second = sleeper(any.token(), 1h);
    const std::uint64_t before = allocations();

    cops::Mutex::Guard guard = co_await all.mutex.lock();
    co_await all.condition.wait(guard);
    guard.unlock();
    guard = *co_await all.mutex.lock(5ms);
    EXPECT_EQ((co_await all.condition.wait(guard, 5us)).error(), cops::Error(ETIMEDOUT));
    guard.unlock();
    co_await all.semaphore.acquire();
    EXPECT_EQ((co_await all.semaphore.acquire(5us)).error(), cops::Error(ETIMEDOUT));
    co_await all.event.wait();
    EXPECT_EQ((co_await all.channel.receive()).value(), 7);
    EXPECT_TRUE(co_await all.channel.send(8));
    EXPECT_TRUE(co_await all.channel.send(9));  // Full: waits.
    const auto result = co_await cops::when_any(any, std::move(first), std::move(second));
    EXPECT_EQ(result.first, 0u);
    EXPECT_EQ((co_await all.event.wait({all.source.token(), 1h})).error(), cops::Error(ECANCELED));
    waited = allocations() - before;
}

cops::Task<> helps(Everything& all) {
    co_await cops::yield();
    all.condition.notify_one();
    (void)co_await cops::sleep_for(20us, all.source.token());
    all.semaphore.release();
    (void)co_await cops::sleep_for(20us, all.source.token());
    all.event.set();
    co_await cops::yield();
    EXPECT_TRUE(all.channel.try_send(7));
    (void)co_await cops::sleep_for(20us, all.source.token());
    EXPECT_EQ(all.channel.try_receive(), 8);
    (void)co_await cops::sleep_for(100us, all.source.token());
    all.source.cancel();
}

TEST(Allocation, none_by_any_wait) {
    HostRuntime runtime;
    Everything all;
    std::uint64_t waited = UINT64_MAX;
    const std::uint64_t before = allocations();
    cops::spawn(waits(all, waited), 20);
    EXPECT_GT(allocations(), before) << "frames are counted";
    cops::spawn(helps(all), 20);
    runtime.run();
    runtime.advance(1'000'000);
    EXPECT_EQ(waited, 0u);
}

}  // namespace
