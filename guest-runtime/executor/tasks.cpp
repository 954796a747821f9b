// SPDX-License-Identifier: Apache-2.0
// Task table: allocation, identity, state transitions.
#include "internal.hpp"

namespace executor {

namespace {

constexpr uint32_t kLocalFree = 64;  // Control blocks a context keeps for itself.

uint64_t first_word(uint32_t generation, uint32_t state) {
    return (uint64_t{generation} << 32) | state;
}

// The shared list is a Treiber stack; the tag in the upper half makes a reused head differ.
void push_shared(Group& group, Task& task) {
    uint64_t head = load_relaxed(&group.free_tasks);
    uint64_t desired;
    do {
        store_relaxed(&task.next, static_cast<uint32_t>(head));
        desired = (((head >> 32) + 1) << 32) | (task.index + 1);
    } while (!compare_exchange(&group.free_tasks, head, desired));
}

Task* pop_shared(Group& group) {
    uint64_t head = load_acquire(&group.free_tasks);
    for (;;) {
        const uint32_t link = static_cast<uint32_t>(head);
        if (link == 0) {
            return nullptr;
        }
        Task& task = task_at(group, link - 1);
        // `next` may be another owner's by now: then the tag differs and the exchange fails.
        const uint64_t desired = (((head >> 32) + 1) << 32) | load_relaxed(&task.next);
        if (compare_exchange(&group.free_tasks, head, desired)) {
            return &task;
        }
        // Not what the exchange found: its failure orders nothing, and the entry may be in a
        // segment that was added meanwhile.
        head = load_acquire(&group.free_tasks);
    }
}

Task* allocate(Context& ctx) {
    if (ctx.free_tasks == 0) {
        return pop_shared(*ctx.group);
    }
    Task& task = task_at(*ctx.group, ctx.free_tasks - 1);
    ctx.free_tasks = task.next;
    --ctx.free_count;
    return &task;
}

void give_back(Context& ctx, Task& task) {
    if (ctx.free_count >= kLocalFree) {
        push_shared(*ctx.group, task);
        return;
    }
    store_relaxed(&task.next, ctx.free_tasks);
    ctx.free_tasks = task.index + 1;
    ++ctx.free_count;
}

// Takes the joiners of a task that ends, and wakes them. A later join finds another generation.
void wake_joiners(Context& ctx, Task& task, uint32_t next_generation) {
    uint32_t link = static_cast<uint32_t>(
        exchange(&task.joiners, first_word(next_generation, 0))  // Partner: push in join_task().
    );
    while (link != 0) {
        Task& joiner = task_at(*ctx.group, link - 1);
        link = joiner.next;  // Before it runs: its links are its own again then.
        cops_executor_signal(&ctx, id_of(joiner), 0);
    }
}

}  // namespace

Task* find(const Group& group, cops_task_id id) {
    const uint32_t link = static_cast<uint32_t>(id);
    const uint32_t segments =
        load_acquire(&group.num_segments);  // Partner: cops_executor_add_tasks.
    if (link == 0 || (link - 1) / COPS_EXECUTOR_SEGMENT_TASKS >= segments) {
        return nullptr;
    }
    return &task_at(group, link - 1);
}

cops_task_id id_of(const Task& task) {
    return (load_relaxed(&task.state) & 0xffffffff00000000u) | (task.index + 1);
}

int make_ready(Context& ctx, cops_task_id id, uint32_t asleep, uint32_t token) {
    Task* task = find(*ctx.group, id);
    if (task == nullptr) {
        return kNoSuchTask;
    }
    uint64_t word = load_relaxed(&task->state);
    for (;;) {
        if (generation_of(word) != generation_of(id) || state_of(word) == COPS_TASK_FREE) {
            return kNoSuchTask;
        }
        const uint32_t state = state_of(word);
        const bool sleeps = (state & ~uint32_t{COPS_TASK_KEEPS_STACK}) == asleep;
        const uint32_t awake = keeps_stack(word) ? COPS_TASK_UNBLOCKED : COPS_TASK_READY;
        const uint64_t desired = sleeps ? with_state(word, awake) : word | token;
        // Exchanged even when the token is there already: it orders our writes before the task's
        // next step. Partner: settle() in run.cpp, which consumes the token or publishes the sleep.
        if (!compare_exchange(&task->state, word, desired)) {
            continue;
        }
        if (sleeps) {
            ++ctx.counters.wakes;
            enqueue(ctx, *task);
        } else {
            ++ctx.counters.tokens;
        }
        return 0;
    }
}

void release_task(Context& ctx, Task& task) {
    uint32_t next_generation = generation_of(load_relaxed(&task.state)) + 1;
    if (next_generation == 0) {
        next_generation = 1;
    }
    exchange(&task.state, first_word(next_generation, COPS_TASK_FREE));
    wake_joiners(ctx, task, next_generation);
    ++ctx.counters.exited;
    give_back(ctx, task);
}

}  // namespace executor

using executor::Context;
using executor::Task;

