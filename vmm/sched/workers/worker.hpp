// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "io/engine.hpp"
#include "sched/workers/poll_governor.hpp"
#include "sched/workers/worker_pool.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

namespace vmm::sched {

/// One stay of a vCPU on a worker. Owned by the worker's thread.
struct WorkerPool::Turn {
    Nanos now = 0;  // last look at the clock
    Nanos started = 0;
    Nanos cpu_time = 0;      // of the thread, up to where the turn is accounted; host_scheduled
    Nanos end = 0;           // of the slice
    Nanos grace_end = 0;     // 0: the vCPU was not asked to yield
    Nanos section_end = 0;   // 0: it got no time to finish a critical section
    Nanos borrowed = 0;      // since when it has run at an inherited level; 0: it has not
    Nanos deadline = 0;      // of the next run()
    Level level = kNoLevel;  // of the work that ran when the vCPU was last sampled
    // Of the last look that was recorded.
    Nanos recorded = 0;
    Nanos recorded_cpu_time = 0;  // of the thread
    // To be shown to the guest.
    Level ring_level = 0;
    Level yield_level = kNoLevel;
    std::uint64_t waiting = 0;
    std::uint64_t siblings = 0;
};

/// One worker thread. Guarded by the pool's lock unless it says otherwise.
struct WorkerPool::Worker {
    Worker(WorkerPool& owner, unsigned number)
        : pool(owner)
        , index(number) {}

    WorkerPool& pool;
    const unsigned index;
    std::thread thread;
    std::unique_ptr<io::Engine> engine;  // made by the thread before start() returns; then constant
    std::vector<Task> tasks;             // posted, not yet run
    VcpuEntry* current = nullptr;
    const VcpuEntry* previous = nullptr;  // ran last
    std::optional<Turn> handed;           // the dispatcher has picked `current`, and it may begin
    // Owned by the thread.
    PollGovernor governor{pool.options_.poll_ns};
    Nanos idle_since = 0;  // begin of the current wait; 0: it does not wait
    Nanos poll_end = 0;    // of the current wait
    WorkerTimes times;
    // Of a deterministic run, owned by the thread.
    std::uint64_t rounds = 0;  // occasions to deliver input since the last was delivered
    bool only_input = false;   // nothing but input can make it go on
};

}  // namespace vmm::sched
