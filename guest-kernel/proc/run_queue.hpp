// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/atomic.hpp"
#include "base/spinlock.hpp"
#include "proc/process.hpp"
#include "proc/share.hpp"
#include "proc/thread.hpp"

#include <virtio_cops/virtio_cops.h>

#include <cstdint>

/// What those who choose a hart's thread (schedule.cpp) and those who wake one (wakes.cpp) share.
namespace kernel {

/// Kernel coroutines work for processes that are less urgent, too, and those may have a share.
inline constexpr Limits kKernelLimits{.share = 10};

/// Of one hart. Its lock guards the state and account of the hart's threads, and what follows here.
struct RunQueue {
    SpinLock lock{Rank::run_queue};
    const Thread* served = nullptr;  ///< Had the hart since `since`.
    std::uint64_t since = 0;
    std::uint64_t virtual_time = 0;  ///< The largest that was picked.
    Account kernel;                  ///< Of kernel coroutines less urgent than what runs.
};
RunQueue& run_queue(const Cpu& cpu);

/// A glance without the lock; with it, the truth.
inline ThreadState state_of(const Thread& thread) {
    return load_relaxed(thread.state);
}
inline bool is_runnable(const Thread* thread) {
    return thread != nullptr && state_of(*thread) == ThreadState::runnable;
}
/// It may run and is not asleep in user mode.
bool wants_hart(const Thread* thread);
/// Of the process with that index, on the hart; null when it has none there.
Thread* thread_at(unsigned index, const Cpu& cpu);

/// Levels that are ready in user mode, or have completed unseen.
inline std::uint64_t line_bits(const virtio_cops_line& line) {
    return __atomic_load_n(&line.ready, __ATOMIC_RELAXED)
           | __atomic_load_n(&line.wake_pending, __ATOMIC_RELAXED);
}

/// What a thread that wakes begins with: as much as its equal that had least. Under the lock.
std::uint64_t least_virtual_time(const Cpu& cpu, const RunQueue& queue, const Thread& woken);
/// Puts the time since the last look to the accounts of those who had it and those who waited.
/// Under the lock.
void settle_accounts(Cpu& cpu, RunQueue& queue);

}  // namespace kernel
