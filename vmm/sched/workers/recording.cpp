// SPDX-License-Identifier: Apache-2.0
// What a pool tells a recorder beside the events and decisions of its policy: what they follow
// from.
#include "sched/record/recorder.hpp"
#include "sched/workers/clock.hpp"
#include "sched/workers/worker.hpp"

#include <algorithm>

namespace vmm::sched {

/// CPU time of the worker's thread. In virtual time nothing takes it off.
Nanos WorkerPool::cpu_time(Nanos now) const {
    return options_.virtual_time != nullptr ? now : thread_cpu_time();
}

void WorkerPool::record_turn(Turn& turn) const {
    turn.recorded = turn.now;
    turn.recorded_cpu_time = cpu_time(turn.now);
}

void WorkerPool::record_look(
    const Worker& worker,
    const VcpuEntry& entry,
    Turn& turn,
    ExitKind exit,
    const ClaimSample& sample
) const {
    const Nanos used = cpu_time(turn.now);
    const Nanos passed = turn.now - turn.recorded;
    recorder_->push(LookRecord{
        .time_ns = turn.now,
        .id = entry.id,
        .worker = options_.first_worker + worker.index,
        .exit = exit,
        .off_ns = passed - std::min(passed, used - turn.recorded_cpu_time),
        .sample = sample,
    });
    turn.recorded = turn.now;
    turn.recorded_cpu_time = used;
}

/// Nothing follows from how long a worker had nothing to do.
void WorkerPool::record_rest(const Worker& worker, Nanos begin, Nanos end, bool asleep) const {
    if (recorder_ != nullptr && recorder_->wants_everything()) [[unlikely]] {
        recorder_->push(RestRecord{
            .time_ns = end,
            .begin_ns = begin,
            .worker = options_.first_worker + worker.index,
            .asleep = asleep,
        });
    }
}

void WorkerPool::record_other_look(const VcpuEntry& entry, const ClaimSample& sample, Nanos now)
    const {
    if (recorder_ != nullptr) [[unlikely]] {
        recorder_->push(LookRecord{.time_ns = now, .id = entry.id, .sample = sample});
    }
}

void WorkerPool::record_wake(const VcpuEntry& entry, WakeCause cause, Level level, Nanos now)
    const {
    if (recorder_ != nullptr) [[unlikely]] {
        recorder_->push(WakeRecord{.time_ns = now, .id = entry.id, .cause = cause, .level = level});
    }
}

}  // namespace vmm::sched
