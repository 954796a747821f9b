// SPDX-License-Identifier: Apache-2.0
// test-harts FILE: coroutines on all harts of the guest, which are two or more. FILE holds bytes
// 0, 1, ..., 255, 0, ....
#include "check.hpp"

#include <cops/cops.hpp>

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <bit>
#include <chrono>
#include <vector>

using namespace std::chrono_literals;

namespace {

/// Here and not in a library, where a coroutine could not be preempted.
[[gnu::always_inline]] inline std::uint64_t ticks() {
    std::uint64_t value;
    __asm__ volatile("rdtime %0" : "=r"(value));
    return value;
}

/// Spins, so keeps its hart; false when nothing came for a long time.
template <typename Condition>
bool spin_until(Condition condition) {
    constexpr std::uint64_t kLong = 20'000'000'000;  // of a timebase of 1 GHz
    const std::uint64_t begin = ticks();
    while (!condition()) {
        if (ticks() - begin > kLong) {
            return false;
        }
    }
    return true;
}

/// Until the condition holds, without keeping the hart.
cops::Task<> wait_until(bool (*condition)(const void*), const void* object) {
    while (!condition(object)) {
        check((co_await cops::sleep_for(1ms)).has_value(), "sleep");
    }
}

cops::Task<> note_hart(std::atomic<std::uint64_t>& seen) {
    seen |= std::uint64_t{1} << cops::hart();
    const std::uint64_t begin = ticks();
    while (ticks() - begin < 100'000) {  // that others come for the rest
    }
    co_return;
}

// New harts begin at an ordinary level: where there are fewer workers than harts, they would not
// come while more urgent coroutines spin.
cops::Task<> wait_for_harts(unsigned harts) {
    std::atomic<std::uint64_t> seen = 0;
    while (std::popcount(seen.load()) < static_cast<int>(harts)) {
        cops::TaskGroup group;
        for (unsigned i = 0; i < 4 * harts; ++i) {
            check(group.spawn(note_hart(seen), 30).has_value(), "spawn");
        }
        check((co_await group.join()).has_value(), "join");
        check((co_await cops::sleep_for(1ms)).has_value(), "sleep");
    }
}

cops::Task<> meet(std::atomic<unsigned>& arrived, unsigned all) {
    ++arrived;
    check(spin_until([&] { return arrived >= all; }), "all harts run coroutines at once");
    co_return;
}

cops::Task<> test_all_at_once(unsigned harts) {
    for (int round = 0; round < 20; ++round) {
        std::atomic<unsigned> arrived = 0;
        std::vector<cops::TaskId> ids;
        for (unsigned i = 0; i < harts; ++i) {
            ids.push_back(cops::spawn(meet(arrived, harts), 10));
        }
        for (const cops::TaskId id : ids) {
            co_await cops::join(id);
        }
    }
}

struct PingPong {
    std::atomic<int> turn = 0;
    cops::TaskId player[2];
};

cops::Task<> play(PingPong& game, int self, int turns) {
    game.player[self] = cops::current();
    for (int n = self; n < turns; n += 2) {
        while (game.turn != n) {
            co_await cops::suspend();
        }
        game.turn = n + 1;
        (void)cops::wake(game.player[1 - self]);
    }
}

// A lost wake would stop it; that a wake finds the other one running is common here.
cops::Task<> test_wakes() {
    PingPong game;
    constexpr int kTurns = 20'000;
    const cops::TaskId one = cops::spawn(play(game, 0, kTurns), 20);
    game.player[0] = one;
    const cops::TaskId other = cops::spawn(play(game, 1, kTurns), 20);
    game.player[1] = other;
    (void)cops::wake(one);
    co_await cops::join(one);
    co_await cops::join(other);
    check(game.turn == kTurns, "every turn was taken");
}

struct Shared {
    cops::Mutex mutex;
    std::uint64_t sum = 0;
    std::atomic<unsigned> arrived = 0;
};

// The first that come begin together, one on each hart.
cops::Task<> add(Shared& shared, int times, unsigned harts) {
    if (shared.arrived < harts) {
        co_await meet(shared.arrived, harts);
    }
    for (int n = 0; n < times; ++n) {
        const cops::Mutex::Guard guard = co_await shared.mutex.lock();
        const std::uint64_t before = shared.sum;
        if (n % 16 == 0) {
            co_await cops::yield();
        }
        shared.sum = before + 1;
    }
}

cops::Task<> test_mutex(unsigned harts) {
    Shared shared;
    cops::TaskGroup group;
    for (unsigned i = 0; i < 4 * harts; ++i) {
        check(group.spawn(add(shared, 1000, harts), 20 + i % 3).has_value(), "spawn");
    }
    check((co_await group.join()).has_value(), "join");
    check(shared.sum == 4000 * harts, "one at a time holds the mutex");
}

cops::Task<> produce(cops::Channel<int, 4>& channel, int count) {
    for (int n = 1; n <= count; ++n) {
        check((co_await channel.send(n)).has_value(), "send");
    }
}

cops::Task<> consume(cops::Channel<int, 4>& channel, std::atomic<long>& sum) {
    for (;;) {
        const auto value = co_await channel.receive();
        if (!value) {
            co_return;
        }
        sum += *value;
    }
}

cops::Task<> test_channel() {
    cops::Channel<int, 4> channel;
    std::atomic<long> sum = 0;
    cops::TaskGroup producers;
    cops::TaskGroup consumers;
    constexpr int kItems = 3000;
    for (int i = 0; i < 3; ++i) {
        check(producers.spawn(produce(channel, kItems), 20).has_value(), "spawn");
        check(consumers.spawn(consume(channel, sum), 20).has_value(), "spawn");
    }
    check((co_await producers.join()).has_value(), "join");
    channel.close();
    check((co_await consumers.join()).has_value(), "join");
    check(sum == 3L * kItems * (kItems + 1) / 2, "every item came once");
}

cops::Task<> read_at(int fd, std::uint64_t offset, std::atomic<unsigned>& good) {
    unsigned char buffer[64];
    const auto got = co_await cops::read(
        fd, std::as_writable_bytes(std::span(buffer)), static_cast<std::int64_t>(offset)
    );
    bool right = got && *got == sizeof buffer;
    for (std::size_t i = 0; right && i < sizeof buffer; ++i) {
        right = buffer[i] == static_cast<unsigned char>(offset + i);
    }
    good += right ? 1 : 0;
}

cops::Task<> read_many(int fd, std::atomic<unsigned>& good) {
    for (std::uint64_t n = 0; n < 100; ++n) {
        co_await read_at(fd, n * 7 % 900, good);
    }
}

cops::Task<> test_requests(const char* file, unsigned harts) {
    const auto fd = co_await cops::open(file, O_RDONLY);
    check(fd.has_value(), "open");
    std::atomic<unsigned> good = 0;
    cops::TaskGroup group;
    for (unsigned i = 0; i < 8 * harts; ++i) {
        check(group.spawn(read_many(*fd, good), i % 64).has_value(), "spawn");
    }
    check((co_await group.join()).has_value(), "join");
    check(good == 800 * harts, "every read has the bytes of its place");
    check((co_await cops::close(*fd)).has_value(), "close");
}

cops::Task<> compute_until(std::atomic<bool>& stop, std::atomic<unsigned>& running) {
    ++running;
    check(spin_until([&] { return stop.load(); }), "told to stop");
    co_return;
}

cops::Task<> set(std::atomic<bool>& flag) {
    flag = true;
    co_return;
}

// Whoever computes, on whatever hart, loses it to more urgent work.
cops::Task<> test_preemption(unsigned harts) {
    std::atomic<bool> stop = false;
    std::atomic<unsigned> running = 0;
    cops::TaskGroup loops;
    for (unsigned i = 0; i < 2 * harts; ++i) {
        check(loops.spawn(compute_until(stop, running), 60).has_value(), "spawn");
    }
    co_await wait_until(
        [](const void* all) { return static_cast<const std::atomic<unsigned>*>(all)->load() > 1; },
        &running
    );
    cops::TaskGroup urgent;
    std::atomic<unsigned> arrived = 0;
    for (unsigned i = 0; i < harts; ++i) {
        check(urgent.spawn(meet(arrived, harts), 5).has_value(), "spawn");
    }
    check((co_await urgent.join()).has_value(), "join");
    co_await cops::join(cops::spawn(set(stop), 0));
    check((co_await loops.join()).has_value(), "join");
}

struct Block {
    int turns = 0;  // of each, before the hart is blocked
    cops::TaskId blocker;
    std::atomic<std::uint32_t> word = 0;
};

cops::Task<> unblock(Block& block) {
    for (int n = 0; n < block.turns; ++n) {
        co_await cops::suspend();
        check(cops::wake(block.blocker), "wake");
    }
    co_await cops::suspend();
    block.word = 1;
    syscall(SYS_futex, &block.word, FUTEX_WAKE_PRIVATE, 1, nullptr);
}

cops::Task<> block_hart(Block& block, cops::TaskId other) {
    block.blocker = cops::current();
    for (int n = 0; n < block.turns; ++n) {
        check(cops::wake(other), "wake");
        co_await cops::suspend();
    }
    check(cops::wake(other), "wake");
    while (block.word == 0) {
        syscall(SYS_futex, &block.word, FUTEX_WAIT_PRIVATE, 0, nullptr);
    }
}

// Who waits for its turn behind a coroutine that blocks its hart has it elsewhere, though idle
// harts have learned by then that there is nothing to take from those two.
cops::Task<> test_blocked_hart() {
    for (int round = 0; round < 4; ++round) {
        Block block{.turns = 50'000, .blocker = {}};
        const cops::TaskId other = cops::spawn(unblock(block), 20);
        co_await cops::join(cops::spawn(block_hart(block, other), 20));
        co_await cops::join(other);
    }
}

cops::Task<> stay(unsigned hart, std::atomic<unsigned>& elsewhere, int turns) {
    for (int n = 0; n < turns; ++n) {
        co_await cops::yield();
        elsewhere += cops::hart() == hart ? 0 : 1;
    }
}

cops::Task<> nap(std::atomic<unsigned>& woken) {
    check((co_await cops::sleep_for(20ms)).has_value(), "sleep");
    ++woken;
}

// What is asleep on a hart that is taken back wakes, and goes on elsewhere.
cops::Task<> test_giving_back(unsigned harts) {
    std::atomic<unsigned> woken = 0;
    cops::TaskGroup sleepers;
    for (unsigned i = 0; i < 50; ++i) {
        check(sleepers.spawn(nap(woken), 20).has_value(), "spawn");
    }
    co_await cops::yield();
    check(cops::alloc_cpu(1) == 1u, "one hart is left");
    check((co_await sleepers.join()).has_value(), "join");
    check(woken == 50, "everybody woke");
    check((co_await cops::sleep_for(20ms)).has_value(), "sleep");

    std::atomic<unsigned> elsewhere = 0;
    cops::TaskGroup group;
    for (unsigned i = 0; i < 8; ++i) {
        check(group.spawn(stay(cops::hart(), elsewhere, 500), 20).has_value(), "spawn");
    }
    check((co_await group.join()).has_value(), "join");
    check(elsewhere == 0, "nothing runs on harts that were taken back");
    check(cops::alloc_cpu(harts) == harts, "and they come again");
    co_await test_all_at_once(harts);
}

}  // namespace

cops::Task<int> cops_main(int argc, char** argv) {
    check(
        argc == 2 && cops::harts() >= 2, "usage: test-harts FILE, in a guest with 2 harts or more"
    );
    const unsigned harts = cops::harts();
    // What it makes runs when it waits, or elsewhere, and doesn't take its hart.
    check(cops::set_priority(cops::current(), 0).has_value(), "set_priority");
    check(!cops::alloc_cpu(0), "no process without a hart");
    check(cops::alloc_cpu(1000) == harts, "as many harts as there are");
    co_await wait_for_harts(harts);
    co_await test_all_at_once(harts);
    std::puts("all harts at once");
    co_await test_wakes();
    std::puts("wakes");
    co_await test_mutex(harts);
    co_await test_channel();
    std::puts("mutex and channel");
    co_await test_requests(argv[1], harts);
    std::puts("requests");
    co_await test_preemption(harts);
    std::puts("preemption");
    co_await test_blocked_hart();
    std::puts("a blocked hart");
    co_await test_giving_back(harts);
    std::puts("test-harts: all passed");
    co_return 0;
}
