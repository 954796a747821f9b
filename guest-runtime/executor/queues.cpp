// SPDX-License-Identifier: Apache-2.0
// Ready queues of a context: one FIFO per level, a bitmap, the published claim, stealing.
#include "internal.hpp"

namespace executor {

namespace {

Task* task_of_link(const Group& group, uint32_t link) {
    return link == 0 ? nullptr : &task_at(group, link - 1);
}

bool is_pinned(const Task& task) {
    return (task.flags & COPS_SPAWN_PINNED) != 0;
}

void take_out(Context& owner, Task& task) {
    cops_queue& queue = owner.queue[task.queue_level];
    unlink(*owner.group, queue, task);
    if (queue.head == 0) {
        store_relaxed(&owner.ready, owner.ready & ~bit(task.queue_level));
    }
    if (!is_pinned(task) && --owner.unpinned[task.queue_level] == 0) {
        store_relaxed(&owner.stealable, owner.stealable & ~bit(task.queue_level));
    }
    store_relaxed(&task.queued, 0u);
}

void put_in(Context& owner, Task& task, bool head) {
    // `queued` first, then the level: set_level() stores the level first, then looks at `queued`.
    // One of the two sees the other, so a level given meanwhile is never lost.
    store_relaxed(&task.queued, owner.index + 1);
    fence();
    task.queue_level = load_relaxed(&task.level);
    cops_queue& queue = owner.queue[task.queue_level];
    if (head) {
        push_head(*owner.group, queue, task);
    } else {
        push_tail(*owner.group, queue, task);
    }
    store_relaxed(&owner.ready, owner.ready | bit(task.queue_level));
    if (!is_pinned(task) && owner.unpinned[task.queue_level]++ == 0) {
        store_relaxed(&owner.stealable, owner.stealable | bit(task.queue_level));
    }
}

// Someone sleeps who could run this: on its own context if pinned there, else any parked one.
void kick(Context& ctx, const Context& owner, bool pinned) {
    Group& group = *ctx.group;
    if (group.num_contexts == 1) {
        return;
    }
    fence();  // Partner: park_begin() publishes `parked`, fences, then looks at the queues.
    uint64_t candidates = load_relaxed(&group.parked);
    if (&owner != &ctx) {
        candidates &= bit(owner.index);
    } else if (pinned || ctx.current == 0) {
        return;  // This hart is about to look at its queues itself.
    }
    if (candidates == 0) {
        return;
    }
    const uint64_t chosen = candidates & (~candidates + 1);
    if ((__atomic_fetch_and(&group.parked, ~chosen, __ATOMIC_SEQ_CST) & chosen) != 0) {
        ctx.kicks |= chosen;
    }
}

void put_and_tell(Context& ctx, Context& owner, Task& task, bool head) {
    lock(owner);
    put_in(owner, task, head);
    const Claim claim = publish(owner);
    const bool pinned = is_pinned(task);
    unlock(owner);  // The task may run elsewhere from here on.
    if (&owner == &ctx) {
        ring_claim(ctx, claim);  // Another hart's doorbell is its own; it is kicked instead.
    }
    kick(ctx, owner, pinned);
}

void make_current(Context& ctx, Task& task, uint32_t level) {
    ctx.current = task.index + 1;
    ctx.running_level = level;
    publish(ctx);
}

// Most urgent level of which another context has a task to give away, and where.
uint32_t best_elsewhere(const Context& ctx, uint32_t& where) {
    uint32_t best = kNone;
    const Group& group = *ctx.group;
    for (uint32_t i = 0; i < group.num_contexts; ++i) {
        if (i == ctx.index) {
            continue;
        }
        const uint32_t level = best_of(load_relaxed(&group.contexts[i]->stealable));
        if (level < best) {
            best = level;
            where = i;
        }
    }
    return best;
}

Task* steal(Context& ctx, uint32_t victim_index) {
    Context& victim = *ctx.group->contexts[victim_index];
    if (load_relaxed(&ctx.ready) == 0) {
        lock(victim);  // Nothing else to do, and whoever holds it may need our hart to go on.
    } else if (!try_lock(victim)) {
        return nullptr;
    }
    Task* found = nullptr;
    const uint64_t bits = victim.stealable;
    if (bits != 0) {
        found = &task_at(*ctx.group, victim.queue[best_of(bits)].head - 1);
        while (is_pinned(*found)) {
            found = &task_at(*ctx.group, found->next - 1);  // `unpinned` says that there is one.
        }
    }
    if (found != nullptr) {
        take_out(victim, *found);
        publish(victim);
    }
    unlock(victim);
    return found;
}

}  // namespace

void lock(Context& ctx) {
    constexpr uint32_t kPatience = 2000;  // Far longer than any critical section.
    while (!try_lock(ctx)) {
        for (uint32_t spins = 1; load_relaxed(&ctx.lock) != 0; ++spins) {
            cpu_relax();
            if (spins % kPatience == 0 && ctx.give_way != nullptr) {
                ctx.give_way();
            }
        }
    }
}

bool try_lock(Context& ctx) {
    // Partner: the release in unlock().
    return __atomic_exchange_n(&ctx.lock, 1u, __ATOMIC_ACQUIRE) == 0;
}

void unlock(Context& ctx) {
    store_release(&ctx.lock, 0u);
}

void push_tail(const Group& group, cops_queue& queue, Task& task) {
    task.next = 0;
    task.prev = queue.tail;
    if (Task* tail = task_of_link(group, queue.tail)) {
        tail->next = task.index + 1;
    } else {
        queue.head = task.index + 1;
    }
    queue.tail = task.index + 1;
}

void push_head(const Group& group, cops_queue& queue, Task& task) {
    task.prev = 0;
    task.next = queue.head;
    if (Task* head = task_of_link(group, queue.head)) {
        head->prev = task.index + 1;
    } else {
        queue.tail = task.index + 1;
    }
    queue.head = task.index + 1;
}

void unlink(const Group& group, cops_queue& queue, Task& task) {
    Task* next = task_of_link(group, task.next);
    Task* prev = task_of_link(group, task.prev);
    if (next != nullptr) {
        next->prev = task.prev;
    } else {
        queue.tail = task.prev;
    }
    if (prev != nullptr) {
        prev->next = task.next;
    } else {
        queue.head = task.next;
    }
}

Claim publish(Context& ctx) {
    uint64_t bits = ctx.ready;
    if (ctx.running_level < VIRTIO_COPS_LEVELS) {
        bits |= bit(ctx.running_level);
    }
    const Claim claim{ctx.claimed, best_of(bits)};
    ctx.claimed = claim.now;
    if (ctx.published != nullptr && load_relaxed(ctx.published) != bits) {
        store_release(
            ctx.published, bits
        );  // Partner: the host samples it, and at CLAIM re-reads it.
    }
    return claim;
}

void ring_claim(Context& ctx, Claim claim) {
    if (claim.now >= claim.before || ctx.host_line == nullptr || ctx.doorbells == nullptr) {
        return;
    }
    // Partner: the host publishes ring_level, fences, then samples the line again. Either we see
    // the new ring_level here or the host sees our claim there.
    fence();
    const uint32_t ring_level = load_relaxed(&ctx.host_line->ring_level);
    if (claim.now < ring_level && claim.before >= ring_level) {
        ++ctx.counters.claims_rung;
        ctx.doorbells[VIRTIO_COPS_DOORBELL_CLAIM / sizeof(uint32_t)] = 1;
    }
}

void enqueue(Context& ctx, Task& task) {
    const bool elsewhere = is_pinned(task) && task.home != ctx.index;
    put_and_tell(ctx, elsewhere ? *ctx.group->contexts[task.home] : ctx, task, /*head=*/false);
}

void requeue_head(Context& ctx, Task& task) {
    lock(ctx);
    ctx.current = 0;
    ctx.running_level = kNone;
    put_in(ctx, task, /*head=*/true);
    publish(ctx);
    unlock(ctx);
}

uint32_t best_in_group(const Context& ctx) {
    uint32_t where = 0;
    const uint32_t own = best_of(load_relaxed(&ctx.ready));
    const uint32_t other = best_elsewhere(ctx, where);
    return other < own ? other : own;
}

Task* pick(Context& ctx, uint32_t limit) {
    if (ctx.group->num_contexts > 1) {
        uint32_t where = 0;
        const uint32_t other = best_elsewhere(ctx, where);
        if (other < best_of(load_relaxed(&ctx.ready)) && other <= limit) {
            if (Task* task = steal(ctx, where)) {
                ++ctx.counters.steals;
                lock(ctx);
                make_current(ctx, *task, task->queue_level);
                unlock(ctx);
                return task;
            }
        }
    }
    Task* task = nullptr;
    lock(ctx);
    const uint32_t best = best_of(ctx.ready);
    if (best <= limit && best != kNone) {
        task = &task_at(*ctx.group, ctx.queue[best].head - 1);
        take_out(ctx, *task);
        make_current(ctx, *task, best);
    }
    unlock(ctx);
    return task;
}

void retire(Context& ctx, uint32_t level) {
    lock(ctx);
    ctx.current = 0;
    ctx.running_level = level;
    publish(ctx);
    unlock(ctx);
    if (ctx.line != nullptr) {
        store_relaxed(&ctx.line->running_level, level);
    }
}

}  // namespace executor

