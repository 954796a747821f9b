// SPDX-License-Identifier: Apache-2.0
#include "proc/run_queue.hpp"

#include "arch/riscv64/csr.hpp"
#include "exec/timer.hpp"
#include "proc/schedule.hpp"

#include <algorithm>
#include <utility>

namespace kernel {

namespace {

constinit RunQueue run_queues[kMaxHarts];

}  // namespace

RunQueue& run_queue(const Cpu& cpu) {
    return run_queues[cpu.hart];
}

bool wants_hart(const Thread* thread) {
    return is_runnable(thread) && level_of(*thread) < VIRTIO_COPS_LEVEL_NONE;
}

namespace {

Cpu& lock_runner(const Thread& thread) {
    for (;;) {
        Cpu& cpu = runner_of(thread.home);
        run_queue(cpu).lock.lock();
        if (&runner_of(thread.home) == &cpu) {
            return cpu;
        }
        run_queue(cpu).lock.unlock();  // it has moved on meanwhile
    }
}

}  // namespace

ThreadGuard::ThreadGuard(const Thread& thread)
    : cpu_(lock_runner(thread)) {}

std::uint64_t least_virtual_time(const Cpu& cpu, const RunQueue& queue, const Thread& woken) {
    const std::uint32_t level = level_of(woken);
    std::uint64_t least = ~std::uint64_t{0};
    for_each_thread(cpu, [&](const Thread& thread) {
        if (&thread != &woken && is_runnable(&thread) && level_of(thread) == level) {
            least = std::min(least, thread.account.virtual_time());
        }
    });
    return least == ~std::uint64_t{0} ? queue.virtual_time : least;
}

void settle_accounts(Cpu& cpu, RunQueue& queue) {
    const std::uint64_t now = csr::now();
    const std::uint64_t passed = now - std::exchange(queue.since, now);
    const std::uint64_t slice = timer::tick();
    std::uint32_t shares = 0;
    for_each_thread(cpu, [&](const Thread& thread) {
        shares += wants_hart(&thread) ? thread.process.limits.share : 0;
    });
    if (__atomic_load_n(&cpu.executor.ready, __ATOMIC_RELAXED) != 0) {
        queue.kernel.waited(passed, kKernelLimits, kKernelLimits.share, slice);
    }
    for_each_thread(cpu, [&](Thread& thread) {
        if (&thread == queue.served) {
            // Who computes is looked at at each tick; the rest of a longer time it slept.
            thread.account.ran(std::min(passed, 2 * slice), thread.process.limits, shares);
        } else if (wants_hart(&thread)) {
            thread.account.waited(passed, thread.process.limits, shares, slice);
        }
    });
}

}  // namespace kernel
