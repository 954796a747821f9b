// SPDX-License-Identifier: Apache-2.0
#include "proc/schedule.hpp"

#include "arch/riscv64/csr.hpp"
#include "arch/riscv64/page_table.hpp"
#include "base/log.hpp"
#include "driver/shared_words.hpp"
#include "drivers/cops_device.hpp"
#include "exec/cores.hpp"
#include "exec/coroutine.hpp"
#include "exec/hart.hpp"
#include "exec/timer.hpp"
#include "mm/frames.hpp"
#include "proc/moves.hpp"
#include "proc/process.hpp"
#include "proc/run_queue.hpp"
#include "proc/trap.hpp"
#include "proc/user_interrupts.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace kernel {

namespace {

constexpr std::uint32_t kNone = VIRTIO_COPS_LEVEL_NONE;
constexpr std::uint32_t kLeast = VIRTIO_COPS_LEVELS - 1;

std::uint64_t bit(std::uint32_t level) {
    return level < VIRTIO_COPS_LEVELS ? std::uint64_t{1} << level : 0;
}

/// A thread that may run, and what is known of it at this moment.
struct Choice {
    Thread* thread = nullptr;
    std::uint32_t level = kNone;
    bool due = false;          // it has saved up its share, and is not asleep
    std::uint64_t others = 0;  // levels of the rest
};

// Due ones before more urgent ones, then by level; among equals who had least for its weight.
bool comes_before(const Choice& one, const Choice& other) {
    if (one.due != other.due) {
        return one.due;
    }
    if (one.level != other.level) {
        return one.level < other.level;
    }
    const bool other_gave_way = load_relaxed(other.thread->turn_over);
    if (load_relaxed(one.thread->turn_over) != other_gave_way) {
        return other_gave_way;
    }
    return one.thread->account.virtual_time() < other.thread->account.virtual_time();
}

// Its equals have waited for their turn: whoever gave one away is among them again. It cannot have
// the hart for long because it had little of it in the past.
void came_first(Cpu& cpu, RunQueue& queue, const Choice& best) {
    const std::uint64_t longest = Limits::kMaxWeight * timer::tick();
    for_each_thread(cpu, [&](Thread& thread) {
        if (&thread == best.thread || !is_runnable(&thread) || level_of(thread) != best.level) {
            return;
        }
        store_relaxed(thread.turn_over, false);
        const std::uint64_t theirs = thread.account.virtual_time();
        best.thread->account.raise(theirs - std::min(theirs, longest));
    });
    store_relaxed(best.thread->turn_over, false);
    queue.virtual_time = std::max(queue.virtual_time, best.thread->account.virtual_time());
}

// The thread that runs next on the hart.
Choice pick(Cpu& cpu) {
    RunQueue& queue = run_queue(cpu);
    const Guard guard(queue.lock);
    settle_accounts(cpu, queue);
    Choice best;
    std::uint64_t levels = 0;
    for_each_thread(cpu, [&](Thread& thread) {
        if (!is_runnable(&thread)) {
            return;
        }
        const std::uint32_t level = level_of(thread);
        const Choice one{
            .thread = &thread, .level = level, .due = thread.account.due() && level < kNone
        };
        if (best.thread == nullptr || comes_before(one, best)) {
            levels |= bit(best.level);
            best = one;
        } else {
            levels |= bit(one.level);
        }
    });
    best.others = levels;
    queue.served = nullptr;  // until it runs
    if (best.thread != nullptr) {
        came_first(cpu, queue, best);
    }
    return best;
}

void save_float_if_dirty(Thread& thread) {
    if ((thread.frame.status & csr::kFloatMask) == csr::kFloatDirty) {
        csr::set<csr::sstatus>(csr::kFloatDirty);
        save_float(&thread.floats);
        thread.frame.status = (thread.frame.status & ~csr::kFloatMask) | csr::kFloatClean;
    }
}

void switch_to(Cpu& cpu, Thread& thread) {
    if (cpu.current == &thread) {
        return;
    }
    const AddressSpace& space = thread.process.space;
    leave_thread(cpu);
    __atomic_fetch_add(&thread.process.counters.switches, 1u, __ATOMIC_RELAXED);
    const std::uint32_t needed = static_cast<std::uint32_t>(std::bit_width(space.asid()));
    set_satp(space.satp());
    if (thread.fresh || needed > cpu_features.address_space_bits) {
        thread.fresh = false;
        flush_translations();
        csr::fence_instructions();
    }
    if (thread.uses_float && (cpu.float_owner != &thread || thread.float_cpu != &cpu)) {
        load_thread_float(cpu, thread);
    }
    store_relaxed(cpu.current, &thread);
    enter_user_interrupts(cpu, thread);
}

// At what level a timer or a device wakes the hart.
void publish_wake_level(Cpu& cpu, std::uint32_t level) {
    const std::uint32_t wake = level < kNone ? level : kDefaultLevel;
    __atomic_store_n(&cpu.board->timer_level, wake, __ATOMIC_RELAXED);
    __atomic_store_n(&cpu.board->irq_level, wake, __ATOMIC_RELAXED);
}

// The words that the host and the process see while it runs.
void publish_running(Cpu& cpu, const Choice& choice) {
    const Thread& thread = *choice.thread;
    const std::uint32_t level = choice.level;
    const std::uint64_t kernel_work = __atomic_load_n(&cpu.executor.ready, __ATOMIC_RELAXED);
    if (thread.home.kernel_line != nullptr) {
        // A hint for the executor, which looks at every switch. Who is due has the hart for now.
        const std::uint64_t others = kernel_work | (choice.due ? 0 : choice.others);
        __atomic_store_n(&thread.home.kernel_line->others, others, __ATOMIC_RELAXED);
    }
    if (cpu.board != nullptr) {
        // The thread's own line speaks for it where the host looks; else the kernel does, and for
        // those more urgent that wait.
        const bool speaks = thread.line != nullptr && &thread.home == &cpu;
        const std::uint64_t own = (speaks ? 0 : bit(level)) | (choice.due ? choice.others : 0);
        __atomic_store_n(&cpu.board->ceiling, thread.process.limits.ceiling, __ATOMIC_RELAXED);
        publish_wake_level(cpu, level);
        __atomic_store_n(&cpu.board->ready, kernel_work | own, __ATOMIC_RELAXED);
    }
}

std::uint32_t take_reschedule(Cpu& cpu) {
    return __atomic_exchange_n(&cpu.reschedule, 0u, __ATOMIC_RELAXED);
}

// From here on the time is the thread's.
void serve(Cpu& cpu, const Thread& thread) {
    RunQueue& queue = run_queue(cpu);
    const Guard guard(queue.lock);
    queue.served = &thread;
}

// Runs the thread until it no longer runs, or somebody else may be more urgent.
void run_thread(Cpu& cpu, const Choice& choice) {
    Thread& thread = *choice.thread;
    const std::uint32_t level = choice.level;
    serve(cpu, thread);
    switch_to(cpu, thread);
    cpu.running_level = level;
    // Off the hart it may become another one at any time.
    while (cpu.current == &thread && state_of(thread) == ThreadState::runnable) {
        if (exit_is_wanted(thread.process)) {
            end_thread(thread);
            return;
        }
        if (level >= kNone) {
            timer::program_for_idle(cpu);
        } else {
            timer::program_for_process(cpu);
        }
        deliver_user_interrupt(cpu, thread);
        publish_running(cpu, choice);
        send_kicks();
        set_board_flags(cpu, 0);
        enter_user(&thread.frame);
        set_board_flags(cpu, VIRTIO_COPS_BOARD_F_CRITICAL);
        __atomic_fetch_add(&thread.process.counters.traps, 1u, __ATOMIC_RELAXED);
        handle_trap(cpu, thread);
        const std::uint32_t reschedule = take_reschedule(cpu);
        thread.upcalls.tick = thread.upcalls.tick || reschedule > 1;
        if (reschedule != 0 || cops_executor_best(&cpu.executor) <= level) {
            return;
        }
    }
}

// Kernel coroutines that wait behind more urgent processes have waited long enough.
bool kernel_is_due(Cpu& cpu) {
    RunQueue& queue = run_queue(cpu);
    const Guard guard(queue.lock);
    return queue.kernel.due() && cops_executor_best(&cpu.executor) < kNone;
}

void kernel_ran(Cpu& cpu, std::uint64_t time) {
    RunQueue& queue = run_queue(cpu);
    const Guard guard(queue.lock);
    queue.kernel.ran(time, kKernelLimits, kKernelLimits.share);
}

// Runs the threads of its hart, at the level of the best of them: so kernel coroutines that are
// as urgent come first, and less urgent ones wait.
Async<void> switching() {
    for (;;) {
        Cpu& cpu = this_cpu();
        give_threads_back(cpu);
        if (must_leave(cpu)) {
            co_await Suspend{};  // until the hart is granted again
            continue;
        }
        const std::uint32_t reschedule = take_reschedule(cpu);
        const Choice choice = pick(cpu);
        if (choice.thread == nullptr) {
            co_await Suspend{};
            continue;
        }
        choice.thread->upcalls.tick = choice.thread->upcalls.tick || reschedule > 1;
        if (kernel_is_due(cpu)) {
            const std::uint64_t begin = csr::now();
            cops_executor_set_level(&cpu.executor, cpu.switcher, cops_executor_best(&cpu.executor));
            co_await Yield{};
            kernel_ran(cpu, csr::now() - begin);
            continue;
        }
        // Behind one that is due more urgent ones wait: kernel work comes before those, not before
        // it.
        const std::uint32_t level =
            choice.due && choice.others != 0
                ? std::min(
                      choice.level, static_cast<std::uint32_t>(std::countr_zero(choice.others))
                  )
                : choice.level;
        const std::uint32_t own = level < kNone ? level : kLeast;
        cops_executor_set_level(&cpu.executor, cpu.switcher, own);
        if (cops_executor_best(&cpu.executor) <= own) {
            co_await Yield{};
            continue;
        }
        run_thread(cpu, choice);
    }
}

}  // namespace

