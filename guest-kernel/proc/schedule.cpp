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

#include <algorithm>
#include <bit>
#include <utility>

namespace kernel {

namespace {

constexpr std::uint32_t kNone = VIRTIO_COPS_LEVEL_NONE;
constexpr std::uint32_t kLeast = VIRTIO_COPS_LEVELS - 1;
// Kernel coroutines work for processes that are less urgent, too, and those may have a share.
constexpr Limits kKernelLimits{.share = 10};

// Guards the state and account of the threads of one hart, and what follows here.
struct RunQueue {
    SpinLock lock{Rank::run_queue};
    const Thread* served = nullptr;  // had the hart since `since`
    std::uint64_t since = 0;
    std::uint64_t virtual_time = 0;  // the largest that was picked
    Account kernel;                  // of kernel coroutines less urgent than what runs
};
constinit RunQueue run_queues[kMaxHarts];

std::uint64_t bit(std::uint32_t level) {
    return level < VIRTIO_COPS_LEVELS ? std::uint64_t{1} << level : 0;
}

std::uint64_t line_bits(const virtio_cops_line& line) {
    return __atomic_load_n(&line.ready, __ATOMIC_RELAXED)
           | __atomic_load_n(&line.wake_pending, __ATOMIC_RELAXED);
}

bool is_runnable(const Thread* thread) {
    return thread != nullptr && thread->state == ThreadState::runnable;
}

bool wants_hart(const Thread* thread) {
    return is_runnable(thread) && level_of(*thread) < kNone;
}

// Of the process with that index, on the hart; null when it has none there.
Thread* thread_at(unsigned index, const Cpu& cpu) {
    const Process* const process = process_at(index);
    return process == nullptr ? nullptr : thread_on(*process, cpu.hart);
}

// What a thread that wakes begins with: as much as its equal that had least.
std::uint64_t least_virtual_time(const Cpu& cpu, const RunQueue& queue, const Thread& woken) {
    const std::uint32_t level = level_of(woken);
    std::uint64_t least = ~std::uint64_t{0};
    for (unsigned i = 0; i < process_count(); ++i) {
        const Thread* const thread = thread_at(i, cpu);
        if (thread != &woken && is_runnable(thread) && level_of(*thread) == level) {
            least = std::min(least, thread->account.virtual_time());
        }
    }
    return least == ~std::uint64_t{0} ? queue.virtual_time : least;
}

// Puts the time since the last look to the accounts of those who had it and those who waited.
void settle_accounts(Cpu& cpu, RunQueue& queue) {
    const std::uint64_t now = csr::now();
    const std::uint64_t passed = now - std::exchange(queue.since, now);
    const std::uint64_t slice = timer::tick();
    std::uint32_t shares = 0;
    for (unsigned i = 0; i < process_count(); ++i) {
        const Thread* const thread = thread_at(i, cpu);
        shares += wants_hart(thread) ? thread->process.limits.share : 0;
    }
    if (__atomic_load_n(&cpu.executor.ready, __ATOMIC_RELAXED) != 0) {
        queue.kernel.waited(passed, kKernelLimits, kKernelLimits.share, slice);
    }
    for (unsigned i = 0; i < process_count(); ++i) {
        Thread* const thread = thread_at(i, cpu);
        if (thread == nullptr) {
            continue;
        }
        if (thread == queue.served) {
            // Who computes is looked at at each tick; the rest of a longer time it slept.
            thread->account.ran(std::min(passed, 2 * slice), thread->process.limits, shares);
        } else if (wants_hart(thread)) {
            thread->account.waited(passed, thread->process.limits, shares, slice);
        }
    }
}

/// A thread that may run, and what is known of it at this moment.
struct Choice {
    Thread* thread = nullptr;
    std::uint32_t level = kNone;
    std::uint64_t others = 0;  // levels of the rest

