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

/// The lock that guards a thread's state: that of the hart which runs it, which may change.
class [[nodiscard]] ThreadGuard : NoCopy {
public:
    explicit ThreadGuard(const Thread& thread);
    ~ThreadGuard() { run_queue(cpu_).lock.unlock(); }
    /// Runs the thread as long as the lock is held.
    Cpu& cpu() const { return cpu_; }

private:
    Cpu& cpu_;
};

/// A glance without the lock; with it, the truth.
inline ThreadState state_of(const Thread& thread) {
    return load_relaxed(thread.state);
}
inline bool is_runnable(const Thread* thread) {
    return thread != nullptr && state_of(*thread) == ThreadState::runnable;
}
/// It may run and is not asleep in user mode.
bool wants_hart(const Thread* thread);
/// Harts whose threads it runs.
inline std::uint64_t harts_run_by(const Cpu& cpu) {
    const bool always_its_own = cpu.stand_in == nullptr && !cpu.stands_in;
    return always_its_own ? std::uint64_t{1} << cpu.hart : load_relaxed(cpu.runs);
}

/// Each thread that the hart runs, of whichever state; its own, and those of harts that are away.
/// Under its lock, or on that hart.
template <typename Visit>
void for_each_thread(const Cpu& cpu, Visit visit) {
    for (std::uint64_t harts = harts_run_by(cpu); harts != 0; harts &= harts - 1) {
        const auto hart = static_cast<unsigned>(__builtin_ctzll(harts));
        for (unsigned i = 0; i < process_count(); ++i) {
            const Process* const process = process_at(i);
            Thread* const thread = process == nullptr ? nullptr : thread_on(*process, hart);
            if (thread != nullptr) {
                visit(*thread);
            }
        }
    }
}

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
