// SPDX-License-Identifier: Apache-2.0
// Requests to kernel and host: slots, the batch, completion lists.
#include "internal.hpp"

namespace executor {

namespace {

constexpr uint32_t kInFlight =
    0xffffffff;  // slot_state.next of a slot whose completion is awaited.

void free_slot(Context& ctx, uint32_t slot) {
    cops_slot_state& state = ctx.group->slot_states[slot];
    state.task = 0;
    state.next = ctx.free_slots;
    ctx.free_slots = slot + 1;
    store_release(&ctx.in_flight, ctx.in_flight - 1);  // Partner: cops_executor_asleep().
}

void fill(Context& ctx, Task& task, uint32_t slot) {
    cops_slot_state& state = ctx.group->slot_states[slot];
    state.task = id_of(task);
    state.next = kInFlight;
    ++state.generation;
    store_relaxed(&ctx.in_flight, ctx.in_flight + 1);
    // The submission lies in the task's frame; copied here, in one place, field by field (no
    // memcpy).
    const auto* from = reinterpret_cast<const cops_submission*>(load_relaxed(&task.result));
    cops_submission& to = ctx.batch[ctx.batch_count];
    to.opcode = from->opcode;
    to.fd = from->fd;
    to.buffer = from->buffer;
    to.length = from->length;
    to.offset = from->offset;
    to.level = load_relaxed(&task.level);
    to.slot = slot;
    to.slot_generation = state.generation;
    to.open_flags = from->open_flags;
    to.mode = from->mode;
    to.hart = ctx.line_index;
    to.user_data = state.task;
    if (ctx.batch_count == 0 || to.level < ctx.batch_level) {
        ctx.batch_level = to.level;
        ctx.batch_age = 0;
    }
    ++ctx.batch_count;
}

// The completed slots of one level, oldest first. The list is newest first and lies in memory that
// a broken program may have overwritten: each link is checked, and a slot counts once.
uint32_t take_list(Context& ctx, uint32_t level) {
    const Group& group = *ctx.group;
    // Partner: kernel and host store the slot, then compare-exchange the head with release.
    uint32_t link = __atomic_exchange_n(&ctx.heads->head[level], 0u, __ATOMIC_ACQUIRE);
    uint32_t oldest = 0;
    for (uint32_t n = 0; link != 0 && n < group.num_slots; ++n) {
        const uint32_t slot = link - 1;
        if (slot >= group.num_slots) {
            ++ctx.counters.stale_completions;
            break;
        }
        const virtio_cops_slot& shared = group.slots[slot];
        cops_slot_state& state = group.slot_states[slot];
        link = load_relaxed(&shared.next);
        if (state.task == 0 || state.next != kInFlight
            || load_relaxed(&shared.generation) != state.generation) {
            ++ctx.counters.stale_completions;
            continue;
        }
        state.next = oldest;
        oldest = slot + 1;
    }
    return oldest;
}

void count_completion(Context& ctx, uint32_t path, int how) {
    if (path == VIRTIO_COPS_PATH_KERNEL) {
        ++ctx.counters.kernel_completions;
    } else if (how == COPS_DRAIN_INTERRUPT) {
        ++ctx.counters.interrupt_completions;
    } else {
        ++ctx.counters.ring_completions;
    }
}

uint32_t drain_level(Context& ctx, uint32_t level, int how) {
    uint32_t count = 0;
    uint32_t link = take_list(ctx, level);
    while (link != 0) {
        const uint32_t slot = link - 1;
        const virtio_cops_slot& shared = ctx.group->slots[slot];
        cops_slot_state& state = ctx.group->slot_states[slot];
        link = state.next;
        const cops_task_id task = state.task;
        const auto result = static_cast<int64_t>(load_relaxed(&shared.result));
        count_completion(ctx, load_relaxed(&shared.path), how);
        cops_executor_signal(&ctx, task, result);
        free_slot(ctx, slot);
        ++count;
    }
    return count;
}

}  // namespace

void queue_request(Context& ctx, Task& task) {
    const uint32_t level = load_relaxed(&task.level);
    task.queue_level = level;
    push_tail(*ctx.group, ctx.slot_queue[level], task);
    ctx.slot_waiting |= bit(level);
    pump_requests(ctx);
    if (ctx.free_slots == 0 && ctx.slot_waiting != 0) {
        ++ctx.counters.slot_waits;
    }
}

void pump_requests(Context& ctx) {
    while (ctx.slot_waiting != 0 && ctx.free_slots != 0 && ctx.batch_count < COPS_EXECUTOR_BATCH) {
        const uint32_t level = best_of(ctx.slot_waiting);
        cops_queue& queue = ctx.slot_queue[level];
        Task& task = task_at(*ctx.group, queue.head - 1);
        unlink(*ctx.group, queue, task);
        if (queue.head == 0) {
            ctx.slot_waiting &= ~bit(level);
        }
        const uint32_t slot = ctx.free_slots - 1;
        ctx.free_slots = ctx.group->slot_states[slot].next;
        fill(ctx, task, slot);
    }
}

}  // namespace executor

