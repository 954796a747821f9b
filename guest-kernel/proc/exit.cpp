// SPDX-License-Identifier: Apache-2.0
// The end of processes: bits leave line and board, requests drain, then memory goes.
#include "arch/riscv64/csr.hpp"
#include "arch/riscv64/page_table.hpp"
#include "arch/riscv64/sbi.hpp"
#include "base/atomic.hpp"
#include "base/log.hpp"
#include "drivers/cops_device.hpp"
#include "exec/cores.hpp"
#include "exec/timer.hpp"
#include "mm/frames.hpp"
#include "proc/process.hpp"
#include "proc/schedule.hpp"
#include "syscall/syscall.hpp"

namespace kernel {

namespace {

constexpr std::int32_t kFirstPid = 1;
constexpr std::uint32_t kShutdownLevel = 0;
constexpr std::uint32_t kTerminated = 128 + 15;  // as a process that SIGTERM ended
constexpr const char* kEnded = "; ended by signal ";

// Processes that ended and are not buried, by index. The undertaker sleeps while it is empty.
constinit std::uint64_t ended = 0;  // atomic
constinit cops_task_id undertaker_task = 0;
constinit bool power_off_asked = false;  // atomic

// Awaits an Async whose frame may not be had at first: nothing else can be done than to try again.
#define COPS_INSIST(expression)                                                                    \
    for (;;) {                                                                                     \
        auto attempt = (expression);                                                               \
        if (attempt.valid()) {                                                                     \
            co_await attempt;                                                                      \
            break;                                                                                 \
        }                                                                                          \
        co_await timer::Pause{};                                                                   \
    }

template <typename... Pieces>
void say_of(const Process& process, const Pieces&... pieces) {
    say("process ", process.pid, " (", process.name, "): ", pieces...);
}

void cancel_operations_locked(Process& process) {
    process.killed = true;
    for (Operation* operation = process.operations.front(); operation != nullptr;
         operation = process.operations.next(*operation)) {
        cancel_operation_locked(*operation);
    }
}

// The first to ask says with which status. What the threads wait for is given up.
// In one step: afterwards it may be another process.
void begin_exit(Process& process, std::int32_t pid, std::uint32_t status) {
    const Guard guard(process.lock);
    if (process.exit_wanted || process.state != ProcessState::alive || process.pid != pid) {
        return;
    }
    process.exit_status = status & 0xff;
    __atomic_store_n(&process.exit_wanted, true, __ATOMIC_RELAXED);
    cancel_operations_locked(process);
    for (unsigned hart = 0; hart < hart_limit; ++hart) {
        Thread* const thread = thread_on(process, hart);
        if (thread != nullptr && load_relaxed(thread->state) != ThreadState::ended) {
            make_runnable(*thread);
            request_reschedule(runner_of(thread->home));
        }
    }
}

bool has_operations(Process& process) {
    const Guard guard(process.lock);
    return !process.operations.empty() || __atomic_load_n(&process.promised, __ATOMIC_RELAXED) != 0;
}

void free_attachment(Process& process) {
    Attachment& attachment = process.attachment;
    if (attachment.line_page != 0) {
        frames::release(attachment.line_page);
    }
    for (unsigned i = 0; i < attachment.heads_count; ++i) {
        frames::release(attachment.heads_pages[i]);
    }
    for (unsigned i = 0; i < attachment.slot_page_count; ++i) {
        frames::release(attachment.slot_pages[i]);
    }
    attachment = {};
}

void print_stats() {
    for (unsigned i = 0; i < kMaxProcesses; ++i) {
        if (const Process* const process = process_at(i)) {
            const ProcessCounters& c = process->counters;
            say("kernel: process ",
                i,
                " traps ",
                c.traps,
                " submissions ",
                c.submissions,
                " by-kernel ",
                c.completed_by_kernel,
                " switches ",
                c.switches,
                " wakes ",
                c.kernel_wakes);
        }
    }
    say("kernel: frames ",
        frames::total(),
        " free ",
        frames::available(),
        " pinned ",
        frames::pinned(),
        " coroutines ",
        kernel_coroutines());
}

bool all_ended() {
    for (unsigned i = 0; i < kMaxProcesses; ++i) {
        const Process* const process = process_at(i);
        if (process != nullptr && process->state != ProcessState::unused
            && process->state != ProcessState::zombie) {
            return false;
        }
    }
    return true;
}

void forget_children(std::int32_t parent) {
    for (unsigned i = 0; i < kMaxProcesses; ++i) {
        Process* const process = process_at(i);
        if (process != nullptr && process->parent == parent) {
            process->parent = 0;
            if (process->state == ProcessState::zombie) {
                forget_process(*process);
            }
        }
    }
}

Async<void> bury(Process* dead) {
    Process& process = *dead;
    for (;;) {
        {
            // Again each time: the control queue has room for so many cancellations at once.
            const Guard guard(process.lock);
            cancel_operations_locked(process);
        }
        if (!has_operations(process)) {
            break;
        }
        co_await timer::Pause{};
    }
    process.files.clear();
    if (cops_device::present()) {
        COPS_INSIST(cops_device::drain(process))
        if (process.attachment.registered) {
            COPS_INSIST(cops_device::detach(process.id()))
        }
    }
    if (replace_relaxed(process.harts_wanted, 0u) > own_harts()) {
        COPS_INSIST(cops_device::alloc_cpu())
    }
    free_attachment(process);
    process.space.clear();
    const std::int32_t pid = process.pid;
    forget_children(pid);
    info("process ", pid, " (", process.name, ") ended with status ", process.exit_status);
    {
        const Guard guard(process.exit_waiters.lock());
        process.state = ProcessState::zombie;
        process.exit_waiters.signal_all_locked(0);
    }
    if (pid != kFirstPid && process.parent == 0) {
        forget_process(process);
    }
}

Async<void> shut_down(std::uint32_t status) {
    for (;;) {
        for (unsigned i = 0; i < kMaxProcesses; ++i) {
            // In each round: a process may have been starting in the one before.
            Process* const process = process_at(i);
            if (process != nullptr && !exit_is_wanted(*process)) {
                kill_process(*process, process->pid);
            }
        }
        const std::uint64_t more = __atomic_exchange_n(&ended, std::uint64_t{0}, __ATOMIC_ACQUIRE);
        for (unsigned i = 0; i < kMaxProcesses; ++i) {
            if ((more >> i & 1) != 0) {
                COPS_INSIST(bury(process_at(i)))
            }
        }
        if (all_ended() && cops_device::in_flight() == 0) {
            break;
        }
        co_await timer::Pause{};
    }
    if (stats_wanted()) {
        print_stats();
    }
    sbi::shutdown(status == 0 ? sbi::kNoReason : sbi::kStatusReason | status);
}

// A first process that is ending anyway keeps its status.
std::uint32_t end_first_process() {
    Process* const first = find_process(kFirstPid);
    if (first == nullptr) {
        return kTerminated;
    }
    begin_exit(*first, kFirstPid, kTerminated);
    return exit_is_wanted(*first) ? first->exit_status : kTerminated;
}

// One coroutine, made at boot, buries everybody: so an end needs no memory.
Async<void> undertaker() {
    for (;;) {
        const std::uint64_t some = __atomic_exchange_n(&ended, std::uint64_t{0}, __ATOMIC_ACQUIRE);
        if (some == 0) {
            if (__atomic_load_n(&power_off_asked, __ATOMIC_ACQUIRE)) {
                const std::uint32_t status = end_first_process();
                COPS_INSIST(shut_down(status))
            }
            co_await Suspend{};
            continue;
        }
        for (unsigned i = 0; i < kMaxProcesses; ++i) {
            if ((some >> i & 1) == 0) {
                continue;
            }
            Process* const process = process_at(i);
            const bool first = process->pid == kFirstPid;
            COPS_INSIST(bury(process))
            if (first) {
                const std::uint32_t status = process->exit_status;
                __atomic_fetch_or(&ended, some & ~((std::uint64_t{2} << i) - 1), __ATOMIC_RELAXED);
                COPS_INSIST(shut_down(status))
            }
        }
    }
}

}  // namespace

Result<void> init_exit() {
    undertaker_task = spawn(undertaker(), kShutdownLevel);
    if (undertaker_task == 0) {
        return std::unexpected(Errno::no_memory);
    }
    return {};
}

bool cancel_operation_locked(Operation& operation) {
    __atomic_store_n(&operation.cancelled, true, __ATOMIC_RELAXED);
    if (operation.waiter != nullptr) {
        if (operation.sleeping) {
            timer::Sleep::cancel(*operation.waiter, negative(Errno::canceled));
        } else {
            operation.waiter->list->cancel(*operation.waiter, negative(Errno::canceled));
        }
    }
    return cops_device::cancel_operation(operation);
}

void exit_process(Thread& thread, std::uint32_t status) {
    begin_exit(thread.process, thread.process.pid, status);
    end_thread(thread);
}

void process_ended(Process& process) {
    __atomic_fetch_or(&ended, std::uint64_t{1} << process.index, __ATOMIC_RELEASE);
    wake_task(undertaker_task);
}

void ask_power_off() {
    __atomic_store_n(&power_off_asked, true, __ATOMIC_RELEASE);
    if (undertaker_task != 0) {
        wake_task(undertaker_task);  // else it looks when it begins
    }
}

void kill_process(Process& process, std::int32_t pid) {
    begin_exit(process, pid, 128 + 9);
}

void end_by_fault(Thread& thread, const Fault& fault) {
    const Process& process = thread.process;
    const std::uint64_t pc = thread.frame.pc;
    const char* const colon = fault.why == nullptr ? "" : ": ";
    const char* const why = fault.why == nullptr ? "" : fault.why;
    if (fault.access == nullptr) {
        say_of(process, fault.what, " at pc ", Hex{pc}, colon, why, kEnded, fault.signal);
    } else {
        say_of(
            process,
            fault.access,
            " ",
            Hex{fault.address},
            ": ",
            fault.what,
            " at pc ",
            Hex{pc},
            colon,
            why,
            " (ra ",
            Hex{thread.frame.reg(1)},
            ", sp ",
            Hex{thread.frame.reg(2)},
            ")",
            kEnded,
            fault.signal
        );
    }
    exit_process(thread, 128 + fault.signal);
}

}  // namespace kernel
