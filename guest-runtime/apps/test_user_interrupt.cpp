// SPDX-License-Identifier: Apache-2.0
// test-user-interrupt FILE: a coroutine that spins without a call is interrupted in user mode by
// the completion of a host read, with no entry into the kernel on the way.
#include "check.hpp"

#include <cops/cops.hpp>

#include <array>

using namespace std::chrono_literals;

namespace {

constexpr unsigned kUrgent = 2;
constexpr unsigned kPatient = 40;

struct Shared {
    std::uint64_t seen = 0;  // Completions before the round.
    bool interrupted = false;
    bool trapped = true;
    bool got_data = false;
};

cops::Task<> reader(int fd, Shared& shared) {
    // The host's timer first, so that the other coroutine is spinning when the completion comes.
    check((co_await cops::sleep_for(2ms)).has_value(), "sleep");
    std::array<std::byte, 64> buffer{};
    const cops::Result<std::size_t> count = co_await cops::read(fd, buffer, 0);
    check(count.has_value(), "read");
    shared.got_data = *count != 0;
}

std::uint64_t traps() {
    const cops::Result<cops_kernel_counters> counters = cops::kernel_counters();
    check(counters.has_value(), "COPS_SYS_COUNTERS");
    return counters->supervisor_traps;
}

// Looks at memory only: the handler writes the counters, nobody calls. When the completion came
// before this coroutine ran, there is nothing to wait for and the round does not count.
cops::Task<> spinner(Shared& shared) {
    const auto& by_interrupt = cops::counters().interrupt_completions;
    const std::uint64_t traps_before = traps();
    const std::uint64_t before = __atomic_load_n(&by_interrupt, __ATOMIC_RELAXED);
    while (completions_seen() == shared.seen) {
    }
    const std::uint64_t after = __atomic_load_n(&by_interrupt, __ATOMIC_RELAXED);
    shared.interrupted = after != before;
    shared.trapped =
        traps() - traps_before != 1;  // The second call that counts is itself one entry.
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
        shared.seen = completions_seen();
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
