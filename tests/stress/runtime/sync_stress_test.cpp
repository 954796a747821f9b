// SPDX-License-Identifier: Apache-2.0
// Coroutines of one group on several harts at once, and everything that may end a wait at the same
// time. Threads are the harts; another completes their sleep requests, often too early.
#include "host_runtime.hpp"
#include "machine.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <thread>

namespace {

constexpr unsigned kHarts = 3;

/// The harts' machine and the coroutines that a test waits for.
class SyncStress : public ::testing::Test {
public:
    /// Called by every coroutine that spawn() made, at its end.
    void end() {
        if (left_.fetch_sub(1) == 1) {
            machine_.stop();
        }
    }

protected:
    SyncStress() { HostRuntime::use_real_clock(); }

    void spawn(unsigned hart, cops::Task<> task, unsigned level) {
        this_context = &runtime_.side().context(hart % kHarts);
        ++left_;
        ASSERT_TRUE(cops::spawn(std::move(task), level));
    }

    /// Until all have ended. A wake that was lost leaves every hart asleep, which the machine sees.
    void run_all() {
        std::vector<std::thread> threads;
        threads.emplace_back([this] { machine_.host(); });
        for (unsigned i = 0; i < kHarts; ++i) {
            threads.emplace_back([this, i] { machine_.hart(i); });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
        EXPECT_FALSE(machine_.lost());
        EXPECT_EQ(left_.load(), 0u);
    }

    HostRuntime runtime_{{.contexts = kHarts, .slots = 128, .segments = 4}};
    Machine machine_{runtime_.side(), kHarts, Machine::Weakness::none};
    std::atomic<unsigned> left_ = 0;
};

unsigned next_random(unsigned& seed) {
    seed = seed * 1103515245 + 12345;
    return seed >> 16;
}

// A few microseconds, or none, or more than the test takes.
std::chrono::nanoseconds some_time(unsigned& seed) {
    constexpr std::array<unsigned, 4> kTimes = {0, 2'000, 20'000, 200'000};
    return std::chrono::nanoseconds(kTimes[next_random(seed) % kTimes.size()]);
}

struct Counter {
    cops::Mutex mutex;
    unsigned value = 0;  // Plain: the thread sanitizer sees a mutex that lets two in.
};

// Two counters, always in this order, with yields while they are held.
cops::Task<> counts(
    SyncStress& test,
    std::array<Counter, 2>& counters,
    unsigned rounds,
    std::atomic<unsigned>& done,
    unsigned seed
) {
    for (unsigned i = 0; i < rounds; ++i) {
        cops::set_priority(cops::current(), next_random(seed) % 64).value();
        const bool limited = next_random(seed) % 2 == 0;
        cops::Mutex::Guard outer;
        if (limited) {
            auto guard = co_await counters[0].mutex.lock(some_time(seed));
            if (!guard) {
                EXPECT_EQ(guard.error(), cops::Error(ETIMEDOUT));
                continue;
            }
            outer = std::move(*guard);
        } else {
            outer = co_await counters[0].mutex.lock();
        }
        ++counters[0].value;
        if (next_random(seed) % 4 == 0) {
            co_await cops::yield();
        }
        {
            const cops::Mutex::Guard inner = co_await counters[1].mutex.lock();
            ++counters[1].value;
            if (next_random(seed) % 4 == 0) {
                co_await cops::yield();
            }
        }
        ++done;
    }
    test.end();
}

TEST_F(SyncStress, mutexes_exclude_while_levels_change_and_waits_time_out) {
    std::array<Counter, 2> counters;
    std::atomic<unsigned> done = 0;
    for (unsigned i = 0; i < 12; ++i) {
        spawn(i, counts(*this, counters, 1500, done, i + 1), i);
    }
    run_all();
    EXPECT_EQ(counters[0].value, done.load());
    EXPECT_EQ(counters[1].value, done.load());
    EXPECT_TRUE(counters[0].mutex.try_lock()) << "free, and nobody's";
}

// Level of its own that an urgent waiter lends something to, again and again; in the end it must
// be back.
cops::Task<> lends(SyncStress& test, cops::Mutex& mutex, unsigned rounds, unsigned seed) {
    const unsigned own = cops::priority(cops::current()).value();
    for (unsigned i = 0; i < rounds; ++i) {
        {
            const cops::Mutex::Guard guard = co_await mutex.lock();
            if (next_random(seed) % 2 == 0) {
                co_await cops::yield();
            }
            EXPECT_LE(cops::priority(cops::current()).value(), own);
        }
        EXPECT_EQ(cops::priority(cops::current()).value(), own);
        if (next_random(seed) % 4 == 0) {
            co_await cops::yield();
        }
    }
    test.end();
}

TEST_F(SyncStress, inherited_levels_are_given_back) {
    cops::Mutex mutex;
    for (unsigned i = 0; i < 9; ++i) {
        spawn(i, lends(*this, mutex, 3000, i + 1), i * 7);
    }
    run_all();
}

// Held for a few instructions only: most take it by the fast way, and some come in the middle of
// that.
cops::Task<> hurries(SyncStress& test, Counter& counter, unsigned rounds, unsigned seed) {
    const unsigned own = cops::priority(cops::current()).value();
    for (unsigned i = 0; i < rounds; ++i) {
        if (next_random(seed) % 8 == 0 && counter.mutex.try_lock()) {
            ++counter.value;
            counter.mutex.unlock();
        } else {
            const cops::Mutex::Guard guard = co_await counter.mutex.lock();
            ++counter.value;
        }
        EXPECT_EQ(cops::priority(cops::current()).value(), own);
        if (next_random(seed) % 64 == 0) {
            co_await cops::yield();
        }
    }
    test.end();
}

TEST_F(SyncStress, fast_ways_in_and_out_meet_those_who_queue) {
    Counter counter;
    constexpr unsigned kRounds = 20'000;
    for (unsigned i = 0; i < 6; ++i) {
        spawn(i, hurries(*this, counter, kRounds, i + 1), i * 9);
    }
    run_all();
    EXPECT_EQ(counter.value, 6 * kRounds);
}

// A wait on an object that lives in this frame, ended by whichever comes first of a wake, a
// cancellation and a time; then object, source and frame are gone.
struct Rendezvous {
    cops::Semaphore semaphore{0};
    cops::CancelSource source;
};

cops::Task<> triggers(std::atomic<unsigned>& left, Rendezvous& shared, bool cancels) {
    if (cancels) {
        shared.source.cancel();
    } else {
        shared.semaphore.release();
    }
    left.fetch_sub(1, std::memory_order_release);
    co_return;
}

cops::Task<> waits_briefly(
    SyncStress& test, unsigned rounds, unsigned seed, std::array<std::atomic<unsigned>, 3>& outcomes
) {
    for (unsigned i = 0; i < rounds; ++i) {
        auto shared = std::make_unique<Rendezvous>();
        std::atomic<unsigned> left = 2;
        const unsigned level = cops::priority(cops::current()).value();
        cops::spawn(triggers(left, *shared, next_random(seed) % 2 == 0), level);
        cops::spawn(triggers(left, *shared, next_random(seed) % 4 == 0), level);
        const auto result =
            co_await shared->semaphore.acquire({shared->source.token(), some_time(seed)});
        ++outcomes[result ? 0 : result.error() == cops::Error(ECANCELED) ? 1 : 2];
        const unsigned before = result ? 1 : 0;
        while (left.load(std::memory_order_acquire) != 0) {
            co_await cops::yield();
        }
        // No permit was lost or made: what was not taken is there.
        EXPECT_LE(shared->semaphore.available() + before, 2u);
    }
    test.end();
}

TEST_F(SyncStress, wake_cancellation_and_timeout_race_for_a_wait_that_then_is_gone) {
    std::array<std::atomic<unsigned>, 3> outcomes{};
    constexpr unsigned kWaiters = 6;
    constexpr unsigned kRounds = 2000;
    for (unsigned i = 0; i < kWaiters; ++i) {
        spawn(i, waits_briefly(*this, kRounds, i + 1, outcomes), 10);
    }
    run_all();
    EXPECT_EQ(outcomes[0] + outcomes[1] + outcomes[2], kWaiters * kRounds);
    EXPECT_GT(outcomes[0], 0u);
    EXPECT_GT(outcomes[1], 0u);
    EXPECT_GT(outcomes[2], 0u);
}

using Numbers = cops::Channel<unsigned, 3>;

cops::Task<> produces(
    SyncStress& test,
    Numbers& channel,
    unsigned count,
    std::atomic<unsigned>& producers,
    std::atomic<std::uint64_t>& sum,
    unsigned seed
) {
    for (unsigned i = 1; i <= count; ++i) {
        const bool limited = next_random(seed) % 2 == 0;
        const cops::Result<void> sent =
            limited ? co_await channel.send(i, some_time(seed)) : co_await channel.send(i);
        if (sent) {
            sum += i;
        } else {
            EXPECT_EQ(sent.error(), cops::Error(ETIMEDOUT));
        }
    }
    if (producers.fetch_sub(1) == 1) {
        channel.close();
    }
    test.end();
}

cops::Task<>
consumes(SyncStress& test, Numbers& channel, std::atomic<std::uint64_t>& sum, unsigned seed) {
    for (;;) {
        const bool limited = next_random(seed) % 2 == 0;
        const cops::Result<unsigned> value =
            limited ? co_await channel.receive(some_time(seed)) : co_await channel.receive();
        if (value) {
            sum += *value;
        } else if (value.error() == cops::Error(EPIPE)) {
            break;
        } else {
            EXPECT_EQ(value.error(), cops::Error(ETIMEDOUT));
        }
    }
    test.end();
}

TEST_F(SyncStress, channel_loses_and_doubles_nothing) {
    Numbers channel;
    std::atomic<unsigned> producers = 5;
    std::atomic<std::uint64_t> sent = 0;
    std::atomic<std::uint64_t> received = 0;
    for (unsigned i = 0; i < 5; ++i) {
        spawn(i, produces(*this, channel, 3000, producers, sent, i + 1), 10 + i);
        spawn(i + 1, consumes(*this, channel, received, i + 9), 12 + i);
    }
    run_all();
    EXPECT_GT(sent.load(), 0u);
    EXPECT_EQ(sent.load(), received.load());
}

// A queue under a mutex, the classic way.
struct Monitor {
    cops::Mutex mutex;
    cops::Condition changed;
    unsigned items = 0;
    unsigned to_come = 0;
};

cops::Task<> fills(SyncStress& test, Monitor& monitor, unsigned count, unsigned seed) {
    for (unsigned i = 0; i < count; ++i) {
        cops::Mutex::Guard guard = co_await monitor.mutex.lock();
        while (monitor.items == 2) {
            if (next_random(seed) % 2 == 0) {
                (void)co_await monitor.changed.wait(guard, some_time(seed));
            } else {
                co_await monitor.changed.wait(guard);
            }
        }
        ++monitor.items;
        monitor.changed.notify_all();
    }
    test.end();
}

cops::Task<> drains(SyncStress& test, Monitor& monitor, unsigned seed) {
    for (;;) {
        cops::Mutex::Guard guard = co_await monitor.mutex.lock();
        while (monitor.items == 0 && monitor.to_come != 0) {
            if (next_random(seed) % 2 == 0) {
                (void)co_await monitor.changed.wait(guard, some_time(seed));
            } else {
                co_await monitor.changed.wait(guard);
            }
        }
        if (monitor.to_come == 0) {
            break;
        }
        --monitor.items;
        --monitor.to_come;
        monitor.changed.notify_all();
    }
    test.end();
}

TEST_F(SyncStress, condition_misses_no_notification) {
    Monitor monitor;
    constexpr unsigned kEach = 1500;
    monitor.to_come = 3 * kEach;
    for (unsigned i = 0; i < 3; ++i) {
        spawn(i, fills(*this, monitor, kEach, i + 1), 10 + i);
        spawn(i, drains(*this, monitor, i + 9), 11 + i);
    }
    run_all();
    EXPECT_EQ(monitor.items, 0u);
}

cops::Task<cops::Result<unsigned>> races(cops::CancelToken token, unsigned seed) {
    const cops::Result<void> slept = co_await cops::sleep_for(some_time(seed), token);
    if (!slept) {
        co_return std::unexpected(slept.error());
    }
    co_return seed;
}

cops::Task<> gathers(SyncStress& test, unsigned rounds, unsigned seed) {
    for (unsigned i = 0; i < rounds; ++i) {
        cops::CancelSource source;
        auto [first, results] = co_await cops::when_any(
            source,
            races(source.token(), next_random(seed)),
            races(source.token(), next_random(seed)),
            races(source.token(), next_random(seed))
        );
        EXPECT_LT(first, 3u);
        EXPECT_TRUE(source.cancelled());
        cops::TaskGroup group;
        for (unsigned member = 0; member < 3; ++member) {
            EXPECT_TRUE(group.spawn(races(group.token(), next_random(seed)), member * 5));
        }
        if (next_random(seed) % 2 == 0) {
            group.cancel();
        }
        (void)co_await group.join();
        EXPECT_EQ(group.size(), 0u);
    }
    test.end();
}

TEST_F(SyncStress, losers_and_members_are_gone_when_the_wait_for_them_returns) {
    for (unsigned i = 0; i < 6; ++i) {
        spawn(i, gathers(*this, 600, i + 1), 10 + i);
    }
    run_all();
}

}  // namespace
