// SPDX-License-Identifier: Apache-2.0
#include "proc/thread.hpp"

#include "base/atomic.hpp"
#include "mm/heap.hpp"
#include "proc/process.hpp"
#include "proc/schedule.hpp"
#include "syscall/syscall.hpp"

namespace kernel {

namespace {

void make_fresh(Thread& thread) {
    store_relaxed(thread.state, ThreadState::starting);
    thread.account = {};
    store_relaxed(thread.turn_over, false);
    store_relaxed(thread.in_wfi, false);
    store_relaxed(thread.kicked, false);
    thread.fresh = true;
    thread.frame = {};
    thread.floats = {};
    thread.uses_float = false;
    thread.float_cpu = nullptr;
    thread.user_interrupts = {};
    store_relaxed<virtio_cops_line*>(thread.line, nullptr);
    thread.upcalls = {};
    thread.clear_tid = 0;
}

// A thread that is no more claims nothing.
void clear_line(virtio_cops_line& line) {
    __atomic_store_n(&line.ready, std::uint64_t{0}, __ATOMIC_RELAXED);
    __atomic_store_n(&line.running_level, std::uint32_t{VIRTIO_COPS_LEVEL_NONE}, __ATOMIC_RELAXED);
}

}  // namespace

Thread* thread_on(const Process& process, unsigned hart) {
    return __atomic_load_n(&process.threads[hart], __ATOMIC_ACQUIRE);
}

Thread* claim_thread(Process& process, Cpu& home) {
    Thread* thread = thread_on(process, home.hart);
    if (thread == nullptr) {
        thread = heap::make<Thread>(process, home);
        if (thread == nullptr) {
            return nullptr;
        }
        __atomic_store_n(&process.threads[home.hart], thread, __ATOMIC_RELEASE);
    } else if (load_relaxed(thread->state) != ThreadState::ended) {
        return nullptr;
    }
    make_fresh(*thread);
    ++process.live_threads;
    for (const Cpu* cpu : {&home, home.stand_in}) {
        if (cpu != nullptr) {
            process.space.enter(cpu->hart);
        }
    }
    return thread;
}

void leave_harts(Process& process) {
    std::uint64_t needed = 0;
    for (unsigned hart = 0; hart < hart_limit; ++hart) {
        const Thread* const thread = thread_on(process, hart);
        if (thread != nullptr && load_relaxed(thread->state) != ThreadState::ended) {
            const Cpu* const stand_in = thread->home.stand_in;
            needed |= std::uint64_t{1} << hart;
            needed |= stand_in == nullptr ? 0 : std::uint64_t{1} << stand_in->hart;
        }
    }
    for (std::uint64_t left = process.space.harts() & ~needed; left != 0; left &= left - 1) {
        process.space.leave(static_cast<unsigned>(__builtin_ctzll(left)));
    }
}

void end_thread(Thread& thread) {
    Cpu& cpu = this_cpu();
    Process& process = thread.process;
    if (thread.line != nullptr) {
        clear_line(*thread.line);
    }
    if (cpu.current == &thread) {
        leave_thread(cpu);
    }
    if (cpu.float_owner == &thread) {
        cpu.float_owner = nullptr;
    }
    const UserAddr clear_tid = thread.clear_tid;
    {
        const Guard guard(process.lock);
        retire(thread);  // from here on its place is another's
        leave_harts(process);
    }
    // Who joins finds the hart free. The process is not over before.
    if (clear_tid != 0) {
        tell_joiner(process, clear_tid);
    }
    bool last = false;
    {
        const Guard guard(process.lock);
        last = --process.live_threads == 0;
        process.state = last ? ProcessState::exiting : process.state;
    }
    if (last) {
        process_ended(process);
    }
}

}  // namespace kernel