extern "C" {

uint32_t cops_executor_drain(cops_executor_context* ctx, int how) {
    if (ctx->line == nullptr) {
        return 0;
    }
    cops_executor_enter(ctx);
    uint32_t count = 0;
    // Partner: kernel and host list the slot, then fetch_or its bit. A slot listed after this
    // exchange comes with a bit of its own.
    uint64_t levels = executor::exchange(&ctx->line->wake_pending, uint64_t{0});
    while (levels != 0) {
        const uint32_t level = executor::best_of(levels);
        levels &= levels - 1;
        count += executor::drain_level(*ctx, level, how);
    }
    executor::pump_requests(*ctx);
    cops_executor_leave(ctx);
    return count;
}

uint32_t cops_executor_move_request(
    cops_executor_context* ctx, cops_task_id id, uint32_t level, uint32_t* generation
) {
    const executor::Task* task = executor::find(*ctx->group, id);
    const uint32_t state =
        task == nullptr ? 0 : executor::state_of(executor::load_relaxed(&task->state));
    if (state != COPS_TASK_WAITING && state != COPS_TASK_BLOCKED) {
        return 0;
    }
    uint32_t found = 0;
    cops_executor_enter(ctx);
    bool batched = false;
    for (uint32_t i = 0; i < ctx->batch_count && !batched; ++i) {
        cops_submission& request = ctx->batch[i];
        if (request.user_data == id) {
            request.level = level;
            ctx->batch_level = level < ctx->batch_level ? level : ctx->batch_level;
            batched = true;
        }
    }
    for (uint32_t slot = 0; slot < ctx->group->num_slots && !batched && found == 0; ++slot) {
        const cops_slot_state& slot_state = ctx->group->slot_states[slot];
        if (slot_state.task == id) {
            *generation = slot_state.generation;
            found = slot + 1;
        }
    }
    cops_executor_leave(ctx);
    return found;
}

void cops_executor_submitted(cops_executor_context* ctx, uint32_t accepted, int error) {
    cops_executor_enter(ctx);
    uint32_t gone = accepted < ctx->batch_count ? accepted : ctx->batch_count;
    if (error < 0 && gone < ctx->batch_count) {
        const cops_submission& refused = ctx->batch[gone];
        executor::free_slot(*ctx, refused.slot);
        cops_executor_signal(ctx, refused.user_data, error);
        ++gone;
    }
    const uint32_t kept = ctx->batch_count - gone;
    ctx->batch_count = kept;
    ctx->batch_age = 0;
    ctx->batch_level = executor::kNone;
    for (uint32_t i = 0; i < kept; ++i) {
        const cops_submission& from = ctx->batch[i + gone];
        cops_submission& to = ctx->batch[i];
        to.opcode = from.opcode;
        to.fd = from.fd;
        to.buffer = from.buffer;
        to.length = from.length;
        to.offset = from.offset;
        to.level = from.level;
        to.slot = from.slot;
        to.slot_generation = from.slot_generation;
        to.open_flags = from.open_flags;
        to.mode = from.mode;
        to.hart = from.hart;
        to.user_data = from.user_data;
        ctx->batch_level = to.level < ctx->batch_level ? to.level : ctx->batch_level;
    }
    executor::pump_requests(*ctx);
    cops_executor_leave(ctx);
}

void cops_executor_interrupt(cops_executor_context* ctx) {
    ++ctx->counters.interrupts;
    if (ctx->masked != 0) {
        ++ctx->counters.masked_interrupts;  // Whoever masked looks again when it leaves.
        return;
    }
    if (executor::pending(*ctx) != 0) {  // Else it was the user timer's.
        cops_executor_drain(ctx, COPS_DRAIN_INTERRUPT);
    }
}
}  // extern "C"
