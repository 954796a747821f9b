// SPDX-License-Identifier: Apache-2.0
// The loop: picks, resumes, and carries out what the coroutine asked for once it has left the
// stack.
#include "internal.hpp"

namespace executor {

namespace {

// Without the look at other processes and the kernel: for the test that it is what keeps the order.
#ifdef COPS_EXECUTOR_DEAF
constexpr bool kDeafToKernel = true;
#else
constexpr bool kDeafToKernel = false;
#endif

// Masked, the executor holds locks and tasks that others wait for.
constexpr uint32_t kMasked = VIRTIO_COPS_LINE_F_MASKED | VIRTIO_COPS_LINE_F_CRITICAL;

constexpr uint32_t kMaxBatchAge = 32;  // Switches to more urgent work that a batch may wait for.

using FrameFunction = void (*)(void*);

void resume(void* frame) {
    (*static_cast<FrameFunction*>(frame))(frame);
}

void destroy(void* frame) {
    static_cast<FrameFunction*>(frame)[1](frame);
}

// Whether the task has left its stack, or waits below a plain function and keeps it.
enum class Leaves : uint32_t { stack = 0, hart = COPS_TASK_KEEPS_STACK };

// The running task falls asleep, or goes on when what it waits for has come already. True = asleep:
// from then on it is another's.
template <Leaves leaves>
bool sleep(Context& ctx, Task& task, uint32_t asleep, uint32_t token) {
    constexpr bool keeps = leaves == Leaves::hart;
    uint64_t word = load_relaxed(&task.state);
    for (;;) {
        const bool came_first = (word & token) != 0;
        const uint32_t state = !came_first ? asleep | static_cast<uint32_t>(leaves)
                               : keeps     ? COPS_TASK_RUNNING
                                           : COPS_TASK_READY;
        const uint64_t desired = with_state(came_first ? word & ~uint64_t{token} : word, state);
        // Partner: make_ready(). Success publishes the frame to the waker, or takes the waker's
        // writes.
        if (compare_exchange(&task.state, word, desired)) {
            if (came_first && !keeps) {
                enqueue(ctx, task);
            }
            return !came_first;
        }
    }
}

void change_state(Task& task, uint32_t state) {
    uint64_t word = load_relaxed(&task.state);
    // Acquire: what a waker wrote. Tokens stay.
    while (!compare_exchange(&task.state, word, with_state(word, state))) {
    }
}

template <Leaves leaves>
void step_aside(Context& ctx, Task& task) {
    change_state(task, leaves == Leaves::hart ? COPS_TASK_UNBLOCKED : COPS_TASK_READY);
    enqueue(ctx, task);
}

// Asleep first, then listed with the task it joins: so whoever takes the list may wake it at once.
template <Leaves leaves>
bool join_task(Context& ctx, Task& task, cops_task_id id) {
    const cops_task_id self = id_of(task);
    if (!sleep<leaves>(ctx, task, COPS_TASK_WAITING, COPS_TASK_EVENT)) {
        return false;
    }
    Task* target = find(*ctx.group, id);
    if (target != nullptr && target != &task) {
        uint64_t list = load_relaxed(&target->joiners);
        while (generation_of(list) == generation_of(id)) {
            task.next = static_cast<uint32_t>(list);
            const uint64_t desired = (uint64_t{generation_of(list)} << 32) | (task.index + 1);
            if (compare_exchange(&target->joiners, list, desired)) {  // Partner: wake_joiners().
                return true;
            }
        }
    }
    cops_executor_signal(&ctx, self, target == nullptr || target == &task ? kNoSuchTask : 0);
    return true;
}

// Carries out what the running task asked for. False: it asked for what has come already, and goes
// on at once if it keeps its stack.
template <Leaves leaves>
bool settle(Context& ctx, Task& task) {
    const Action action = static_cast<Action>(ctx.action);
    ctx.action = static_cast<uint32_t>(Action::none);
    switch (action) {
    case Action::yield:
        step_aside<leaves>(ctx, task);
        return true;
    case Action::yield_to: {
        const uint32_t level = ctx.running_level;
        step_aside<leaves>(ctx, task);
        queue_first(ctx, ctx.action_task, level);
        return true;
    }
    case Action::suspend:
        return sleep<leaves>(ctx, task, COPS_TASK_SUSPENDED, COPS_TASK_TOKEN);
    case Action::wait:
        return sleep<leaves>(ctx, task, COPS_TASK_WAITING, COPS_TASK_EVENT);
    case Action::join:
        return join_task<leaves>(ctx, task, ctx.action_task);
    case Action::submit:
        if (!sleep<leaves>(ctx, task, COPS_TASK_WAITING, COPS_TASK_EVENT)) {
            return false;
        }
        queue_request(ctx, task);
        return true;
    case Action::exit:
        if (task.frame != nullptr) {
            destroy(task.frame);
        }
        release_task(ctx, task);
        return true;
    case Action::none:  // Suspended by an awaiter that is not ours: only a wake can bring it back.
        break;
    }
    return sleep<leaves>(ctx, task, COPS_TASK_SUSPENDED, COPS_TASK_TOKEN);
}

bool must_submit(Context& ctx, uint32_t next) {
    if (ctx.batch_count == 0) {
        return false;
    }
    if (ctx.batch_count == COPS_EXECUTOR_BATCH || next > ctx.batch_level) {
        return true;
    }
    const uint32_t hold = next < ctx.batch_level ? kMaxBatchAge : ctx.batch_hold;
    return ctx.batch_age++ >= hold;
}

// Something outside wants this hart more than our best does. Reported once, then one task runs: so
// a hint that nobody withdraws costs time and does not stop us.
bool must_yield(Context& ctx, uint32_t best, int& reason) {
    if (best == kNone || ctx.yielded != 0) {
        return false;
    }
    // Partners: the host stores yield_level, the kernel `others`; both are hints, read once a
    // switch.
    if (!kDeafToKernel && ctx.kernel_line != nullptr
        && best_of(load_relaxed(&ctx.kernel_line->others)) < best) {
        reason = COPS_RUN_YIELD_KERNEL;
        ++ctx.counters.kernel_yields;
    } else if (ctx.host_line != nullptr && load_relaxed(&ctx.host_line->yield_level) < best) {
        reason = COPS_RUN_YIELD_HOST;
        ++ctx.counters.host_yields;
    } else {
        return false;
    }
    ctx.yielded = 1;
    return true;
}

// A reason to go back to the caller before anything is picked.
bool must_return(Context& ctx, uint32_t budget, uint32_t limit, int& reason) {
    if (load_relaxed(&ctx.stopped) != 0) {
        reason = COPS_RUN_STOPPED;
        return true;
    }
    if (ctx.kicks != 0) {
        reason = COPS_RUN_KICK;
        return true;
    }
    const uint32_t best = best_in_group(ctx);
    if (must_submit(ctx, best)) {
        reason = COPS_RUN_SUBMIT;
        return true;
    }
    if (must_yield(ctx, best, reason)) {
        return true;
    }
    if (best == kNone) {
        reason = COPS_RUN_IDLE;
        return true;
    }
    if (best > limit) {
        reason = COPS_RUN_LIMIT;
        return true;
    }
    reason = COPS_RUN_BUDGET;
    return budget == 0;
}

// Tells the host what runs, and looks whether something more urgent came before the host could
// know.
bool overtaken(Context& ctx) {
    if (ctx.line == nullptr) {
        return false;
    }
    const uint32_t level = ctx.running_level;
    store_relaxed(&ctx.line->running_level, level);
    // Partner: the host raises wake_pending, fences, then reads running_level and sends no
    // interrupt when that is at least as urgent. If it saw the old level, we see its bit.
    fence();
    return ctx.serves_least == 0 && (pending(ctx) & more_urgent_than(level)) != 0;
}

// A task that keeps its stack goes on there: that is the caller's business.
void begin_turn(Context& ctx, Task& task) {
    change_state(task, COPS_TASK_RUNNING);
    store_release(&ctx.counters.switches, ctx.counters.switches + 1);
    ctx.yielded = 0;
}

// A completion that came since overtaken() was left to us, for we were masked. Unmasking took it.
bool overtaken_in_leaving(const Context& ctx) {
    return ctx.serves_least == 0
           && (load_relaxed(&ctx.ready) & more_urgent_than(ctx.running_level)) != 0;
}

void run_task(Context& ctx, Task& task) {
    begin_turn(ctx, task);
    void* frame = task.frame;
    cops_executor_leave(&ctx);
    if (overtaken_in_leaving(ctx)) {
        cops_executor_enter(&ctx);
        change_state(task, COPS_TASK_READY);
        put_back(ctx, task, /*head=*/true);
        return;
    }
    resume(frame);
    cops_executor_enter(&ctx);
    settle<Leaves::stack>(ctx, task);
}

// Something better than the running coroutine is ready, and that one can lose the hart.
bool preemptible(const Context& ctx, bool slice_over) {
    // What has asked for something is about to leave the stack by itself.
    if (ctx.current == 0 || ctx.masked != 0 || ctx.kept != 0
        || ctx.action != static_cast<uint32_t>(Action::none)
        || (ctx.serves_least != 0 && !slice_over)) {
        return false;
    }
    const uint32_t level = ctx.running_level;
    const uint64_t better = more_urgent_than(slice_over ? level + 1 : level);
    const uint64_t ready = load_relaxed(&ctx.ready);
    return (ready & better) != 0 || (ctx.least_is_next != 0 && ready != 0)
           || (!is_only_one(*ctx.group) && best_in_group(ctx) < level);
}

void ask(Context& ctx, void* frame, Action action) {
    task_at(*ctx.group, ctx.current - 1).frame = frame;
    ctx.action = static_cast<uint32_t>(action);
}

}  // namespace

}  // namespace executor

