// SPDX-License-Identifier: Apache-2.0
// test-wake-paths FILE: makes completions arrive by each of the three paths and counts them.
#include "check.hpp"

#include <cops/cops.hpp>

#include <array>

using namespace std::chrono_literals;

namespace {

constexpr int kRounds = 50;

cops::Task<> read_once(int fd) {
    std::array<std::byte, 512> buffer;
    check((co_await cops::read(fd, buffer, 0)).has_value(), "read");
}

// Long enough for the spinner to start.
cops::Task<> sleep_once() {
    check((co_await cops::sleep_for(1ms)).has_value(), "sleep");
}

// Spins without a call until a completion waits in the line, or was taken by whoever came first.
cops::Task<> until_completed(std::uint64_t seen) {
    const std::uint64_t* pending = &cops::detail::context()->line->wake_pending;
    while (__atomic_load_n(pending, __ATOMIC_RELAXED) == 0 && completions_seen() == seen) {
    }
    co_return;
}

cops::Task<> sleep_beside_a_spinner(unsigned sleep_level, unsigned spin_level) {
    for (int i = 0; i < kRounds; ++i) {
        const std::uint64_t seen = completions_seen();
        const cops::TaskId sleep = cops::spawn(sleep_once(), sleep_level);
        const cops::TaskId spin = cops::spawn(until_completed(seen), spin_level);
        co_await cops::join(spin);
        co_await cops::join(sleep);
    }
}

// Reads at the file position are the kernel's business.
cops::Task<> kernel_path(int fd) {
    std::array<std::byte, 16> buffer;
    for (int i = 0; i < kRounds; ++i) {
        check((co_await cops::read(fd, buffer)).has_value(), "read at the file position");
    }
}

cops::Task<> idle_path(int fd) {
    for (int i = 0; i < kRounds; ++i) {
        co_await read_once(fd);
    }
}

}  // namespace

cops::Task<int> cops_main(int argc, char** argv) {
    check(argc == 2, "usage: test-wake-paths FILE");
    const cops::Result<int> fd = co_await cops::open(argv[1], O_RDONLY);
    check(fd.has_value(), "open");
    // No more urgent than what runs: the executor finds it at its next switch.
    co_await sleep_beside_a_spinner(30, 30);
    // More urgent than what runs: the host interrupts.
    co_await sleep_beside_a_spinner(2, 40);
    co_await kernel_path(*fd);
    co_await idle_path(*fd);
    const cops_executor_counters& counters = cops::counters();
    std::printf(
        "wake-paths ring=%lu user_interrupt=%lu kernel=%lu stale=%lu\n",
        counters.ring_completions,
        counters.interrupt_completions,
        counters.kernel_completions,
        counters.stale_completions
    );
    check(counters.ring_completions != 0, "ring path");
    check(counters.interrupt_completions != 0, "user interrupt path");
    check(counters.kernel_completions != 0, "kernel path");
    check(counters.stale_completions == 0, "no completion was stale");
    co_return 0;
}
