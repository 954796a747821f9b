// SPDX-License-Identifier: Apache-2.0
// futex(): threads that wait until a word of their process changes. Who waits is an operation of
// the process that sleeps, with the word's address; so the end of a process, timeouts and wakes are
// one thing. The process's lock makes "the word still has that value, so I wait" and a wake one
// after the other.
#include "arch/riscv64/csr.hpp"
#include "exec/timer.hpp"
#include "mm/user_memory.hpp"
#include "proc/schedule.hpp"
#include "syscall/io.hpp"

namespace kernel {

namespace {

constexpr std::uint64_t kCommand = 0x7f;
constexpr std::uint64_t kClockRealtime = 0x100;
constexpr std::uint64_t kWait = 0;
constexpr std::uint64_t kWake = 1;
constexpr std::uint64_t kWaitBitset = 9;
constexpr std::uint64_t kWakeBitset = 10;
constexpr std::int64_t kWoken = 1;
constexpr std::uint64_t kNever = ~std::uint64_t{0};

struct Wait {
    UserAddr word;
    std::uint32_t value;
    std::uint32_t bits;
    std::uint64_t deadline;
};

// Begins to wait, or says why not.
std::int64_t begin(Operation& operation, Waiter& waiter, const Wait& wait) {
    Process& process = *operation.owner;
    const Guard guard(process.lock);
    std::uint32_t word = 0;
    if (!copy_in(process.space, word, wait.word)) {
        return negative(Errno::fault);
    }
    if (operation.cancelled || word != wait.value) {
        return negative(operation.cancelled ? Errno::canceled : Errno::again);
    }
    operation.futex = wait.word;
    operation.futex_bits = wait.bits;
    operation.waiter = &waiter;
    operation.sleeping = true;
    timer::Sleep::add(waiter, wait.deadline);
    return 0;
}

Async<void> blocking_futex(Thread* thread, Wait wait) {
    Operation operation;
    const OperationScope scope(operation, thread->process);
    Waiter waiter;
    std::int64_t result = begin(operation, waiter, wait);
    if (result == 0) {
        const std::int64_t how = co_await Event{};
        const Guard guard(thread->process.lock);
        operation.waiter = nullptr;
        result = how == kWoken ? 0 : how == 0 ? negative(Errno::timed_out) : how;
    }
    finish_call(*thread, result);
}

std::int64_t wake(Process& process, UserAddr word, std::uint32_t count, std::uint32_t bits) {
    std::int64_t woken = 0;
    const Guard guard(process.lock);
    for (Operation* operation = process.operations.front();
         operation != nullptr && woken < std::int64_t{count};
         operation = process.operations.next(*operation)) {
        const bool waits = operation->waiter != nullptr && operation->futex == word
                           && (operation->futex_bits & bits) != 0;
        woken += waits && timer::Sleep::cancel(*operation->waiter, kWoken) ? 1 : 0;
    }
    return woken;
}

// FUTEX_WAIT's timeout is a duration, FUTEX_WAIT_BITSET's a time.
Result<std::uint64_t> deadline_of(Process& process, UserAddr timeout, std::uint64_t operation) {
    if (timeout == 0) {
        return kNever;
    }
    Time time{};
    if (!copy_in(process.space, time, timeout)) {
        return std::unexpected(Errno::fault);
    }
    if (!is_valid(time)) {
        return std::unexpected(Errno::invalid);
    }
    std::uint64_t rest = in_nanoseconds(time);
    if ((operation & kCommand) == kWaitBitset) {
        const std::uint64_t now =
            clock_now((operation & kClockRealtime) != 0 ? kRealtime : kMonotonic);
        rest = rest > now ? rest - now : 0;
    }
    return csr::now() + timer::from_nanoseconds(rest);
}

}  // namespace

std::int64_t sys_futex(Thread& thread, Arguments args) {
    Process& process = thread.process;
    const std::uint64_t command = args[1] & kCommand;
    const bool by_bits = command == kWaitBitset || command == kWakeBitset;
    const auto bits = by_bits ? static_cast<std::uint32_t>(args[5]) : ~std::uint32_t{0};
    if ((args[0] & 3) != 0 || bits == 0) {
        return negative(Errno::invalid);
    }
    switch (command) {
    case kWait:
    case kWaitBitset: {
        const Result<std::uint64_t> deadline = deadline_of(process, args[3], args[1]);
        if (!deadline) {
            return negative(deadline.error());
        }
        std::uint32_t word = 0;  // looked at again by who waits
        if (!copy_in(process.space, word, args[0])) {
            return negative(Errno::fault);
        }
        if (word != static_cast<std::uint32_t>(args[2])) {
            return negative(Errno::again);
        }
        return start_blocking(
            thread,
            blocking_futex(&thread, {args[0], static_cast<std::uint32_t>(args[2]), bits, *deadline})
        );
    }
    case kWake:
    case kWakeBitset:
        return wake(process, args[0], static_cast<std::uint32_t>(args[2]), bits);
    default:
        return negative(Errno::no_call);
    }
}

void tell_joiner(Process& process, UserAddr word) {
    const std::uint32_t none = 0;
    if (copy_out(process.space, word, none)) {
        wake(process, word, 1, ~std::uint32_t{0});
    }
}

}  // namespace kernel