Result<void> init_scheduler() {
    const PhysAddr boards = frames::allocate_zeroed();
    const PhysAddr lines = frames::allocate_zeroed();
    if (boards == 0 || lines == 0) {
        return std::unexpected(Errno::no_memory);
    }
    set_kernel_page(lines);
    for (unsigned hart = 0; hart < hart_limit; ++hart) {
        Cpu& cpu = *cpus[hart];
        cpu.board = direct<virtio_cops_board>(boards) + hart;
        cpu.kernel_line = direct<cops_kernel_line>(lines) + hart;
        cpu.board->timer_level = kDefaultLevel;
        cpu.board->irq_level = kDefaultLevel;
        cpu.executor.published = &cpu.board->ready;
    }
    return {};
}

std::uint32_t level_of(const Thread& thread) {
    const Process& process = thread.process;
    if (exit_is_wanted(process)) {
        return 0;  // what it holds is waited for; it does not run any more, whatever its ceiling
    }
    const virtio_cops_line* const line = __atomic_load_n(&thread.line, __ATOMIC_RELAXED);
    if (line == nullptr) {
        return kDefaultLevel;
    }
    const std::uint64_t bits = line_bits(*line);
    if (bits == 0) {
        // Asleep in user mode, or about to show what it has: before its first coroutine, between
        // two, or kicked. At the least level it would never come to show it while others compute.
        return load_relaxed(thread.in_wfi) ? kNone : kDefaultLevel;
    }
    const auto best = static_cast<std::uint32_t>(std::countr_zero(bits));
    return std::max(best, process.limits.ceiling);
}

