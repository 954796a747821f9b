// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "arch/riscv64/cpu.hpp"
#include "base/types.hpp"
#include "proc/share.hpp"

#include <virtio_cops/virtio_cops.h>

#include <cstdint>

namespace kernel {

struct Process;

enum class ThreadState : std::uint8_t {
    ended,     ///< There is none.
    starting,  ///< Being made.
    runnable,  ///< Wants its hart, or has it.
    blocked,   ///< A kernel coroutine does its system call.
    parked,    ///< Nothing ready inside; a completion or a kick makes it runnable.
};

/// State of the N extension that belongs to the thread. ustatus is part of the frame's status.
struct UserInterruptState {
    std::uint64_t uie = 0;
    std::uint64_t utvec = 0;
    std::uint64_t uscratch = 0;
    std::uint64_t uepc = 0;
    std::uint64_t ucause = 0;
    std::uint64_t utval = 0;
    std::uint64_t utimecmp = ~std::uint64_t{0};
    bool software_pending = false;
};

/// Where the hart has no user interrupts, the kernel enters their handler.
struct Upcalls {
    UserAddr handler = 0;
    bool in_handler = false;
    bool tick = false;  // the handler is to be entered for one
    UserAddr interrupted_pc = 0;
};

/// A thread of control of a process, on one hart; a process has one on each hart at most. Objects
/// are reused, never freed, and stay with their process object: a stale pointer meets another
/// thread and does it no harm.
struct Thread : NoCopy {
    Thread(Process& owner, Cpu& hart)
        : process(owner)
        , home(hart) {}

    Process& process;
    Cpu& home;  ///< Whose line it has, and where it runs, unless that hart is away (runner_of()).
    std::int32_t tid = 0;  // constant while it lives

    // Guarded by a run-queue lock, ThreadGuard (run_queue.hpp). Atomic: some glance without it.
    alignas(4) ThreadState state = ThreadState::ended;
    bool turn_over = false;  ///< Gave its turn away: its equals come first, once.
    bool in_wfi = false;     ///< Sleeps in user mode while its line shows nothing.
    bool kicked = false;     ///< Another thread has work for it: its next sleep ends at once.
    // Guarded by it.
    Account account;

    // Of the hart that runs the thread, while it does; before that its maker's.
    bool fresh = false;  ///< The ASID may have entries here of an earlier process.
    TrapFrame frame{};
    FloatState floats{};
    bool uses_float = false;
    const Cpu* float_cpu = nullptr;  ///< Where its floating-point registers were last loaded.
    UserInterruptState user_interrupts;
    virtio_cops_line* line = nullptr;  ///< Shared with the host; null until it attaches. Atomic.
    Upcalls upcalls;
    UserAddr clear_tid = 0;  ///< Its end writes 0 there and wakes a futex's waiter.
};

/// A thread in state `starting` on the hart; null when the process has one there, or for want of
/// memory. The process's lock is held, or nobody else knows the process.
Thread* claim_thread(Process& process, Cpu& home);
/// Null when the process never had one there.
Thread* thread_on(const Process& process, unsigned hart);

/// The process's memory is known no more to harts that no thread of it can run on. Its lock is
/// held.
void leave_harts(Process& process);

/// Ends the running thread, on its hart; with the last one the process is over.
void end_thread(Thread& thread);

}  // namespace kernel
