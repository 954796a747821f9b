// SPDX-License-Identifier: Apache-2.0
#include "proc/moves.hpp"

#include "base/atomic.hpp"
#include "proc/process.hpp"
#include "proc/run_queue.hpp"
#include "proc/schedule.hpp"

#include <bit>
#include <utility>

namespace kernel {

namespace {

constexpr std::uint32_t kMostUrgent = 0;  // the switching coroutine then finds the level

std::uint64_t bit(const Cpu& cpu) {
    return std::uint64_t{1} << cpu.hart;
}

template <typename Visit>
void for_threads_of(const Cpu& home, Visit visit) {
    for (unsigned i = 0; i < process_count(); ++i) {
        const Process* const process = process_at(i);
        Thread* const thread = process == nullptr ? nullptr : thread_on(*process, home.hart);
        if (thread != nullptr) {
            visit(*thread);
        }
    }
}

// From one of the two harts to the other. The first critical section ends the old runner's part:
// whoever locks a thread after it finds the new runner, and what was done before. In the second the
// new one learns of them; wakes in between are not lost, for it looks after that. Nor is a move in
// between: the wish of a hart that leaves at once was fulfilled by then, so it moves them itself.
void move_threads(Cpu& home, Cpu& from, Cpu& to, bool away) {
    {
        RunQueue& queue = run_queue(from);
        const Guard guard(queue.lock);
        settle_accounts(from, queue);
        for_threads_of(home, [&](Thread& thread) {
            queue.served = queue.served == &thread ? nullptr : queue.served;
            thread.fresh = true;  // the other hart may have old translations
        });
        store_relaxed(from.runs, from.runs & ~bit(home));
        __atomic_store_n(&home.away, away ? 1u : 0u, __ATOMIC_RELEASE);
    }
    {
        RunQueue& queue = run_queue(to);
        const Guard guard(queue.lock);
        if (&runner_of(home) != &to) {
            return;  // the hart has left again, and moved them on
        }
        settle_accounts(to, queue);
        for_threads_of(home, [&](Thread& thread) {
            thread.account = {};  // among strangers, as one that has just woken
            thread.account.raise(queue.virtual_time);
        });
        store_relaxed(to.runs, to.runs | bit(home));
    }
    wake_switcher(to, kMostUrgent);
}

}  // namespace

bool hand_threads_over(Cpu& cpu) {
    Cpu& stand_in = *cpu.stand_in;
    if (__atomic_load_n(&cpu.away, __ATOMIC_ACQUIRE) != 0) {
        // They never came: take the wish back, unless it is being fulfilled.
        const std::uint64_t wishes =
            __atomic_fetch_and(&stand_in.give_back, ~bit(cpu), __ATOMIC_ACQ_REL);
        return (wishes & bit(cpu)) != 0;
    }
    leave_thread(cpu);
    move_threads(cpu, cpu, stand_in, true);
    return true;
}

void want_threads_back(Cpu& cpu) {
    Cpu& stand_in = *cpu.stand_in;
    __atomic_fetch_or(&stand_in.give_back, bit(cpu), __ATOMIC_ACQ_REL);
    wake_switcher(stand_in, kMostUrgent);
}

void give_threads_back(Cpu& cpu) {
    if (!cpu.stands_in || load_relaxed(cpu.give_back) == 0) {
        return;
    }
    std::uint64_t homes = __atomic_exchange_n(&cpu.give_back, std::uint64_t{0}, __ATOMIC_ACQ_REL);
    for (; homes != 0; homes &= homes - 1) {
        Cpu& home = *cpus[std::countr_zero(homes)];
        const Thread* const current = load_relaxed(cpu.current);
        if (current != nullptr && &current->home == &home) {
            leave_thread(cpu);
        }
        move_threads(home, cpu, home, false);
    }
}

}  // namespace kernel
