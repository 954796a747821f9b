// SPDX-License-Identifier: Apache-2.0
// Two coroutines that compute for ever take turns by the user timer: from the last step of one to
// the first of the other. pthreads.c does the same with a timer's signals.
#include <cops/cops.hpp>

#include <algorithm>
#include <cstdio>
#include <vector>

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

}  // namespace

cops::Task<int> cops_main(int, char**) {
    Turns turns;
    turns.times.reserve(kWarmUp + kSwitches + 2);
    const cops::TaskId one = cops::spawn(compute(turns, 0), cops::kMainLevel);
    const cops::TaskId other = cops::spawn(compute(turns, 1), cops::kMainLevel);
    co_await cops::join(one);
    co_await cops::join(other);
    std::vector<double> times(turns.times.begin() + kWarmUp, turns.times.end());
    times.resize(kSwitches);
    std::ranges::sort(times);
    std::printf(
        "op preempt ops=1 batches=%zu p50=%.2f p99=%.2f most=%.2f\nend\n",
        kSwitches,
        times[kSwitches / 2],
        times[kSwitches * 99 / 100],
        times.back()
    );
    co_return 0;
}
