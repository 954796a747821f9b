// SPDX-License-Identifier: Apache-2.0
// What the user timer costs a coroutine that computes: a tick after which it goes on (tick), and
// one after which another has the hart, from the last step of one to the first of the other
// (preempt). pthreads.c does the same with a timer's signals.
#include "interrupt_entry.hpp"

#include <cops/cops.hpp>

#include <algorithm>
#include <cstdio>
#include <vector>

extern "C" {
/// Entries of the user interrupt handler.
volatile std::uint64_t bench_interrupts = 0;
}

BENCH_INTERRUPT_ENTRY(R"(
    lla t1, bench_interrupts
    ld t0, 0(t1)
    addi t0, t0, 1
    sd t0, 0(t1)
)");

namespace {

constexpr std::size_t kSwitches = 400;
constexpr std::size_t kWarmUp = 20;

struct Turns {
    volatile std::uint64_t last[2] = {};  // when each was last seen to run
    volatile unsigned runner = 0;
    std::vector<double> times;
};

// Here and not in a library, where a coroutine is not preempted.
[[gnu::always_inline]] inline std::uint64_t ticks() {
    std::uint64_t value;
    __asm__ volatile("rdtime %0" : "=r"(value) : : "memory");
    return value;
}

cops::Task<> compute(Turns& turns, unsigned self) {
    turns.last[self] = ticks();
    while (turns.times.size() < kWarmUp + kSwitches) {
        std::uint64_t now = ticks();
        if (turns.runner != self) {
            now = ticks();  // the one before may be from an earlier turn
            turns.runner = self;
            turns.times.push_back(static_cast<double>(now - turns.last[1 - self]));
        }
        turns.last[self] = now;
    }
    co_return;
}

cops::Task<> compute_alone(std::vector<double>& times) {
    std::uint64_t seen = bench_interrupts;
    std::uint64_t last = ticks();
    while (times.size() < kWarmUp + kSwitches) {
        std::uint64_t now = ticks();
        if (bench_interrupts != seen) {
            seen = bench_interrupts;
            now = ticks();
            times.push_back(static_cast<double>(now - last));
        }
        last = now;
    }
    co_return;
}

void print(const char* name, const std::vector<double>& all) {
    std::vector<double> times(all.begin() + kWarmUp, all.begin() + kWarmUp + kSwitches);
    std::ranges::sort(times);
    std::printf(
        "op %s ops=1 batches=%zu p50=%.2f p99=%.2f most=%.2f\n",
        name,
        kSwitches,
        times[kSwitches / 2],
        times[kSwitches * 99 / 100],
        times.back()
    );
}

}  // namespace

cops::Task<int> cops_main(int, char**) {
    if (!cops::has_user_interrupts()) {
        std::puts("failed: the N extension is needed");
        co_return 1;
    }
    use_bench_interrupt_entry();
    Turns turns;
    turns.times.reserve(kWarmUp + kSwitches + 2);
    const cops::TaskId one = cops::spawn(compute(turns, 0), cops::kMainLevel);
    const cops::TaskId other = cops::spawn(compute(turns, 1), cops::kMainLevel);
    co_await cops::join(one);
    co_await cops::join(other);
    print("preempt", turns.times);
    std::vector<double> alone;
    alone.reserve(kWarmUp + kSwitches);
    co_await cops::join(cops::spawn(compute_alone(alone), cops::kMainLevel));
    print("tick", alone);
    std::puts("end");
    co_return 0;
}
