// SPDX-License-Identifier: Apache-2.0
// The other mode: one thread picks for all workers. It looks at what became ready without waiting
// for a worker to come by, and workers that run guests never take part in decisions for others.
#include "sched/workers/clock.hpp"
#include "sched/workers/worker.hpp"

namespace vmm::sched {

void WorkerPool::dispatch(Worker& dispatcher) {
    for (;;) {
        run_tasks(dispatcher);
        dispatcher.engine->reap();
        Nanos now = 0;
        bool handed = false;
        {
            const std::lock_guard guard(lock_);
            if (stopping_) {
                return;
            }
            now = time_now();
            fire_timers(now);
            allocate_cores(now);
            handed = has_turn(dispatcher);
            hand_out(now);
        }
        if (handed) {
            end_wait(dispatcher, now);
        } else if (!poll(dispatcher)) {
            sleep(dispatcher);
        }
    }
}

/// Gives what is ready to workers that are free, near to where the last of it was; for the rest
/// somebody must make way.
void WorkerPool::hand_out(Nanos now) {
    while (ready_count_ != 0) {
        const auto chosen = policy_->choose_worker(warm_, free_);
        if (!chosen) {
            preempt_for_waiting(now);
            watch_congestion();
            return;
        }
        Worker& worker = *workers_[*chosen];
        Turn turn;
        turn.now = now;
        if (pick(worker, turn) == nullptr) {
            return;
        }
        free_.erase(*chosen);
        worker.handed = turn;
        news_.fetch_add(1, std::memory_order_relaxed);
        if (sleeping_.contains(*chosen)) {
            wake_worker(worker);
        }
    }
}

/// The worker has nothing to run: what it was handed, or it says that it is free.
VcpuEntry* WorkerPool::take_handed(Worker& worker, Turn& turn) {
    if (worker.handed) {
        turn = *worker.handed;
        worker.handed.reset();
        if (recorder_ != nullptr) [[unlikely]] {
            record_turn(turn);  // by the CPU time of this thread
        }
        return worker.current;
    }
    if (!free_.contains(worker.index)) {
        free_.insert(worker.index);
        if (ready_count_ != 0) {
            call_dispatcher();
        }
    }
    return nullptr;
}

void WorkerPool::call_dispatcher() {
    news_.fetch_add(1, std::memory_order_relaxed);
    if (sleeping_.contains(dispatcher_->index)) {
        wake_worker(*dispatcher_);
    }
}

}  // namespace vmm::sched
