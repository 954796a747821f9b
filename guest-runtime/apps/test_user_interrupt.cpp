// SPDX-License-Identifier: Apache-2.0
// test-user-interrupt FILE: a coroutine that spins without a call is interrupted in user mode by
// the completion of a host read, with no entry into the kernel on the way.
#include "check.hpp"

#include <cops/cops.hpp>

#include <array>
#include <atomic>

using namespace std::chrono_literals;

namespace {

constexpr unsigned kUrgent = 2;
constexpr unsigned kPatient = 40;

struct Shared {
    std::atomic<bool> resumed = false;  // The reader runs again after its sleep.
    std::uint64_t interrupts = 0;       // Completions by interrupt and entries into the kernel
    std::uint64_t traps = 0;            // that it saw then.
    bool interrupted = false;
    bool trapped = true;
    bool got_data = false;
};

std::uint64_t traps() {
    const auto counters = cops::kernel_counters();
    check(counters.has_value(), "kernel_counters");
    return counters->supervisor_traps;
}

std::uint64_t interrupts() {
    return __atomic_load_n(&cops::counters().interrupt_completions, __ATOMIC_RELAXED);
}

cops::Task<> reader(int fd, Shared& shared) {
    // The host's timer first, so that the other coroutine is spinning when the completion comes.
    check((co_await cops::sleep_for(2ms)).has_value(), "sleep");
    shared.interrupts = interrupts();
    shared.traps = traps();
    shared.resumed.store(true, std::memory_order_relaxed);
    std::array<std::byte, 64> buffer{};
    const cops::Result<std::size_t> count = co_await cops::read(fd, buffer, 0);
    check(count.has_value(), "read");
    shared.got_data = *count != 0;
}

// Spins without a call until the reader has taken the hart from it.
cops::Task<> spinner(Shared& shared) {
    const std::uint64_t traps_before = traps();
    const std::uint64_t before = interrupts();
    while (!shared.resumed.load(std::memory_order_relaxed)) {
    }
    shared.interrupted = shared.interrupts != before;
    shared.trapped = shared.traps - traps_before != 1;  // Reading the count is itself one entry.
    co_return;
}

}  // namespace

cops::Task<int> cops_main(int argc, char** argv) {
    check(argc == 2, "usage: test-user-interrupt FILE");
    const cops::Result<int> fd = co_await cops::open(argv[1], O_RDONLY);
    check(fd.has_value(), "open");
    // Many rounds: a timer tick or an early completion may spoil any of them, and neither is a
    // fault.
    constexpr int kRounds = 100;
    int interrupted = 0;
    int clean = 0;
    for (int round = 0; round < kRounds; ++round) {
        Shared shared;
        const cops::TaskId read = cops::spawn(reader(*fd, shared), kUrgent);
        const cops::TaskId spin = cops::spawn(spinner(shared), kPatient);
        co_await cops::join(spin);
        co_await cops::join(read);
        check(shared.got_data, "the read gave its data");
        interrupted += shared.interrupted;
        clean += shared.interrupted && !shared.trapped;
    }
    const cops_executor_counters& counters = cops::counters();
    std::printf(
        "user-interrupt mode=%s rounds=%d interrupted=%d without_trap=%d handler_entries=%lu\n",
        cops::has_user_interrupts() ? "hardware" : "upcall",
        kRounds,
        interrupted,
        clean,
        counters.interrupts
    );
    check(interrupted > 0, "a completion interrupted the spinning coroutine");
    check(!cops::has_user_interrupts() || clean > 0, "one came without an entry into the kernel");
    co_return 0;
}
