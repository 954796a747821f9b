// SPDX-License-Identifier: Apache-2.0
// Ready queues of a context: one FIFO per level, a bitmap, the published claim, stealing.
#include "internal.hpp"

namespace executor {

namespace {

Task* task_of_link(const Group& group, uint32_t link) {
    return link == 0 ? nullptr : &task_at(group, link - 1);
}

// Who keeps a stack has it on one hart; that does not change while it is queued.
bool is_pinned(const Task& task) {
    return (task.flags & COPS_SPAWN_PINNED) != 0 || keeps_stack(load_relaxed(&task.state));
}

// `offered` to `stealable`, but for the level that runs: where coroutines of one level wake each
// other and suspend, that bit of `stealable` changes twice at each switch. So the word stays, and
// the other harts, which look at it at each of their switches, have it in their caches.
void offer(Context& owner) {
    const uint64_t offered = load_relaxed(&owner.offered);
    const uint64_t kept =
        owner.running_level < VIRTIO_COPS_LEVELS ? offered & bit(owner.running_level) : 0;
    if ((owner.stealable | kept) != offered) {
        store_relaxed(&owner.offered, owner.stealable | kept);
    }
}

bool is_lone(const Context& owner, const Task& task) {
    return owner.lone == task.index + 1;
}

// Another hart may take it.
void count_stealable(Context& owner, const Task& task) {
    if (owner.unpinned[task.queue_level]++ == 0) {
        store_relaxed(&owner.stealable, owner.stealable | bit(task.queue_level));
        const uint64_t offered = load_relaxed(&owner.offered);
        if ((offered | owner.stealable) != offered) {
            store_relaxed(&owner.offered, offered | owner.stealable);
        }
    }
}

void take_out(Context& owner, Task& task) {
    cops_queue& queue = owner.queue[task.queue_level];
    unlink(*owner.group, queue, task);
    if (queue.head == 0) {
        store_relaxed(&owner.ready, owner.ready & ~bit(task.queue_level));
    }
    if (is_lone(owner, task)) {
        store_relaxed(&owner.lone, 0u);
    } else if (!is_pinned(task) && --owner.unpinned[task.queue_level] == 0) {
        store_relaxed(&owner.stealable, owner.stealable & ~bit(task.queue_level));
    }
    store_relaxed(&task.queued, 0u);
}

// At the task's own level, or at `lent` when that is more urgent.
// The caller counts it as stealable or lone.
void put_in_uncounted(Context& owner, Task& task, bool head, uint32_t lent) {
    // `queued` first, then the level: set_level() stores the level first, then looks at `queued`.
    // One of the two sees the other, so a level given meanwhile is never lost.
    store_relaxed(&task.queued, owner.index + 1);
    fence();
    const uint32_t own = load_relaxed(&task.level);
    task.queue_level = lent < own ? lent : own;
    cops_queue& queue = owner.queue[task.queue_level];
    if (head) {
        push_head(*owner.group, queue, task);
    } else {
        push_tail(*owner.group, queue, task);
    }
    store_relaxed(&owner.ready, owner.ready | bit(task.queue_level));
}

void put_in(Context& owner, Task& task, bool head, uint32_t lent = kNone) {
    put_in_uncounted(owner, task, head, lent);
    if (!is_pinned(task)) {
        count_stealable(owner, task);
    }
}

// The lone task's turn may be far away. True = there was one.
bool share_lone(Context& owner) {
    const Task* const task = task_of_link(*owner.group, owner.lone);
    if (task == nullptr) {
        return false;
    }
    store_relaxed(&owner.lone, 0u);
    count_stealable(owner, *task);
    publish(owner);
    return true;
}

// One of those that sleep, and may help: its sleep ends with the next kicks.
void kick_one(Context& ctx, uint64_t candidates) {
    const uint64_t chosen = candidates & (~candidates + 1);
    if (chosen != 0
        && (__atomic_fetch_and(&ctx.group->parked, ~chosen, __ATOMIC_SEQ_CST) & chosen) != 0) {
        ctx.kicks |= chosen;
    }
}

// Someone sleeps who could run this: on its own context if pinned there, else any parked one that
// is open, the owner first. `alone`: nothing else is ready there.
void kick(Context& ctx, const Context& owner, bool pinned, bool alone) {
    const Group& group = *ctx.group;
    if (is_only_one(group)) {
        return;
    }
    fence();  // Partner: park_begin() publishes `parked`, fences, then looks at the queues.
    if (&owner == &ctx && (pinned || (alone && ctx.current == 0))) {
        return;  // This hart is about to look at its queues itself.
    }
    const uint64_t parked = load_relaxed(&group.parked);
    uint64_t candidates = parked & bit(owner.index);
    if (candidates == 0 && !pinned) {
        candidates = parked & ~load_relaxed(&group.closed);
    }
    kick_one(ctx, candidates);
}

uint64_t turn(const Context& ctx) {
    return load_relaxed(&ctx.counters.switches) + 1;
}

// Where a sleeper that was told of a lone task came too late for it, the next ones are left alone
// for ever longer.
void kick_for_lone(Context& ctx) {
    constexpr uint64_t kShortest = 64;
    constexpr uint64_t kLongest = 65536;
    if (ctx.counters.switches < load_relaxed(&ctx.lone_resume)) {
        return;
    }
    fence();  // Partner: as in kick().
    const Group& group = *ctx.group;
    const uint64_t candidates = load_relaxed(&group.parked) & ~load_relaxed(&group.closed);
    if (candidates == 0) {
        return;
    }
    const uint64_t longer = ctx.lone_pause == 0 ? kShortest : 2 * ctx.lone_pause;
    const bool wanted = load_relaxed(&ctx.lone_resume) == 0;
    ctx.lone_pause = wanted ? 0 : longer < kLongest ? longer : kLongest;
    store_relaxed(&ctx.lone_resume, ctx.counters.switches + ctx.lone_pause);
    store_relaxed(&ctx.lone_told, turn(ctx));
    kick_one(ctx, candidates);
}

// Stays for the next turn here.
bool becomes_lone(const Context& ctx, const Context& owner, const Task& task, bool alone) {
    return alone && &owner == &ctx && ctx.keeps_lone != 0 && ctx.current != 0 && !is_pinned(task);
}

// The queue's lock is held. True = it stays for the next turn.
bool put_among_several(const Context& ctx, Context& owner, Task& task, bool alone) {
    const bool lone = becomes_lone(ctx, owner, task, alone);
    put_in_uncounted(owner, task, /*head=*/false, kNone);
    if (lone) {
        store_relaxed(&owner.lone, task.index + 1);
    } else if (!is_pinned(task)) {
        count_stealable(owner, task);
    }
    if (owner.lone != 0 && task.queue_level < task_of_link(*owner.group, owner.lone)->queue_level) {
        share_lone(owner);
    }
    return lone;
}

void put_and_tell(Context& ctx, Context& owner, Task& task) {
    lock(owner);
    const bool alone = owner.ready == 0;
    const bool pinned = is_pinned(task);
    const bool several = !is_only_one(*ctx.group);
    bool lone = false;
    if (several) {
        lone = put_among_several(ctx, owner, task, alone);
    } else {
        put_in(owner, task, /*head=*/false);
    }
    const Claim claim = publish(owner);
    unlock(owner);  // The task may run elsewhere from here on.
    if (&owner == &ctx) {
        ring_claim(ctx, claim);  // Another hart's doorbell is its own; it is kicked instead.
    }
    if (lone) {
        kick_for_lone(ctx);
    } else if (several) {
        kick(ctx, owner, pinned, alone);
    }
}

void make_current(Context& ctx, Task& task, uint32_t level) {
    ctx.current = task.index + 1;
    ctx.running_task = id_of(task);
    ctx.running_level = level;
    ctx.serves_least = 0;
    publish(ctx);
}

Task* take_head(Context& ctx, uint32_t level) {
    Task& task = task_at(*ctx.group, ctx.queue[level].head - 1);
    take_out(ctx, task);
    make_current(ctx, task, level);
    return &task;
}

Task* pick_least(Context& ctx) {
    Task* task = nullptr;
    lock(ctx);
    if (ctx.ready != 0) {
        task = take_head(ctx, least_of(ctx.ready));
        ctx.serves_least = 1;
    }
    unlock(ctx);
    return task;
}

// The task is in our hands before the line can say so, and the lock of its queue before that: while
// the host sees nothing it may stop us for whatever is more urgent than nothing.
void announce(Context& ctx, uint32_t level) {
    lock(ctx);
    ctx.running_level = level;
    publish(ctx);
    unlock(ctx);
}

// Most urgent level of which another context has a task to give away, and where; kNone when none is
// more urgent than `bound`.
uint32_t best_elsewhere(const Context& ctx, uint32_t bound, uint32_t& where) {
    uint32_t best = kNone;
    const Group& group = *ctx.group;
    const uint32_t contexts = is_only_one(group) || is_closed(ctx) ? 0 : contexts_of(group);
    for (uint32_t i = 0; i < contexts; ++i) {
        const Context& other = *group.contexts[i];
        // `offered` may be stale, and costs nothing to read; `stealable` is true and its hart's.
        if (i == ctx.index || best_of(load_relaxed(&other.offered)) >= bound) {
            continue;
        }
        const uint32_t level = best_of(load_relaxed(&other.stealable));
        if (level < bound) {
            bound = best = level;
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
        while (is_pinned(*found) || is_lone(victim, *found)) {
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
        // Partner: the host samples it, and at CLAIM re-reads it.
        store_release(ctx.published, bits);
        offer(ctx);
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
    const uint32_t where = is_pinned(task) ? task.home : is_closed(ctx) ? 0 : ctx.index;
    put_and_tell(ctx, *ctx.group->contexts[where], task);
}

void put_back(Context& ctx, Task& task, bool head) {
    lock(ctx);
    // Overtaken or preempted, it keeps a level that it was lent; with its slice that is over too.
    const uint32_t lent = head ? ctx.running_level : kNone;
    ctx.current = 0;
    ctx.running_task = 0;
    ctx.running_level = kNone;
    put_in(ctx, task, head, lent);
    publish(ctx);
    unlock(ctx);
}

void queue_first(Context& ctx, cops_task_id id, uint32_t level) {
    Task* task = find(*ctx.group, id);
    const uint32_t queued = task == nullptr ? 0 : load_relaxed(&task->queued);
    if (queued == 0) {
        return;
    }
    Context& owner = *ctx.group->contexts[queued - 1];
    lock(owner);
    // Under the lock of the queue it is in, whose entry it is and what it is cannot change.
    const bool may_move = load_relaxed(&task->queued) == queued && id_of(*task) == id
                          && (&owner == &ctx || !is_pinned(*task));
    if (may_move) {
        take_out(owner, *task);
        publish(owner);
    }
    unlock(owner);
    if (may_move) {
        lock(ctx);
        put_in(ctx, *task, /*head=*/true, level);
        publish(ctx);
        unlock(ctx);
    }
}

uint32_t best_in_group(const Context& ctx) {
    uint32_t where = 0;
    const uint32_t own = best_of(load_relaxed(&ctx.ready));
    const uint32_t other = best_elsewhere(ctx, own, where);
    return other < own ? other : own;
}

Task* pick(Context& ctx, uint32_t limit) {
    if (ctx.least_is_next != 0) {
        ctx.least_is_next = 0;
        if (Task* task = pick_least(ctx)) {
            return task;
        }
    }
    if (!is_only_one(*ctx.group)) {
        uint32_t where = 0;
        const uint32_t other = best_elsewhere(ctx, best_of(load_relaxed(&ctx.ready)), where);
        if (other <= limit) {
            announce(ctx, other);
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
    bool shared = false;
    lock(ctx);
    const uint32_t best = best_of(ctx.ready);
    if (best <= limit && best != kNone) {
        task = take_head(ctx, best);
        shared = ctx.lone != 0 && share_lone(ctx);  // Something else came first.
    }
    unlock(ctx);
    if (shared) {
        kick(ctx, ctx, /*pinned=*/false, /*alone=*/false);
    }
    return task;
}

void retire(Context& ctx, uint32_t level) {
    lock(ctx);
    ctx.current = 0;
    ctx.running_task = 0;
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

uint64_t cops_executor_lone(const cops_executor_context* ctx, uint32_t index) {
    const cops_executor_context& other = *ctx->group->contexts[index];
    return executor::load_relaxed(&other.lone) == 0 ? 0 : executor::turn(other);
}

int cops_executor_share_lone(cops_executor_context* ctx, uint32_t index, uint64_t lone) {
    cops_executor_context& other = *ctx->group->contexts[index];
    if (ctx->masked != 0) {
        return 0;  // From an interrupt: the lock may be ours.
    }
    cops_executor_enter(ctx);
    executor::lock(other);
    const bool shared = executor::turn(other) == lone && executor::share_lone(other);
    if (shared) {
        executor::store_relaxed(&other.lone_resume, uint64_t{0});
    }
    executor::unlock(other);
    if (shared) {
        executor::kick(*ctx, other, /*pinned=*/false, /*alone=*/false);
    }
    cops_executor_leave(ctx);
    return shared ? 1 : 0;
}

uint32_t cops_executor_best(const cops_executor_context* ctx) {
    return executor::best_of(executor::load_relaxed(&ctx->ready));
}
}  // extern "C"