void leave_thread(Cpu& cpu) {
    Thread* const thread = cpu.current;
    if (thread == nullptr) {
        return;
    }
    save_float_if_dirty(*thread);
    leave_user_interrupts(cpu, *thread);
    store_relaxed<Thread*>(cpu.current, nullptr);
    set_satp(kernel_satp());
    if (cpu.board != nullptr) {
        virtio_cops_line* const line = thread->line;
        virtio_cops::switch_process(*cpu.board, 0, nullptr);
        // What the host put up while the board still named the process comes to light here.
        if (line != nullptr && __atomic_load_n(&line->wake_pending, __ATOMIC_RELAXED) != 0
            && state_of(*thread) == ThreadState::parked) {
            unpark(*thread);
        }
    }
}

void set_board_flags(Cpu& cpu, std::uint32_t flags) {
    if (cpu.board != nullptr) {
        __atomic_store_n(&cpu.board->flags, flags, __ATOMIC_RELAXED);
    }
}

void publish_idle(Cpu& cpu) {
    if (cpu.kernel_line != nullptr) {
        __atomic_store_n(&cpu.kernel_line->others, std::uint64_t{0}, __ATOMIC_RELAXED);
    }
    if (cpu.board == nullptr) {
        return;
    }
    // What wakes the hart may end a system call; the thread's coroutines that are ready wait for
    // that.
    std::uint32_t best = kNone;
    for_each_thread(cpu, [&](const Thread& thread) {
        if (state_of(thread) == ThreadState::blocked) {
            best = std::min(best, level_of(thread));
        }
    });
    publish_wake_level(cpu, best);
}

Result<void> start_switching() {
    for (unsigned hart = 0; hart < hart_limit; ++hart) {
        Cpu& cpu = *cpus[hart];
        if (!cpu.exists) {
            continue;
        }
        // Not the least level: the host would see a guest that still boots behind everybody's work.
        cpu.switcher = spawn_on(cpu, switching(), kDefaultLevel, COPS_SPAWN_PINNED);
        if (cpu.switcher == 0) {
            return std::unexpected(Errno::no_memory);
        }
    }
    return {};
}

}  // namespace kernel
