// SPDX-License-Identifier: Apache-2.0
// Contexts that sleep, are woken, and come and go.
#include "internal.hpp"

extern "C" {

uint64_t cops_executor_take_kicks(cops_executor_context* ctx) {
    const uint64_t kicks = ctx->kicks;
    ctx->kicks = 0;
    return kicks;
}

int cops_executor_close(cops_executor_context* ctx, uint32_t index, uint32_t closed) {
    cops_executor_group& group = *ctx->group;
    if (index == 0 || index >= executor::contexts_of(group)) {
        return executor::kInvalidArgument;
    }
    const uint64_t which = executor::bit(index);
    if (closed != 0) {
        __atomic_fetch_or(&group.closed, which, __ATOMIC_SEQ_CST);
        return 0;
    }
    __atomic_fetch_and(&group.closed, ~which, __ATOMIC_SEQ_CST);
    // It may sleep although there is work for it.
    if ((__atomic_fetch_and(&group.parked, ~which, __ATOMIC_SEQ_CST) & which) != 0) {
        ctx->kicks |= which;
    }
    return 0;
}

int cops_executor_has_work(const cops_executor_context* ctx) {
    return executor::best_in_group(*ctx) != executor::kNone || executor::pending(*ctx) != 0
                   || ctx->batch_count != 0
               ? 1
               : 0;
}

int cops_executor_park_begin(cops_executor_context* ctx) {
    cops_executor_enter(ctx);
    executor::retire(*ctx, executor::kNone);
    __atomic_fetch_or(&ctx->group->parked, executor::bit(ctx->index), __ATOMIC_SEQ_CST);
    // Partners: kick() queues, fences, then reads `parked`; the host raises wake_pending, fences,
    // then reads running_level, which is NONE by now.
    executor::fence();
    const bool work = cops_executor_has_work(ctx) != 0;
    cops_executor_leave(ctx);
    return work ? 0 : 1;
}

// What we were woken for has waited since.
void cops_executor_park_end(cops_executor_context* ctx) {
    const cops_executor_group& group = *ctx->group;
    __atomic_fetch_and(&ctx->group->parked, ~executor::bit(ctx->index), __ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < executor::contexts_of(group); ++i) {
        const uint64_t lone = cops_executor_lone(ctx, i);
        if (lone != 0 && lone == executor::load_relaxed(&group.contexts[i]->lone_told)) {
            cops_executor_share_lone(ctx, i, lone);
        }
    }
}

// A context that sleeps changes nothing. One that woke, ran something and sleeps again while we
// look has counted a switch.
int cops_executor_asleep(const cops_executor_context* ctx) {
    const cops_executor_group& group = *ctx->group;
    const uint32_t contexts = executor::contexts_of(group);
    const uint64_t all = executor::more_urgent_than(contexts);
    const auto all_parked = [&] {
        return (__atomic_load_n(&group.parked, __ATOMIC_SEQ_CST) & all) == all;
    };
    const auto switches = [&] {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < contexts; ++i) {
            sum += executor::load_acquire(&group.contexts[i]->counters.switches);
        }
        return sum;
    };
    const uint64_t before = switches();
    if (!all_parked()) {
        return 0;
    }
    for (uint32_t i = 0; i < contexts; ++i) {
        const cops_executor_context& one = *group.contexts[i];
        // In this order: a completion makes its task ready, then counts as no longer in flight.
        if (executor::load_acquire(&one.in_flight) != 0
            || executor::load_acquire(&one.ready) != 0) {
            return 0;
        }
    }
    return all_parked() && switches() == before ? 1 : 0;
}
}  // extern "C"
