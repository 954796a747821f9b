// SPDX-License-Identifier: Apache-2.0
#include "proc/schedule.hpp"

#include "arch/riscv64/csr.hpp"
#include "arch/riscv64/page_table.hpp"
#include "base/log.hpp"
#include "driver/shared_words.hpp"
#include "drivers/cops_device.hpp"
#include "exec/coroutine.hpp"
#include "exec/hart.hpp"
#include "exec/timer.hpp"
#include "mm/frames.hpp"
#include "proc/process.hpp"
#include "proc/trap.hpp"
#include "proc/user_interrupts.hpp"

#include <bit>

namespace kernel {

namespace {

constexpr std::uint32_t kNone = VIRTIO_COPS_LEVEL_NONE;
constexpr std::uint32_t kLeast = VIRTIO_COPS_LEVELS - 1;

constinit std::uint32_t ceiling = 0;

// Guards the state and last_turn of the processes of one hart.
struct RunQueue {
    SpinLock lock{Rank::run_queue};
};
constinit RunQueue run_queues[kMaxHarts];

std::uint64_t bit(std::uint32_t level) {
    return level < VIRTIO_COPS_LEVELS ? std::uint64_t{1} << level : 0;
}

std::uint64_t line_bits(const Process& process) {
    const virtio_cops_line& line = *process.attachment.line;
    return __atomic_load_n(&line.ready, __ATOMIC_RELAXED)
           | __atomic_load_n(&line.wake_pending, __ATOMIC_RELAXED);
}

// The best runnable process of the hart, least recently run first among equals. Collects the
// levels of the rest.
Process* pick(Cpu& cpu, std::uint32_t* level, std::uint64_t* others) {
    const Guard guard(run_queues[cpu.hart].lock);
    Process* best = nullptr;
    std::uint64_t levels = 0;
    *level = kNone + 1;
    for (unsigned i = 0; i < kMaxProcesses; ++i) {
        Process* const process = process_at(i);
        if (process == nullptr || process->home != &cpu
            || process->state != ProcessState::runnable) {
            continue;
        }
        const std::uint32_t own = level_of(*process);
        if (own < *level || (own == *level && process->last_turn < best->last_turn)) {
            levels |= best == nullptr ? 0 : bit(*level);
            best = process;
            *level = own;
        } else {
            levels |= bit(own);
        }
    }
    *others = levels;
    return best;
}

void save_float_if_dirty(Process& process) {
    if ((process.frame.status & csr::kFloatMask) == csr::kFloatDirty) {
        csr::set<csr::sstatus>(csr::kFloatDirty);
        save_float(&process.floats);
        process.frame.status = (process.frame.status & ~csr::kFloatMask) | csr::kFloatClean;
    }
}

void switch_to(Cpu& cpu, Process& process) {
    if (cpu.current == &process) {
        return;
    }
    leave_process(cpu);
    ++process.counters.switches;
    const std::uint32_t needed = static_cast<std::uint32_t>(std::bit_width(process.space.asid()));
    set_satp(process.space.satp());
    if (process.fresh || needed > cpu_features.address_space_bits) {
        process.fresh = false;
        __asm__ volatile("sfence.vma" : : : "memory");
        csr::fence_instructions();
    }
    if (process.uses_float && cpu.float_owner != &process) {
        load_process_float(cpu, process);
    }
    cpu.current = &process;
    enter_user_interrupts(cpu, process);
}

// The words that the host and the process see while it runs.
void publish_running(Cpu& cpu, Process& process, std::uint32_t level, std::uint64_t others) {
    const std::uint64_t kernel_work = __atomic_load_n(&cpu.executor.ready, __ATOMIC_RELAXED);
    if (cpu.kernel_line != nullptr) {
        // A hint for the executor, which looks at every switch.
        __atomic_store_n(&cpu.kernel_line->others, kernel_work | others, __ATOMIC_RELAXED);
    }
    if (cpu.board != nullptr) {
        // The process's own line speaks for it; without one the kernel does.
        const std::uint64_t own = process.attachment.done ? 0 : bit(level);
        const std::uint32_t wake = level < kNone ? level : kDefaultLevel;
        __atomic_store_n(&cpu.board->ceiling, ceiling, __ATOMIC_RELAXED);
        __atomic_store_n(&cpu.board->timer_level, wake, __ATOMIC_RELAXED);
        __atomic_store_n(&cpu.board->irq_level, wake, __ATOMIC_RELAXED);
        __atomic_store_n(&cpu.board->ready, kernel_work | own, __ATOMIC_RELAXED);
    }
}

std::uint32_t take_reschedule(Cpu& cpu) {
    return __atomic_exchange_n(&cpu.reschedule, 0u, __ATOMIC_RELAXED);
}

// Runs the process until it no longer runs, or somebody else may be more urgent.
void run_process(Cpu& cpu, Process& process, std::uint32_t level, std::uint64_t others) {
    switch_to(cpu, process);
    cpu.running_level = level;
    while (process.state == ProcessState::runnable) {
        if (process.exit_wanted) {
            exit_process(process, 128 + 9);
            return;
        }
        if (level >= kNone) {
            timer::program_for_idle(cpu);
        } else {
            timer::program_for_process(cpu);
        }
        deliver_user_interrupt(cpu, process);
        publish_running(cpu, process, level, others);
        send_kicks();
        enter_user(&process.frame);
        ++process.counters.traps;
        handle_trap(cpu, process);
        const std::uint32_t reschedule = take_reschedule(cpu);
        if (reschedule > 1) {
            end_turn(process);
        }
        if (reschedule != 0 || cops_executor_best(&cpu.executor) <= level) {
            return;
        }
    }
}

// Runs the processes of its hart, at the level of the best of them: so kernel coroutines that are
// as urgent come first, and less urgent ones wait.
Async<void> switching() {
    for (;;) {
        Cpu& cpu = this_cpu();
        take_reschedule(cpu);
        std::uint32_t level = kNone;
        std::uint64_t others = 0;
        Process* const process = pick(cpu, &level, &others);
        if (process == nullptr) {
            co_await Suspend{};
            continue;
        }
        const std::uint32_t own = level < kNone ? level : kLeast;
        cops_executor_set_level(&cpu.executor, cpu.switcher, own);
        if (cops_executor_best(&cpu.executor) <= own) {
            co_await Yield{};
            continue;
        }
        run_process(cpu, *process, level, others);
    }
}

}  // namespace

void set_ceiling(std::uint32_t level) {
    ceiling = level < VIRTIO_COPS_LEVELS ? level : kLeast;
}

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

std::uint32_t level_of(const Process& process) {
    if (!process.attachment.done) {
        return process.fixed_level;
    }
    const std::uint64_t bits = line_bits(process);
    if (bits == 0) {
        // Asleep in user mode, or about to show what it has: before its first coroutine or between
        // two. At the least level it would never come to show it while others compute.
        return process.in_wfi ? kNone : process.fixed_level;
    }
    const auto best = static_cast<std::uint32_t>(std::countr_zero(bits));
    return best < ceiling ? ceiling : best;
}

void request_reschedule(Cpu& cpu) {
    __atomic_fetch_or(&cpu.reschedule, 1u, __ATOMIC_RELAXED);
    if (&cpu != &this_cpu()) {
        send_ipi(std::uint64_t{1} << cpu.hart);
    }
}

void make_runnable(Process& process) {
    Cpu& home = *process.home;
    {
        const Guard guard(run_queues[home.hart].lock);
        if (process.state != ProcessState::blocked && process.state != ProcessState::parked
            && process.state != ProcessState::starting) {
            return;
        }
        process.state = ProcessState::runnable;
    }
    const std::uint32_t level = level_of(process);
    cops_executor_context* const here = &this_cpu().executor;
    const std::uint32_t own = level < kNone ? level : kLeast;
    if (static_cast<int>(own) < cops_executor_level(here, home.switcher)) {
        cops_executor_set_level(here, home.switcher, own);
    }
    wake_task(home.switcher);
    request_reschedule(home);
}

void block(Process& process) {
    const Guard guard(run_queues[process.home->hart].lock);
    process.state = ProcessState::blocked;
}

void finish_call(Process& process, std::int64_t result) {
    process.frame.argument(0) = static_cast<std::uint64_t>(result);
    make_runnable(process);
}

std::int64_t park(Process& process) {
    Cpu& cpu = *process.home;
    if (!process.attachment.done || line_bits(process) != 0) {
        return COPS_PARK_RETRY;
    }
    bool alone = __atomic_load_n(&cpu.executor.ready, __ATOMIC_RELAXED) == 0;
    {
        const Guard guard(run_queues[cpu.hart].lock);
        for (unsigned i = 0; i < kMaxProcesses && alone; ++i) {
            const Process* const other = process_at(i);
            alone = other == nullptr || other == &process || other->home != &cpu
                    || other->state != ProcessState::runnable || level_of(*other) == kNone;
        }
        if (alone && cpu_features.user_interrupts) {
            process.in_wfi = true;
            return COPS_PARK_WFI;
        }
        process.state = ProcessState::parked;
    }
    // Partners: whoever completes lists the slot, raises wake_pending, then looks at the state (the
    // kernel) or at board.process (the host; leave_process() withdraws that and looks again).
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (line_bits(process) != 0) {
        make_runnable(process);
    }
    return COPS_PARK_RETRY;
}

void completion_arrived(Process& process, std::uint64_t id) {
    Cpu& home = *process.home;
    bool wake = false;
    {
        const Guard guard(run_queues[home.hart].lock);
        if (id != process.id()) {
            return;
        }
        wake = process.state == ProcessState::parked
               || (process.state == ProcessState::runnable && home.current != &process);
        process.counters.kernel_wakes += wake ? 1 : 0;
    }
    make_runnable(process);
    if (wake || &home != &this_cpu()) {
        const std::uint32_t level = level_of(process);
        cops_executor_context* const here = &this_cpu().executor;
        if (static_cast<int>(level) < cops_executor_level(here, home.switcher)) {
            cops_executor_set_level(here, home.switcher, level);
        }
        request_reschedule(home);
    }
}

void end_turn(Process& process) {
    process.last_turn = ++process.home->turn;
}

void leave_process(Cpu& cpu) {
    Process* const process = cpu.current;
    if (process == nullptr) {
        return;
    }
    save_float_if_dirty(*process);
    leave_user_interrupts(cpu, *process);
    cpu.current = nullptr;
    set_satp(kernel_satp());
    if (cpu.board != nullptr) {
        virtio_cops_line* const line =
            process->attachment.done ? process->attachment.line : nullptr;
        virtio_cops::switch_process(*cpu.board, 0, nullptr);
        // What the host put up while the board still named the process comes to light here.
        if (line != nullptr && __atomic_load_n(&line->wake_pending, __ATOMIC_RELAXED) != 0
            && process->state == ProcessState::parked) {
            make_runnable(*process);
        }
    }
}

void publish_idle(Cpu& cpu) {
    if (cpu.kernel_line != nullptr) {
        __atomic_store_n(&cpu.kernel_line->others, std::uint64_t{0}, __ATOMIC_RELAXED);
    }
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
