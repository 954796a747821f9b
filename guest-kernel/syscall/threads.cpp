// SPDX-License-Identifier: Apache-2.0
// Threads: clone() as pthread_create() uses it, and their ends.
#include "arch/riscv64/csr.hpp"
#include "arch/riscv64/sbi.hpp"
#include "base/atomic.hpp"
#include "mm/user_memory.hpp"
#include "proc/schedule.hpp"
#include "syscall/syscall.hpp"

namespace kernel {

namespace {

// Linux, <linux/sched.h>.
constexpr std::uint64_t kVm = 0x100;
constexpr std::uint64_t kFiles = 0x400;
constexpr std::uint64_t kThread = 0x10000;
constexpr std::uint64_t kSetTls = 0x80000;
constexpr std::uint64_t kParentSetTid = 0x100000;
constexpr std::uint64_t kChildClearTid = 0x200000;
constexpr std::uint64_t kNeeded = kVm | kFiles | kThread;

// On a hart that the process may use and has no thread on.
Thread* claim_place(Process& process) {
    const std::uint64_t harts = __atomic_load_n(&process.harts, __ATOMIC_RELAXED);
    const Guard guard(process.lock);
    if (process.exit_wanted) {
        return nullptr;
    }
    for (unsigned i = 0; i < hart_limit; ++i) {
        const unsigned hart = (process.home->hart + i) % hart_limit;
        const Thread* const there = thread_on(process, hart);
        if ((harts >> hart & 1) != 0
            && (there == nullptr || load_relaxed(there->state) == ThreadState::ended)) {
            return claim_thread(process, *cpus[hart]);
        }
    }
    return nullptr;
}

}  // namespace

// clone(flags, stack, parent_tid, tls, child_tid), as riscv64 orders them.
std::int64_t sys_clone(Thread& thread, Arguments args) {
    Process& process = thread.process;
    const std::uint64_t flags = args[0];
    if ((flags & kNeeded) != kNeeded || args[1] == 0 || (args[1] & 15) != 0) {
        return negative(Errno::invalid);  // new processes come by COPS_SYS_SPAWN_PROCESS
    }
    Thread* const made = claim_place(process);
    if (made == nullptr) {
        return negative(Errno::again);
    }
    const std::int32_t tid = claim_tid();
    if ((flags & kParentSetTid) != 0) {
        (void)copy_out(process.space, args[2], tid);  // as Linux has it: a bad address is no error
    }
    made->tid = tid;
    made->frame = thread.frame;
    made->frame.argument(0) = 0;
    made->frame.reg(2) = args[1];
    if ((flags & kSetTls) != 0) {
        made->frame.reg(4) = args[3];
    }
    made->frame.status =
        csr::kPreviousInterruptEnable | csr::kUserXlen64;  // floating point begins anew
    made->clear_tid = (flags & kChildClearTid) != 0 ? args[4] : 0;
    start(*made);
    return tid;
}

std::int64_t sys_exit(Thread& thread, Arguments args) {
    Process& process = thread.process;
    {
        const Guard guard(process.lock);
        if (!process.exit_wanted) {
            process.exit_status =
                static_cast<std::uint32_t>(args[0]) & 0xff;  // should it be the last
        }
    }
    end_thread(thread);
    return kLater;
}

std::int64_t sys_exit_group(Thread& thread, Arguments args) {
    exit_process(thread, static_cast<std::uint32_t>(args[0]) & 0xff);
    return kLater;
}

std::int64_t sys_set_tid_address(Thread& thread, Arguments args) {
    thread.clear_tid = args[0];
    return thread.tid;
}

std::int64_t sys_sched_getaffinity(Process& process, Arguments args) {
    const std::uint64_t harts = __atomic_load_n(&process.harts, __ATOMIC_RELAXED);
    if (args[1] < sizeof harts) {
        return negative(Errno::invalid);
    }
    return copy_out(process.space, args[2], harts) ? std::int64_t{sizeof harts}
                                                   : negative(Errno::fault);
}

std::int64_t sys_flush_instructions(Process& process, Arguments args) {
    constexpr std::uint64_t kLocal = 1;  // SYS_RISCV_FLUSH_ICACHE_LOCAL
    csr::fence_instructions();
    const std::uint64_t others = process.space.harts() & ~(std::uint64_t{1} << this_cpu().hart);
    if ((args[2] & kLocal) == 0 && others != 0) {
        sbi::remote_fence_instructions(others);
    }
    return 0;
}

}  // namespace kernel