extern "C" {

uint32_t cops_executor_abi() {
    return COPS_EXECUTOR_ABI;
}

uint32_t cops_executor_size(uint32_t structure) {
    switch (structure) {
    case COPS_SIZE_GROUP:
        return sizeof(cops_executor_group);
    case COPS_SIZE_CONTEXT:
        return sizeof(cops_executor_context);
    case COPS_SIZE_TASK:
        return sizeof(cops_task);
    case COPS_SIZE_SLOT_STATE:
        return sizeof(cops_slot_state);
    default:
        return 0;
    }
}

int cops_executor_init_group(cops_executor_group* group) {
    const bool good =
        group->abi >= 1 && group->abi <= COPS_EXECUTOR_ABI && group->num_contexts >= 1
        && group->num_contexts <= COPS_EXECUTOR_CONTEXTS && group->contexts != nullptr
        && group->segments != nullptr
        && (group->num_slots == 0 || (group->slots != nullptr && group->slot_states != nullptr));
    if (!good) {
        return executor::kInvalidArgument;
    }
    group->num_segments = 0;
    group->free_tasks = 0;
    group->parked = 0;
    group->closed = 0;
    return 0;
}

int cops_executor_init_context(
    cops_executor_group* group, uint32_t index, uint32_t first_slot, uint32_t slot_count
) {
    const bool added = index == group->num_contexts && index < COPS_EXECUTOR_CONTEXTS;
    if ((index >= group->num_contexts && !added) || first_slot > group->num_slots
        || slot_count > group->num_slots - first_slot) {
        return executor::kInvalidArgument;
    }
    Context& ctx = *group->contexts[index];
    ctx.group = group;
    ctx.index = index;
    ctx.running_level = executor::kNone;
    ctx.claimed = executor::kNone;
    if (ctx.line != nullptr) {
        ctx.published = &ctx.line->ready;
        executor::store_relaxed(&ctx.line->running_level, executor::kNone);
    }
    for (uint32_t slot = first_slot + slot_count; slot > first_slot; --slot) {
        group->slot_states[slot - 1].next = ctx.free_slots;
        ctx.free_slots = slot;
    }
    if (added) {
        executor::store_release(&group->num_contexts, index + 1);  // Partner: contexts_of().
    }
    return 0;
}

int cops_executor_add_tasks(cops_executor_group* group, cops_task* segment) {
    const uint32_t number = group->num_segments;
    if (number >= COPS_EXECUTOR_SEGMENTS) {
        return executor::kNoMemory;
    }
    group->segments[number] = segment;
    for (uint32_t i = 0; i < COPS_EXECUTOR_SEGMENT_TASKS; ++i) {
        segment[i].index = number * COPS_EXECUTOR_SEGMENT_TASKS + i;
        segment[i].state = executor::first_word(1, COPS_TASK_FREE);
        segment[i].joiners = executor::first_word(1, 0);
    }
    executor::store_release(&group->num_segments, number + 1);  // Partner: find().
    for (uint32_t i = COPS_EXECUTOR_SEGMENT_TASKS; i > 0; --i) {
        executor::push_shared(*group, segment[i - 1]);
    }
    return 0;
}

cops_task_id
cops_executor_spawn(cops_executor_context* ctx, void* frame, uint32_t level, uint32_t flags) {
    if (level >= VIRTIO_COPS_LEVELS) {
        return 0;
    }
    cops_executor_enter(ctx);
    cops_task_id id = 0;
    if (Task* task = executor::allocate(*ctx)) {
        task->frame = frame;
        executor::store_relaxed(&task->result, int64_t{0});
        executor::store_relaxed(&task->level, level);
        task->flags = flags;
        task->home = ctx->index;
        const uint32_t generation = executor::generation_of(executor::load_relaxed(&task->state));
        id = executor::first_word(generation, task->index + 1);
        // Release: a waker elsewhere that learns the id sees a whole task.
        executor::store_release(&task->state, executor::first_word(generation, COPS_TASK_READY));
        ++ctx->counters.spawned;
        executor::enqueue(*ctx, *task);
    }
    cops_executor_leave(ctx);
    return id;
}

int cops_executor_wake(cops_executor_context* ctx, cops_task_id id) {
    cops_executor_enter(ctx);
    const int status = executor::make_ready(*ctx, id, COPS_TASK_SUSPENDED, COPS_TASK_TOKEN);
    cops_executor_leave(ctx);
    return status;
}

int cops_executor_signal(cops_executor_context* ctx, cops_task_id id, int64_t result) {
    Task* task = executor::find(*ctx->group, id);
    if (task == nullptr
        || executor::generation_of(executor::load_relaxed(&task->state))
               != executor::generation_of(id)) {
        return executor::kNoSuchTask;
    }
    executor::store_relaxed(&task->result, result);
    cops_executor_enter(ctx);
    const int status = executor::make_ready(*ctx, id, COPS_TASK_WAITING, COPS_TASK_EVENT);
    cops_executor_leave(ctx);
    return status;
}

int cops_executor_level(cops_executor_context* ctx, cops_task_id id) {
    Task* task = executor::find(*ctx->group, id);
    return task != nullptr && cops_executor_alive(ctx, id) != 0
               ? static_cast<int>(executor::load_relaxed(&task->level))
               : executor::kNoSuchTask;
}

int cops_executor_state(cops_executor_context* ctx, cops_task_id id) {
    const Task* task = executor::find(*ctx->group, id);
    const uint64_t word = task == nullptr ? 0 : executor::load_relaxed(&task->state);
    return executor::generation_of(word) == executor::generation_of(id)
                   && executor::state_of(word) != COPS_TASK_FREE
               ? static_cast<int>(executor::state_of(word))
               : executor::kNoSuchTask;
}

int cops_executor_alive(cops_executor_context* ctx, cops_task_id id) {
    Task* task = executor::find(*ctx->group, id);
    if (task == nullptr) {
        return 0;
    }
    const uint64_t word = executor::load_acquire(&task->state);
    return executor::generation_of(word) == executor::generation_of(id)
           && executor::state_of(word) != COPS_TASK_FREE;
}

cops_task_id cops_executor_current(const cops_executor_context* ctx) {
    return ctx->running_task;
}

int64_t cops_executor_result(const cops_executor_context* ctx) {
    return executor::load_relaxed(&executor::task_at(*ctx->group, ctx->current - 1).result);
}
}  // extern "C"
