// SPDX-License-Identifier: Apache-2.0
// bench_handoff: nanoseconds from a thread that gives its turn to another by a futex to that one
// going on, with both on one CPU and with each on its own. Prints, for each batch of hand-offs,
//   same|cross NANOSECONDS
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <thread>
#include <vector>

namespace {

constexpr unsigned kBatches = 40;
constexpr unsigned kRounds = 1000;  // of a batch; each is two hand-offs

void keep_to(unsigned cpu) {
    ::cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    ::pthread_setaffinity_np(::pthread_self(), sizeof set, &set);
}

/// Whose turn it is. Both threads store and load it; the futex call compares it once more.
std::atomic<std::uint32_t> turn{0};

void futex(int operation, std::uint32_t value) {
    ::syscall(
        SYS_futex, reinterpret_cast<std::uint32_t*>(&turn), operation, value, nullptr, nullptr, 0
    );
}

void pass_to(std::uint32_t other) {
    turn.store(other, std::memory_order_release);
    futex(FUTEX_WAKE_PRIVATE, 1);
}

void wait_for(std::uint32_t mine) {
    for (std::uint32_t now = 0; (now = turn.load(std::memory_order_acquire)) != mine;) {
        futex(FUTEX_WAIT_PRIVATE, now);
    }
}

void measure(const char* name, unsigned first, unsigned second) {
    turn = 0;
    std::thread partner([second] {
        keep_to(second);
        for (unsigned i = 0; i < kBatches * kRounds; ++i) {
            wait_for(1);
            pass_to(0);
        }
    });
    keep_to(first);
    for (unsigned batch = 0; batch < kBatches; ++batch) {
        const auto begun = std::chrono::steady_clock::now();
        for (unsigned i = 0; i < kRounds; ++i) {
            pass_to(1);
            wait_for(0);
        }
        const std::chrono::duration<double, std::nano> took =
            std::chrono::steady_clock::now() - begun;
        std::printf("%s %.1f\n", name, took.count() / (2 * kRounds));
    }
    partner.join();
}

}  // namespace

int main() {
    ::cpu_set_t allowed;
    ::sched_getaffinity(0, sizeof allowed, &allowed);
    std::vector<unsigned> cpus;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &allowed)) {
            cpus.push_back(cpu);
        }
    }
    measure("same", cpus[0], cpus[0]);
    if (cpus.size() > 1) {
        measure("cross", cpus[0], cpus[1]);
    }
    return 0;
}
