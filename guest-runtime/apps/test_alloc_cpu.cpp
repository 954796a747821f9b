// SPDX-License-Identifier: Apache-2.0
// test-alloc-cpu FILE ROUNDS: asks for all harts that the guest may have, again and again, and
// gives them back, while coroutines compute, sleep, read and wait for each other on those that
// there are. FILE holds bytes 0, 1, ..., 255, 0, ....
//
// test-alloc-cpu refused: asks for all and expects to get none but its own.
//
// test-alloc-cpu die: asks for all and ends at once, whatever runs.
//
// test-alloc-cpu pulse MILLISECONDS: computes and sleeps in turn, for others to feel.
#include "check.hpp"

#include <cops/cops.hpp>

#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <vector>

using namespace std::chrono_literals;

namespace {

/// Here and not in a library, where a coroutine could not be preempted.
[[gnu::always_inline]] inline std::uint64_t ticks() {
    std::uint64_t value;
    __asm__ volatile("rdtime %0" : "=r"(value));
    return value;
}

[[gnu::always_inline]] inline void compute_for(std::uint64_t nanoseconds) {
    const std::uint64_t begin = ticks();
    while (ticks() - begin < nanoseconds) {
    }
}

struct Work {
    int fd = -1;
    std::atomic<std::uint64_t> sum = 0;
    std::atomic<std::uint64_t> ended = 0;
    std::atomic<std::uint64_t> harts = 0;  // seen
    cops::Mutex mutex;
    std::uint64_t guarded = 0;
};

constexpr std::uint64_t kTerms = 20'000;

// Long enough to be preempted, and with something in floating point.
[[gnu::noinline]] std::uint64_t add_up(std::uint64_t seed) {
    double half = 0;
    std::uint64_t sum = 0;
    for (std::uint64_t n = 0; n < kTerms; ++n) {
        sum += (seed + n) & 0xff;
        half += 0.5;
        __asm__ volatile("" : "+r"(sum));
    }
    return sum + static_cast<std::uint64_t>(half);
}

constexpr std::uint64_t expected(std::uint64_t seed) {
    std::uint64_t sum = kTerms / 2;
    for (std::uint64_t n = 0; n < kTerms; ++n) {
        sum += (seed + n) & 0xff;
    }
    return sum;
}

cops::Task<> use(Work& work, std::uint64_t seed) {
    work.harts |= std::uint64_t{1} << cops::hart();
    check(add_up(seed) == expected(seed), "the sum is right wherever it was computed");
    unsigned char buffer[32];
    const auto got = co_await cops::read(
        work.fd, std::as_writable_bytes(std::span(buffer)), static_cast<std::int64_t>(seed % 900)
    );
    check(got && *got == sizeof buffer, "a read comes back to the coroutine that asked");
    for (std::size_t i = 0; i < sizeof buffer; ++i) {
        check(
            buffer[i] == static_cast<unsigned char>(seed % 900 + i), "with the bytes of its place"
        );
    }
    check((co_await cops::sleep_for(std::chrono::microseconds(seed % 700))).has_value(), "sleep");
    work.harts |= std::uint64_t{1} << cops::hart();
    {
        const cops::Mutex::Guard guard = co_await work.mutex.lock();
        const std::uint64_t before = work.guarded;
        if (seed % 4 == 0) {
            co_await cops::yield();
        }
        work.guarded = before + 1;
    }
    work.sum += seed;
    ++work.ended;
}

cops::Task<int> run(const char* file, int rounds) {
    const unsigned most = cops::harts();
    check(cops::set_priority(cops::current(), 0).has_value(), "set_priority");
    const auto fd = co_await cops::open(file, O_RDONLY);
    check(fd.has_value(), "open");
    Work work;
    work.fd = *fd;
    constexpr std::uint64_t kCoroutines = 40;
    unsigned highest = 0;
    std::uint64_t seeds = 0;
    for (int round = 0; round < rounds; ++round) {
        cops::TaskGroup group;
        for (std::uint64_t i = 0; i < kCoroutines; ++i) {
            const auto seed = static_cast<std::uint64_t>(round) * kCoroutines + i;
            seeds += seed;
            check(
                group.spawn(use(work, seed), static_cast<unsigned>(10 + i % 40)).has_value(),
                "spawn"
            );
            if (i == kCoroutines / 4) {
                const auto granted = cops::alloc_cpu(most);
                check(
                    granted && *granted >= 1 && *granted <= most, "as many as it may have at most"
                );
                highest = std::max(highest, *granted);
                co_await cops::yield();
            }
        }
        if (round % 3 == 2) {
            check(cops::alloc_cpu(1) == 1u, "what is not wanted is given back");
        }
        check((co_await group.join()).has_value(), "join");
        check(work.ended == static_cast<std::uint64_t>(round + 1) * kCoroutines, "nobody is lost");
    }
    check(work.sum == seeds, "everybody ended once");
    check(work.guarded == work.ended, "one at a time held the mutex");
    std::printf(
        "test-alloc-cpu: all passed, highest=%u harts=%llx\n",
        highest,
        static_cast<unsigned long long>(work.harts.load())
    );
    co_return highest > 1 || most == 1 ? 0 : 3;
}

cops::Task<int> refused() {
    check(cops::harts() > 1, "there could be more");
    check(cops::alloc_cpu(cops::harts()) == 1u, "there is nothing to spare");
    check(cops::alloc_cpu(1000) == 1u, "whatever it asks for");
    std::puts("test-alloc-cpu: refused");
    co_return 0;
}

cops::Task<> compute_for_ever() {
    for (;;) {
        compute_for(1'000'000);
    }
    co_return;
}

cops::Task<int> die() {
    for (unsigned i = 0; i < 2 * cops::harts(); ++i) {
        cops::spawn(compute_for_ever(), 40);
    }
    check(cops::alloc_cpu(cops::harts()).has_value(), "alloc_cpu");
    co_await cops::yield();
    std::_Exit(5);
}

cops::Task<int> pulse(std::chrono::milliseconds total) {
    const auto rounds = total / 20ms;
    for (long n = 0; n < rounds; ++n) {
        compute_for(10'000'000);
        check((co_await cops::sleep_for(10ms)).has_value(), "sleep");
    }
    std::puts("test-alloc-cpu: pulsed");
    co_return 0;
}

}  // namespace

cops::Task<int> cops_main(int argc, char** argv) {
    if (argc == 2 && std::strcmp(argv[1], "refused") == 0) {
        co_return co_await refused();
    }
    if (argc == 2 && std::strcmp(argv[1], "die") == 0) {
        co_return co_await die();
    }
    check(argc == 3, "usage: test-alloc-cpu FILE ROUNDS | refused | die | pulse MILLISECONDS");
    if (std::strcmp(argv[1], "pulse") == 0) {
        co_return co_await pulse(std::chrono::milliseconds(std::atoi(argv[2])));
    }
    co_return co_await run(argv[1], std::atoi(argv[2]));
}
