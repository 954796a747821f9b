// SPDX-License-Identifier: Apache-2.0
// A wake to another hart, which sleeps: until the woken coroutine runs there. pthreads.c does the
// same with threads on two harts.
#include <cops/cops.hpp>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <vector>

namespace {

constexpr int kWakes = 2000;
constexpr int kWarmUp = 20;
constexpr std::uint64_t kSleeps = 100'000;  // ns: so long that the other hart sleeps again

std::atomic<int> answers = 0;
std::atomic<bool> stop = false;

cops::Task<> answer() {
    while (co_await cops::suspend(), !stop) {
        ++answers;
    }
}

void wait_ns(std::uint64_t nanoseconds) {
    const std::uint64_t begun = cops::time_now();
    while (cops::time_now() - begun < nanoseconds) {
    }
}

}  // namespace

cops::Task<int> cops_main(int, char**) {
    if (cops::alloc_cpu(2) != 2u) {
        std::puts("failed: two harts are needed");
        co_return 1;
    }
    // As urgent as the other: who wakes keeps its hart, so the other has to run elsewhere.
    const cops::TaskId other = cops::spawn(answer(), cops::kMainLevel);
    (void)co_await cops::sleep_for(std::chrono::milliseconds(10));
    std::vector<double> times;
    for (int i = -kWarmUp; i < kWakes; ++i) {
        wait_ns(kSleeps);
        const int before = answers;
        const std::uint64_t begun = cops::time_now();
        cops::wake(other);
        while (answers == before) {
        }
        if (i >= 0) {
            times.push_back(static_cast<double>(cops::time_now() - begun));
        }
    }
    stop = true;
    cops::wake(other);
    co_await cops::join(other);
    std::ranges::sort(times);
    std::printf(
        "op cross ops=1 batches=%d p50=%.2f p99=%.2f most=%.2f\nend\n",
        kWakes,
        times[kWakes / 2],
        times[kWakes * 99 / 100],
        times.back()
    );
    co_return 0;
}