using executor::Task;

extern "C" {

int cops_executor_set_level(cops_executor_context* ctx, cops_task_id id, uint32_t level) {
    if (level >= VIRTIO_COPS_LEVELS) {
        return executor::kInvalidArgument;
    }
    Task* task = executor::find(*ctx->group, id);
    if (task == nullptr || cops_executor_alive(ctx, id) == 0) {
        return executor::kNoSuchTask;
    }
    cops_executor_enter(ctx);
    executor::store_relaxed(&task->level, level);
    executor::fence();  // Partner: put_in().
    const uint32_t queued = executor::load_relaxed(&task->queued);
    cops_executor_context* owner = ctx;
    if (queued != 0) {
        owner = ctx->group->contexts[queued - 1];
    }
    executor::lock(*owner);
    if (executor::load_relaxed(&task->queued) == owner->index + 1) {
        executor::take_out(*owner, *task);
        executor::put_in(*owner, *task, /*head=*/false);
    } else if (owner == ctx && ctx->current == task->index + 1) {
        // Running here. One that runs on another hart changes at its next enqueue.
        ctx->running_level = level;
        if (ctx->line != nullptr) {
            executor::store_relaxed(&ctx->line->running_level, level);
        }
    }
    const executor::Claim claim = executor::publish(*owner);
    executor::unlock(*owner);
    if (owner == ctx) {
        executor::ring_claim(*ctx, claim);
    }
    executor::fence(
    );  // running_level before wake_pending, which leave() reads. Partner: the host.
    cops_executor_leave(ctx);
    return 0;
}

uint32_t cops_executor_best(const cops_executor_context* ctx) {
    return executor::best_of(executor::load_relaxed(&ctx->ready));
}

uint64_t cops_executor_take_kicks(cops_executor_context* ctx) {
    const uint64_t kicks = ctx->kicks;
    ctx->kicks = 0;
    return kicks;
}

int cops_executor_park_begin(cops_executor_context* ctx) {
    cops_executor_enter(ctx);
    executor::retire(*ctx, executor::kNone);
    __atomic_fetch_or(&ctx->group->parked, executor::bit(ctx->index), __ATOMIC_SEQ_CST);
    // Partners: kick() queues, fences, then reads `parked`; the host raises wake_pending, fences,
    // then reads running_level, which is NONE by now.
    executor::fence();
    const bool work = executor::best_in_group(*ctx) != executor::kNone
                      || executor::pending(*ctx) != 0 || ctx->batch_count != 0;
    cops_executor_leave(ctx);
    return work ? 0 : 1;
}

void cops_executor_park_end(cops_executor_context* ctx) {
    __atomic_fetch_and(&ctx->group->parked, ~executor::bit(ctx->index), __ATOMIC_SEQ_CST);
}
}  // extern "C"
