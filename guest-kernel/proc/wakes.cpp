// SPDX-License-Identifier: Apache-2.0
// Threads that begin, wait, are woken and end: every change of a thread's state.
#include "arch/riscv64/csr.hpp"
#include "exec/coroutine.hpp"
#include "proc/process.hpp"
#include "proc/run_queue.hpp"
#include "proc/schedule.hpp"

namespace kernel {

namespace {

constexpr std::uint32_t kNone = VIRTIO_COPS_LEVEL_NONE;
constexpr std::uint32_t kLeast = VIRTIO_COPS_LEVELS - 1;

// Asked of threads of other harts, which may just attach.
bool has_line(const Thread& thread) {
    return load_relaxed(thread.line) != nullptr;
}

// The hart's switching coroutine is at least as urgent as a thread that it may run.
void raise_switcher(Cpu& home, std::uint32_t level) {
    cops_executor_context* const here = &this_cpu().executor;
    const std::uint32_t own = level < kNone ? level : kLeast;
    if (static_cast<int>(own) < cops_executor_level(here, home.switcher)) {
        cops_executor_set_level(here, home.switcher, own);
    }
}

}  // namespace

void wake_switcher(Cpu& cpu, std::uint32_t level) {
    raise_switcher(cpu, level);
    wake_task(cpu.switcher);
    request_reschedule(cpu);
}

namespace {

// Out of one of these states; in any other it has its hart already, or is no more.
void run_from(Thread& thread, ThreadState one, ThreadState other) {
    Cpu* home = nullptr;
    std::uint32_t level = kNone;
    {
        const ThreadGuard guard(thread);
        home = &guard.cpu();
        RunQueue& queue = run_queue(*home);
        const ThreadState state = state_of(thread);
        if (state != one && state != other) {
            return;
        }
        // It has waited for nothing until now, and sleep saves up nothing against its equals.
        settle_accounts(*home, queue);
        store_relaxed(thread.state, ThreadState::runnable);
        thread.account.raise(least_virtual_time(*home, queue, thread));
        level = level_of(thread);
    }
    wake_switcher(*home, level);
}

}  // namespace

void request_reschedule(Cpu& cpu) {
    __atomic_fetch_or(&cpu.reschedule, 1u, __ATOMIC_RELAXED);
    if (&cpu != &this_cpu()) {
        send_ipi(std::uint64_t{1} << cpu.hart);
    }
}

void make_runnable(Thread& thread) {
    run_from(thread, ThreadState::blocked, ThreadState::parked);
}

// A completion or a kick is no end of a system call: those that are blocked stay so.
void unpark(Thread& thread) {
    run_from(thread, ThreadState::parked, ThreadState::parked);
}

void start(Thread& thread) {
    run_from(thread, ThreadState::starting, ThreadState::starting);
}

void block(Thread& thread) {
    const ThreadGuard guard(thread);
    store_relaxed(thread.state, ThreadState::blocked);
}

void retire(Thread& thread) {
    const ThreadGuard guard(thread);
    RunQueue& queue = run_queue(guard.cpu());
    queue.served = queue.served == &thread ? nullptr : queue.served;
    store_relaxed(thread.state, ThreadState::ended);
}

void finish_call(Thread& thread, std::int64_t result) {
    thread.frame.argument(0) = static_cast<std::uint64_t>(result);
    make_runnable(thread);
}

std::int64_t park(Thread& thread) {
    Cpu& cpu = this_cpu();
    const bool pending = cpu_features.user_interrupts
                         && (csr::read<csr::sip>() & csr::kUserSoftware) != 0;  // a kick, too
    if (thread.line == nullptr || pending || line_bits(*thread.line) != 0) {
        return COPS_PARK_RETRY;
    }
    bool alone = __atomic_load_n(&cpu.executor.ready, __ATOMIC_RELAXED) == 0;
    {
        const Guard guard(run_queue(cpu).lock);
        // Who wants the end of the process wakes what sleeps: not us, if we begin to after that.
        if (replace_relaxed(thread.kicked, false) || exit_is_wanted(thread.process)) {
            return COPS_PARK_RETRY;
        }
        for_each_thread(cpu, [&](const Thread& other) {
            alone = alone && (&other == &thread || !wants_hart(&other));
        });
        if (alone && cpu_features.user_interrupts) {
            store_relaxed(thread.in_wfi, true);
            return COPS_PARK_WFI;
        }
        store_relaxed(thread.state, ThreadState::parked);
    }
    // What the kernel completes comes before our lock and is seen here, or comes after it and finds
    // the state. What the host completes while the board names us, leave_thread() sees.
    if (line_bits(*thread.line) != 0) {
        unpark(thread);
    }
    return COPS_PARK_RETRY;
}

void completion_arrived(Process& process, std::uint64_t id, unsigned hart) {
    Thread* const thread = thread_on(process, hart);
    if (thread == nullptr) {
        return;
    }
    Cpu* home = nullptr;
    bool wake = false;
    std::uint32_t level = kNone;
    {
        const ThreadGuard guard(*thread);
        home = &guard.cpu();
        if (id != process.id() || state_of(*thread) == ThreadState::starting) {
            return;
        }
        level = level_of(*thread);
        wake = state_of(*thread) == ThreadState::parked
               || (state_of(*thread) == ThreadState::runnable
                   && load_relaxed(home->current) != thread);
    }
    if (wake) {
        __atomic_fetch_add(&process.counters.kernel_wakes, 1u, __ATOMIC_RELAXED);
    }
    unpark(*thread);
    if (wake || home != &this_cpu()) {
        raise_switcher(*home, level);
        request_reschedule(*home);
    }
}

void kick(Thread& thread) {
    Cpu* home = nullptr;
    {
        const ThreadGuard guard(thread);
        home = &guard.cpu();
        if (state_of(thread) == ThreadState::ended || !has_line(thread)) {
            return;
        }
        // One that is parked has its wake now; one on the way to sleep finds the mark.
        store_relaxed(thread.kicked, state_of(thread) != ThreadState::parked);
        store_relaxed(thread.in_wfi, false);
    }
    unpark(thread);
    request_reschedule(*home);
}

// One that sleeps, or else whoever is the first to want to.
void kick_another(Thread& thread) {
    if (thread.line == nullptr) {
        return;
    }
    for (unsigned hart = 0; hart < hart_limit; ++hart) {
        Thread* const other = thread_on(thread.process, hart);
        if (other == nullptr || other == &thread) {
            continue;
        }
        bool asleep = false;
        {
            const ThreadGuard guard(*other);
            asleep = state_of(*other) == ThreadState::parked || load_relaxed(other->in_wfi);
            if (has_line(*other) && state_of(*other) == ThreadState::runnable) {
                store_relaxed(other->kicked, true);
            }
        }
        if (asleep) {
            kick(*other);
            return;
        }
    }
}

void interrupted(Thread& thread, bool at_wfi) {
    const ThreadGuard guard(thread);
    // Who kicked it meanwhile has taken it for awake.
    store_relaxed(thread.in_wfi, at_wfi && !load_relaxed(thread.kicked));
}

bool take_kick(Thread& thread) {
    if (!load_relaxed(thread.kicked)) {
        return false;  // a glance: who kicks lets the hart look again
    }
    const ThreadGuard guard(thread);
    return replace_relaxed(thread.kicked, false);
}

void end_turn(Thread& thread) {
    const ThreadGuard guard(thread);
    store_relaxed(thread.turn_over, true);
}

}  // namespace kernel