    bool due() const { return thread->account.due() && level < kNone; }
};

// Due ones before more urgent ones, then by level; among equals who had least for its weight.
bool comes_before(const Choice& one, const Choice& other) {
    if (one.due() != other.due()) {
        return one.due();
    }
    if (one.level != other.level) {
        return one.level < other.level;
    }
    if (one.thread->turn_over != other.thread->turn_over) {
        return other.thread->turn_over;
    }
    return one.thread->account.virtual_time() < other.thread->account.virtual_time();
}

// Its equals have waited for their turn: whoever gave one away is among them again. It cannot have
// the hart for long because it had little of it in the past.
void came_first(Cpu& cpu, RunQueue& queue, const Choice& best) {
    const std::uint64_t longest = Limits::kMaxWeight * timer::tick();
    for (unsigned i = 0; i < process_count(); ++i) {
        Thread* const thread = thread_at(i, cpu);
        if (thread == best.thread || !is_runnable(thread) || level_of(*thread) != best.level) {
            continue;
        }
        thread->turn_over = false;
        const std::uint64_t theirs = thread->account.virtual_time();
        best.thread->account.raise(theirs - std::min(theirs, longest));
    }
    best.thread->turn_over = false;
    queue.virtual_time = std::max(queue.virtual_time, best.thread->account.virtual_time());
}

// The thread that runs next on the hart.
Choice pick(Cpu& cpu) {
    RunQueue& queue = run_queues[cpu.hart];
    const Guard guard(queue.lock);
    settle_accounts(cpu, queue);
    Choice best;
    std::uint64_t levels = 0;
    for (unsigned i = 0; i < process_count(); ++i) {
        Thread* const thread = thread_at(i, cpu);
        if (!is_runnable(thread)) {
            continue;
        }
        const Choice one{.thread = thread, .level = level_of(*thread)};
        if (best.thread == nullptr || comes_before(one, best)) {
            levels |= bit(best.level);
            best = one;
        } else {
            levels |= bit(one.level);
        }
    }
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
        __asm__ volatile("sfence.vma" : : : "memory");
        csr::fence_instructions();
    }
    if (thread.uses_float && cpu.float_owner != &thread) {
        load_thread_float(cpu, thread);
    }
    cpu.current = &thread;
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
    const bool due = choice.due();
    const std::uint64_t kernel_work = __atomic_load_n(&cpu.executor.ready, __ATOMIC_RELAXED);
    if (cpu.kernel_line != nullptr) {
        // A hint for the executor, which looks at every switch. Who is due has the hart for now.
        const std::uint64_t others = kernel_work | (due ? 0 : choice.others);
        __atomic_store_n(&cpu.kernel_line->others, others, __ATOMIC_RELAXED);
    }
    if (cpu.board != nullptr) {
        // The thread's own line speaks for it; without one the kernel does, and for those more
        // urgent that wait.
        const std::uint64_t own =
            (thread.line != nullptr ? 0 : bit(level)) | (due ? choice.others : 0);
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
    RunQueue& queue = run_queues[cpu.hart];
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
    while (cpu.current == &thread && thread.state == ThreadState::runnable) {
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

// The hart's switching coroutine is at least as urgent as a thread that it may run.
void raise_switcher(Cpu& home, std::uint32_t level) {
    cops_executor_context* const here = &this_cpu().executor;
    const std::uint32_t own = level < kNone ? level : kLeast;
    if (static_cast<int>(own) < cops_executor_level(here, home.switcher)) {
        cops_executor_set_level(here, home.switcher, own);
    }
}

// Out of one of these states; in any other it has its hart already, or is no more.
void run_from(Thread& thread, ThreadState one, ThreadState other) {
    Cpu& home = thread.home;
    std::uint32_t level = kNone;
    {
        RunQueue& queue = run_queues[home.hart];
        const Guard guard(queue.lock);
        if (thread.state != one && thread.state != other) {
            return;
        }
        // It has waited for nothing until now, and sleep saves up nothing against its equals.
        settle_accounts(home, queue);
        thread.state = ThreadState::runnable;
        thread.account.raise(least_virtual_time(home, queue, thread));
        level = level_of(thread);
    }
    raise_switcher(home, level);
    wake_task(home.switcher);
    request_reschedule(home);
}

// Kernel coroutines that wait behind more urgent processes have waited long enough.
bool kernel_is_due(Cpu& cpu) {
    RunQueue& queue = run_queues[cpu.hart];
    const Guard guard(queue.lock);
    return queue.kernel.due() && cops_executor_best(&cpu.executor) < kNone;
}

void kernel_ran(Cpu& cpu, std::uint64_t time) {
    RunQueue& queue = run_queues[cpu.hart];
    const Guard guard(queue.lock);
    queue.kernel.ran(time, kKernelLimits, kKernelLimits.share);
}

// Runs the threads of its hart, at the level of the best of them: so kernel coroutines that are
// as urgent come first, and less urgent ones wait.
Async<void> switching() {
    for (;;) {
        Cpu& cpu = this_cpu();
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
            choice.due() && choice.others != 0
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
        return thread.in_wfi ? kNone : kDefaultLevel;
    }
    const auto best = static_cast<std::uint32_t>(std::countr_zero(bits));
    return std::max(best, process.limits.ceiling);
}

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
    const Guard guard(run_queues[thread.home.hart].lock);
    thread.state = ThreadState::blocked;
}

void retire(Thread& thread) {
    RunQueue& queue = run_queues[thread.home.hart];
    const Guard guard(queue.lock);
    queue.served = queue.served == &thread ? nullptr : queue.served;
    thread.state = ThreadState::ended;
}

void finish_call(Thread& thread, std::int64_t result) {
    thread.frame.argument(0) = static_cast<std::uint64_t>(result);
    make_runnable(thread);
}

std::int64_t park(Thread& thread) {
    Cpu& cpu = thread.home;
    const bool pending = cpu_features.user_interrupts
                         && (csr::read<csr::sip>() & csr::kUserSoftware) != 0;  // a kick, too
    if (thread.line == nullptr || pending || line_bits(*thread.line) != 0) {
        return COPS_PARK_RETRY;
    }
    bool alone = __atomic_load_n(&cpu.executor.ready, __ATOMIC_RELAXED) == 0;
    {
        const Guard guard(run_queues[cpu.hart].lock);
        // Who wants the end of the process wakes what sleeps: not us, if we begin to after that.
        if (std::exchange(thread.kicked, false) || exit_is_wanted(thread.process)) {
            return COPS_PARK_RETRY;
        }
        for (unsigned i = 0; i < process_count() && alone; ++i) {
            const Thread* const other = thread_at(i, cpu);
            alone = other == &thread || !wants_hart(other);
        }
        if (alone && cpu_features.user_interrupts) {
            thread.in_wfi = true;
            return COPS_PARK_WFI;
        }
        thread.state = ThreadState::parked;
    }
    // Partners: whoever completes lists the slot, raises wake_pending, then looks at the state (the
    // kernel) or at board.process (the host; leave_thread() withdraws that and looks again).
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
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
    Cpu& home = thread->home;
    bool wake = false;
    std::uint32_t level = kNone;
    {
        const Guard guard(run_queues[home.hart].lock);
        if (id != process.id() || thread->state == ThreadState::starting) {
            return;
        }
        level = level_of(*thread);
        wake = thread->state == ThreadState::parked
               || (thread->state == ThreadState::runnable && home.current != thread);
    }
    if (wake) {
        __atomic_fetch_add(&process.counters.kernel_wakes, 1u, __ATOMIC_RELAXED);
    }
    unpark(*thread);
    if (wake || &home != &this_cpu()) {
        raise_switcher(home, level);
        request_reschedule(home);
    }
}

void kick(Thread& thread) {
    {
        const Guard guard(run_queues[thread.home.hart].lock);
        if (thread.state == ThreadState::ended || thread.line == nullptr) {
            return;
        }
        // One that is parked has its wake now; one on the way to sleep finds the mark.
        thread.kicked = thread.state != ThreadState::parked;
        thread.in_wfi = false;
    }
    unpark(thread);
    request_reschedule(thread.home);
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
            const Guard guard(run_queues[hart].lock);
            asleep = other->state == ThreadState::parked || other->in_wfi;
            other->kicked |= other->line != nullptr && other->state == ThreadState::runnable;
        }
        if (asleep) {
            kick(*other);
            return;
        }
    }
}

bool take_kick(Thread& thread) {
    if (!thread.kicked) {
        return false;  // a glance: who kicks lets the hart look again
    }
    const Guard guard(run_queues[thread.home.hart].lock);
    return std::exchange(thread.kicked, false);
}

void end_turn(Thread& thread) {
    const Guard guard(run_queues[thread.home.hart].lock);
    thread.turn_over = true;
}

void leave_thread(Cpu& cpu) {
    Thread* const thread = cpu.current;
    if (thread == nullptr) {
        return;
    }
    save_float_if_dirty(*thread);
    leave_user_interrupts(cpu, *thread);
    cpu.current = nullptr;
    set_satp(kernel_satp());
    if (cpu.board != nullptr) {
        virtio_cops_line* const line = thread->line;
        virtio_cops::switch_process(*cpu.board, 0, nullptr);
        // What the host put up while the board still named the process comes to light here.
        if (line != nullptr && __atomic_load_n(&line->wake_pending, __ATOMIC_RELAXED) != 0
            && thread->state == ThreadState::parked) {
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
    for (unsigned i = 0; i < process_count(); ++i) {
        const Thread* const thread = thread_at(i, cpu);
        if (thread != nullptr && thread->state == ThreadState::blocked) {
            best = std::min(best, level_of(*thread));
        }
    }
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
