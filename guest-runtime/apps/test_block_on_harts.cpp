// SPDX-License-Identifier: Apache-2.0
// test-block-on-harts FILE: coroutines of all harts of the guest, which are two or more, wait in
// plain functions and are woken from other harts. FILE holds bytes 0, 1, ..., 255, 0, ....
#include "check.hpp"

#include <cops/cops.hpp>

#include <atomic>
#include <bit>
#include <deque>
#include <vector>

using namespace std::chrono_literals;
using cops::block_on;

namespace {

constexpr unsigned kLevel = 20;

// Each stays where its stack is, whoever wakes it.
[[gnu::noinline]] void wait_here(cops::Event& event) {
    const unsigned hart = cops::hart();
    const unsigned mark = hart * 1000 + 7;
    volatile unsigned mine[2000];
    for (volatile unsigned& word : mine) {
        word = mark;
    }
    check(block_on(event.wait()).has_value(), "event");
    check(cops::hart() == hart, "it goes on where its stack is");
    for (const unsigned word : mine) {
        check(word == mark, "the stack is its own");
    }
}

struct Player {
    cops::Event turn{cops::Reset::automatic};
    std::atomic<std::uint64_t> harts = 0;
};

cops::Task<> play(std::deque<Player>& players, unsigned self, unsigned rounds) {
    Player& me = players[self];
    for (unsigned n = 0; n < rounds; ++n) {
        wait_here(me.turn);
        me.harts |= std::uint64_t{1} << cops::hart();
        players[(self + 1) % players.size()].turn.set();
        if (n % 4 == 0) {
            co_await cops::yield();  // Now it may move.
        }
    }
}

/// Rings in which each wakes the next, on whatever hart that one waits.
cops::Task<> rings(unsigned harts) {
    constexpr unsigned kRounds = 300;
    std::deque<std::deque<Player>> all(harts + 1);
    cops::TaskGroup group;
    for (std::deque<Player>& players : all) {
        for (unsigned i = 0; i < 3; ++i) {
            players.emplace_back();
        }
        for (unsigned i = 0; i < 3; ++i) {
            check(group.spawn(play(players, i, kRounds), kLevel + i).has_value(), "spawn");
        }
        players[0].turn.set();
    }
    check((co_await group.join()).has_value(), "join");
    std::uint64_t seen = 0;
    for (const std::deque<Player>& players : all) {
        for (const Player& player : players) {
            seen |= player.harts;
        }
    }
    check(std::popcount(seen) >= 2, "on several harts");
}

struct Shared {
    cops::Mutex mutex;
    std::uint64_t sum = 0;
};

[[gnu::noinline]] void add(Shared& shared, int fd, unsigned n) {
    const cops::Mutex::Guard guard = block_on(shared.mutex.lock()).value();
    const std::uint64_t before = shared.sum;
    std::byte buffer[8];
    check(block_on(cops::read(fd, buffer, n % 200)) == 8u, "read");
    check(buffer[0] == static_cast<std::byte>(n % 200), "what was read");
    shared.sum = before + 1;
}

cops::Task<> add_many(Shared& shared, int fd, unsigned times) {
    for (unsigned n = 0; n < times; ++n) {
        add(shared, fd, n);
        if (n % 3 == 0) {
            co_await cops::yield();
        }
    }
}

cops::Task<> mutex_and_requests(const char* file, unsigned harts) {
    const cops::Result<int> fd = co_await cops::open(file, O_RDONLY);
    check(fd.has_value(), "open");
    Shared shared;
    cops::TaskGroup group;
    for (unsigned i = 0; i < 3 * harts; ++i) {
        check(group.spawn(add_many(shared, *fd, 60), kLevel + i % 5).has_value(), "spawn");
    }
    check((co_await group.join()).has_value(), "join");
    check(shared.sum == 180 * harts, "one at a time holds the mutex");
    check((co_await cops::close(*fd)).has_value(), "close");
}

/// Here and not in a library, where a coroutine could not be preempted.
[[gnu::always_inline]] inline std::uint64_t ticks() {
    std::uint64_t value;
    __asm__ volatile("rdtime %0" : "=r"(value));
    return value;
}

cops::Task<> compute_until(const std::atomic<bool>& stop, std::atomic<unsigned>& running) {
    constexpr std::uint64_t kLong = 20'000'000'000;  // of a timebase of 1 GHz
    ++running;
    const std::uint64_t begin = ticks();
    while (!stop) {
        check(ticks() - begin < kLong, "told to stop");
    }
    co_return;
}

struct Sleeper {
    cops::Event event{cops::Reset::manual};
    std::atomic<std::uint64_t> hart = 0;
};

cops::Task<> wait_where_it_is(Sleeper& sleeper) {
    sleeper.hart = std::uint64_t{1} << cops::hart();
    wait_here(sleeper.event);
    co_return;
}

cops::Task<> until_all_wait(const std::vector<cops::TaskId>& tasks) {
    for (const cops::TaskId task : tasks) {
        while (cops::state(task) != cops::State::blocked) {
            (void)co_await cops::sleep_for(100us);
        }
    }
}

/// Whatever less urgent work a hart does, those whose stacks are there come first.
cops::Task<> harts_that_compute(unsigned harts) {
    std::deque<Sleeper> sleepers;
    std::vector<cops::TaskId> tasks;
    for (unsigned i = 0; i < 4 * harts; ++i) {
        tasks.push_back(cops::spawn(wait_where_it_is(sleepers.emplace_back()), kLevel));
    }
    co_await until_all_wait(tasks);
    std::atomic<bool> stop = false;
    std::atomic<unsigned> running = 0;
    cops::TaskGroup loops;
    for (unsigned i = 0; i < harts; ++i) {
        check(loops.spawn(compute_until(stop, running), 60).has_value(), "spawn");
    }
    while (running < harts) {
        (void)co_await cops::sleep_for(1ms);
    }
    for (Sleeper& sleeper : sleepers) {
        sleeper.event.set();
    }
    for (const cops::TaskId task : tasks) {
        co_await cops::join(task);
    }
    stop = true;
    check((co_await loops.join()).has_value(), "join");
}

/// Stacks cannot move: who waits on a hart that is taken back goes on there.
cops::Task<> harts_that_are_taken_back(unsigned harts) {
    std::deque<Sleeper> sleepers;
    std::vector<cops::TaskId> tasks;
    std::uint64_t seen = 0;
    while (std::popcount(seen) < static_cast<int>(harts)) {
        for (unsigned i = 0; i < 4 * harts; ++i) {
            tasks.push_back(cops::spawn(wait_where_it_is(sleepers.emplace_back()), kLevel));
        }
        co_await until_all_wait(tasks);
        for (const Sleeper& sleeper : sleepers) {
            seen |= sleeper.hart;
        }
        check(tasks.size() < 5000, "all harts take their part");
    }
    check(cops::alloc_cpu(1) == 1u, "one hart is left");
    (void)co_await cops::sleep_for(5ms);
    for (Sleeper& sleeper : sleepers) {
        sleeper.event.set();
    }
    for (const cops::TaskId task : tasks) {
        co_await cops::join(task);
    }
    // Who has woken its joiner may have been preempted on its last steps.
    for (int i = 0; i < 1000 && cops::stacks().kept != 0; ++i) {
        (void)co_await cops::sleep_for(100us);
    }
    check(cops::stacks().kept == 0, "no stack is kept any more");
    check(cops::alloc_cpu(harts) == harts, "and they come again");
}

}  // namespace

cops::Task<int> cops_main(int argc, char** argv) {
    const unsigned harts = cops::harts();
    check(argc == 2 && harts >= 2, "usage: test-block-on-harts FILE, with 2 harts or more");
    check(cops::set_priority(cops::current(), 0).has_value(), "set_priority");
    check(cops::alloc_cpu(harts) == harts, "as many harts as there are");
    for (int round = 0; round < 3; ++round) {
        co_await rings(harts);
        co_await mutex_and_requests(argv[1], harts);
        co_await harts_that_compute(harts);
        co_await harts_that_are_taken_back(harts);
    }
    std::puts("test-block-on-harts: all passed");
    co_return 0;
}
