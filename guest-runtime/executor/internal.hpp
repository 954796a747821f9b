// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "atomic.hpp"

#include <executor/executor.h>

/// Shared by the executor's source files; not installed.
namespace executor {

using Context = cops_executor_context;
using Group = cops_executor_group;
using Task = cops_task;

inline constexpr uint32_t kNone = VIRTIO_COPS_LEVEL_NONE;

// Errors of the C interface: Linux numbers, negated. No libc here, so they are spelled out.
inline constexpr int kNoSuchTask = -3;        // ESRCH
inline constexpr int kNoMemory = -12;         // ENOMEM
inline constexpr int kInvalidArgument = -22;  // EINVAL

/// What the running coroutine asked for when it suspended.
enum class Action : uint32_t { none, yield, yield_to, suspend, wait, join, submit, exit };

inline uint64_t bit(uint32_t level) {
    return uint64_t{1} << level;
}

/// How many contexts the group has now; each of them is whole.
inline uint32_t contexts_of(const Group& group) {
    return load_acquire(&group.num_contexts);  // Partner: cops_executor_init_context().
}
inline bool is_only_one(const Group& group) {
    return load_relaxed(&group.num_contexts) == 1;
}
inline bool is_closed(const Context& ctx) {
    return (load_relaxed(&ctx.group->closed) >> ctx.index & 1) != 0;
}

/// Most urgent level of a bitmap; kNone when it is empty.
inline uint32_t best_of(uint64_t bits) {
    return bits == 0 ? kNone : static_cast<uint32_t>(__builtin_ctzll(bits));
}

/// Least urgent level of a bitmap that is not empty.
inline uint32_t least_of(uint64_t bits) {
    return 63 - static_cast<uint32_t>(__builtin_clzll(bits));
}

/// Levels strictly more urgent than `level`.
inline uint64_t more_urgent_than(uint32_t level) {
    return level >= VIRTIO_COPS_LEVELS ? ~uint64_t{0} : bit(level) - 1;
}

// ---- Tasks (tasks.cpp)
// ---------------------------------------------------------------------------

inline uint32_t generation_of(uint64_t word) {
    return static_cast<uint32_t>(word >> 32);
}
inline uint32_t state_of(uint64_t word) {
    return static_cast<uint32_t>(word) & COPS_TASK_STATE_MASK;
}

/// Running-suspended: it goes on on its own stack.
inline bool keeps_stack(uint64_t word) {
    return (word & COPS_TASK_KEEPS_STACK) != 0;
}

inline uint64_t with_state(uint64_t word, uint32_t state) {
    return (word & ~uint64_t{COPS_TASK_STATE_MASK}) | state;
}

inline Task& task_at(const Group& group, uint32_t index) {
    return group.segments[index / COPS_EXECUTOR_SEGMENT_TASKS][index % COPS_EXECUTOR_SEGMENT_TASKS];
}

/// Task of an id, null when the index is out of range. The caller compares the generation.
Task* find(const Group& group, cops_task_id id);
cops_task_id id_of(const Task& task);
/// Wakes or signals: `asleep` is the state it ends, with a stack or without; `token` what it leaves
/// when it comes first.
int make_ready(Context& ctx, cops_task_id id, uint32_t asleep, uint32_t token);
/// Ends the running task: wakes those that join it and gives its control block back.
void release_task(Context& ctx, Task& task);

// ---- Ready queues (queues.cpp)
// -------------------------------------------------------------------

void lock(Context& ctx);
bool try_lock(Context& ctx);
void unlock(Context& ctx);

// Plain queue surgery; the caller holds what guards the queue.
void push_tail(const Group& group, cops_queue& queue, Task& task);
void push_head(const Group& group, cops_queue& queue, Task& task);
void unlink(const Group& group, cops_queue& queue, Task& task);

/// Best level published before and now.
struct Claim {
    uint32_t before;
    uint32_t now;
};

/// Publishes ready | running under the lock.
Claim publish(Context& ctx);
/// After the lock: rings the CLAIM doorbell if the claim became more urgent and the host asked for
/// it.
void ring_claim(Context& ctx, Claim claim);
/// Queues a task in state READY on the context where it may run, and tells who must know.
void enqueue(Context& ctx, Task& task);
/// Puts the current task back in its level's queue: picked when something more urgent came, or
/// preempted.
void put_back(Context& ctx, Task& task, bool head);
/// Moves a ready task to the head of this context's queue of `level`, or of its own level if that
/// is more urgent, wherever it is queued now. Nothing happens to a task that is not ready, or
/// pinned elsewhere.
void queue_first(Context& ctx, cops_task_id id, uint32_t level);
/// Takes the most urgent task that is not less urgent than `limit`, own or stolen, and makes it
/// current.
Task* pick(Context& ctx, uint32_t limit);
/// No coroutine runs here. `level` is that of what the executor itself does next: NONE, or that of
/// the requests it submits, whose completions it will then find by itself.
void retire(Context& ctx, uint32_t level);
/// Most urgent level ready anywhere in the group.
uint32_t best_in_group(const Context& ctx);

// ---- Requests and completions (requests.cpp)
// -------------------------------------------------------

/// The task waits for a slot (or has one at once); its submission's address is in task.result.
void queue_request(Context& ctx, Task& task);
/// Gives free slots to waiting tasks, most urgent first, as long as the batch has room.
void pump_requests(Context& ctx);

inline uint64_t pending(const Context& ctx) {
    return ctx.line == nullptr ? 0 : load_relaxed(&ctx.line->wake_pending);
}

}  // namespace executor