using executor::Action;

extern "C" {

// Wherever an upcall can find us masked, the flag in the line is up: a kernel that upcalls until
// the completions are taken would never stop. (A user interrupt between the two stores leaves it
// down; it is then posted for nothing.)
void cops_executor_enter(cops_executor_context* ctx) {
    if (ctx->masked == 0 && ctx->line != nullptr) {
        executor::store_relaxed(&ctx->line->flags, ctx->line->flags | executor::kMasked);
        executor::interrupt_fence();
    }
    ++ctx->masked;
    executor::interrupt_fence();  // Partner: cops_executor_interrupt() on this hart.
}

void cops_executor_leave(cops_executor_context* ctx) {
    for (;;) {
        executor::interrupt_fence();
        if (ctx->masked > 1 || ctx->line == nullptr) {
            --ctx->masked;
            return;
        }
        ctx->masked = 0;
        executor::interrupt_fence();
        executor::store_relaxed(&ctx->line->flags, ctx->line->flags & ~executor::kMasked);
        // Partner: the host raises wake_pending, fences, then reads the flag, and leaves it to us
        // when it is up (VC-9.5).
        executor::fence();
        if (executor::pending(*ctx) == 0) {
            return;
        }
        // An interrupt may have come and found the mask: do its work. Inside, masked is above 1.
        cops_executor_enter(ctx);
        cops_executor_drain(ctx, COPS_DRAIN_POLL);
    }
}

int cops_executor_run(cops_executor_context* ctx, uint32_t budget, uint32_t limit) {
    int reason = COPS_RUN_IDLE;
    cops_executor_enter(ctx);
    for (;;) {
        if (executor::pending(*ctx) != 0) {
            cops_executor_drain(ctx, COPS_DRAIN_POLL);
        }
        if (executor::must_return(*ctx, budget, limit, reason)) {
            executor::retire(*ctx, reason == COPS_RUN_SUBMIT ? ctx->batch_level : executor::kNone);
            executor::fence();  // Partner: the host, as in overtaken().
            if (reason == COPS_RUN_IDLE && executor::pending(*ctx) != 0) {
                continue;
            }
            break;
        }
        executor::Task* task = executor::pick(*ctx, limit);
        if (task == nullptr) {
            continue;  // Another hart was faster, or holds the lock.
        }
        if (executor::overtaken(*ctx)) {
            executor::put_back(*ctx, *task, /*head=*/true);
            continue;
        }
        if (executor::keeps_stack(executor::load_relaxed(&task->state))) {
            executor::begin_turn(*ctx, *task);
            reason = COPS_RUN_RESUME;
            break;
        }
        executor::run_task(*ctx, *task);
        --budget;
    }
    cops_executor_leave(ctx);
    return reason;
}

int cops_executor_should_preempt(const cops_executor_context* ctx, int slice_over) {
    return executor::preemptible(*ctx, slice_over != 0) ? 1 : 0;
}

int cops_executor_preempt(cops_executor_context* ctx, void* stack, int slice_over) {
    if (!executor::preemptible(*ctx, slice_over != 0)) {
        return 0;
    }
    cops_executor_enter(ctx);
    executor::Task& task = executor::task_at(*ctx->group, ctx->current - 1);
    task.frame = stack;
    task.home = ctx->index;
    executor::change_state(task, COPS_TASK_PREEMPTED);  // A wake meanwhile is for its next suspend.
    // It keeps its turn, unless it has had all of it.
    executor::put_back(*ctx, task, /*head=*/slice_over == 0);
    ++ctx->counters.preemptions;
    cops_executor_leave(ctx);
    return 1;
}

int cops_executor_block(cops_executor_context* ctx, void* stack, void** frame) {
    if (ctx->current == 0 || ctx->action == static_cast<uint32_t>(Action::none)
        || ctx->action == static_cast<uint32_t>(Action::exit)) {
        return executor::kInvalidArgument;
    }
    cops_executor_enter(ctx);
    executor::Task& task = executor::task_at(*ctx->group, ctx->current - 1);
    *frame = task.frame;
    task.frame = stack;
    task.home = ctx->index;
    // Its event may come at once, from another hart; but it goes on here, and only from the loop,
    // which is on another stack then.
    const bool waits = executor::settle<executor::Leaves::hart>(*ctx, task);
    if (waits) {
        ctx->current = 0;
        ctx->running_task = 0;
        ++ctx->counters.blocks;
    }
    cops_executor_leave(ctx);
    return waits ? 1 : 0;
}

void cops_executor_serve_least(cops_executor_context* ctx) {
    ctx->least_is_next = 1;
}

void* cops_executor_resumed(const cops_executor_context* ctx) {
    return executor::task_at(*ctx->group, ctx->current - 1).frame;
}

void cops_executor_stop(cops_executor_context* ctx, uint32_t stop) {
    executor::store_relaxed(&ctx->stopped, stop);
}

int cops_executor_should_yield(const cops_executor_context* ctx) {
    const uint64_t urgent = executor::more_urgent_than(ctx->running_level);
    if (((executor::load_relaxed(&ctx->ready) | executor::pending(*ctx)) & urgent) != 0) {
        return 1;
    }
    if (ctx->kernel_line != nullptr
        && (executor::load_relaxed(&ctx->kernel_line->others) & urgent) != 0) {
        return 1;
    }
    return ctx->host_line != nullptr
           && executor::load_relaxed(&ctx->host_line->yield_level) < ctx->running_level;
}

void cops_executor_yield(cops_executor_context* ctx, void* frame) {
    executor::ask(*ctx, frame, Action::yield);
}

void cops_executor_yield_to(cops_executor_context* ctx, void* frame, cops_task_id id) {
    ctx->action_task = id;
    executor::ask(*ctx, frame, Action::yield_to);
}

void cops_executor_suspend(cops_executor_context* ctx, void* frame) {
    executor::ask(*ctx, frame, Action::suspend);
}

void cops_executor_wait(cops_executor_context* ctx, void* frame) {
    executor::ask(*ctx, frame, Action::wait);
}

void cops_executor_join(cops_executor_context* ctx, void* frame, cops_task_id id) {
    ctx->action_task = id;
    executor::ask(*ctx, frame, Action::join);
}

void cops_executor_exit(cops_executor_context* ctx, void* frame) {
    executor::ask(*ctx, frame, Action::exit);
}

void cops_executor_submit(cops_executor_context* ctx, void* frame, cops_submission* submission) {
    executor::Task& task = executor::task_at(*ctx->group, ctx->current - 1);
    executor::store_relaxed(
        &task.result, static_cast<int64_t>(reinterpret_cast<intptr_t>(submission))
    );
    executor::ask(*ctx, frame, Action::submit);
}
}  // extern "C"
