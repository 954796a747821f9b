// SPDX-License-Identifier: Apache-2.0
// test-window: a coroutine of level 0 that computes without a pause, or many that take turns, and
// one of level 63 that has a turn in each window, if the program asks for that.
#include "check.hpp"

#include <cops/cops.hpp>

#include <chrono>
#include <vector>

using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;  // of a timebase of 1 GHz

/// Here and not in a library, where a coroutine could not be preempted.
[[gnu::always_inline]] inline std::uint64_t ticks() {
    std::uint64_t value;
    __asm__ volatile("rdtime %0" : "=r"(value));
    return value;
}

cops::Task<> compute(std::uint64_t duration) {
    const std::uint64_t begun = ticks();
    while (ticks() - begun < duration) {
    }
    co_return;
}

cops::Task<> take_turns(std::uint64_t duration) {
    const std::uint64_t begun = ticks();
    while (ticks() - begun < duration) {
        co_await cops::yield();
    }
}

cops::Task<> count(unsigned& turns, const bool& stop) {
    while (!stop) {
        ++turns;
        co_await cops::yield();
    }
}

// Never suspends: its turn ends with its slice.
cops::Task<> count_for_ever(volatile unsigned& steps, const volatile bool& stop) {
    while (!stop) {
        steps = steps + 1;
    }
    co_return;
}

/// How often the coroutine of level 63 ran beside `work`, which is all of level 0.
cops::Task<unsigned> turns_beside(std::vector<cops::Task<>> work) {
    unsigned turns = 0;
    bool stop = false;
    std::vector<cops::TaskId> urgent;
    const cops::TaskId least = cops::spawn(count(turns, stop), 63);
    for (cops::Task<>& task : work) {
        urgent.push_back(cops::spawn(std::move(task), 0));
    }
    for (const cops::TaskId id : urgent) {
        co_await cops::join(id);
    }
    const unsigned counted = turns;
    stop = true;
    co_await cops::join(least);
    co_return counted;
}

cops::Task<unsigned> turns_beside_one(std::uint64_t duration) {
    std::vector<cops::Task<>> work;
    work.push_back(compute(duration));
    co_return co_await turns_beside(std::move(work));
}

cops::Task<unsigned> turns_beside_many(std::uint64_t duration) {
    std::vector<cops::Task<>> work;
    for (int i = 0; i < 8; ++i) {
        work.push_back(take_turns(duration));
    }
    co_return co_await turns_beside(std::move(work));
}

cops::Task<> test_one_that_never_suspends() {
    volatile unsigned steps = 0;
    volatile bool stop = false;
    const cops::TaskId least = cops::spawn(count_for_ever(steps, stop), 63);
    co_await cops::join(cops::spawn(compute(kSecond / 2), 0));
    const unsigned counted = steps;
    stop = true;
    co_await cops::join(least);
    check(counted != 0, "it ran, and lost the hart again");
}

}  // namespace

cops::Task<int> cops_main(int, char**) {
    // As urgent as they: else it would be the least urgent one when it waits.
    check(cops::set_priority(cops::current(), 0).has_value(), "set_priority");
    check(co_await turns_beside_one(kSecond / 5) == 0, "none unless the program asks");
    check(co_await turns_beside_many(kSecond / 5) == 0, "none unless the program asks");
    cops::set_window(20ms);
    const unsigned beside_one = co_await turns_beside_one(kSecond / 2);
    const unsigned beside_many = co_await turns_beside_many(kSecond / 2);
    std::printf("turns beside one %u, beside many %u\n", beside_one, beside_many);
    check(beside_one >= 3 && beside_one <= 26, "one in each window beside one that computes");
    check(beside_many >= 3 && beside_many <= 26, "one in each window beside many");
    co_await test_one_that_never_suspends();
    cops::set_window(0ms);
    check(co_await turns_beside_one(kSecond / 5) <= 1, "none any more");
    std::puts("test-window: all passed");
    co_return 0;
}
