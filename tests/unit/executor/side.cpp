// SPDX-License-Identifier: Apache-2.0
#include "side.hpp"

Side::Side(Options options)
    : lines_(options.contexts)
    , host_lines_(options.contexts)
    , kernel_lines_(options.contexts)
    , heads_(options.contexts)
    , slots_(options.contexts * options.slots)
    , slot_states_(options.contexts * options.slots) {
    segment_pointers_.resize(COPS_EXECUTOR_SEGMENTS);
    for (unsigned i = 0; i < options.contexts; ++i) {
        host_lines_[i].yield_level = VIRTIO_COPS_LEVEL_NONE;
        auto context = std::make_unique<cops_executor_context>();
        context->line = &lines_[i];
        context->heads = &heads_[i];
        context->host_line = &host_lines_[i];
        context->kernel_line = &kernel_lines_[i];
        context->doorbells = doorbells_;
        context->line_index = i;
        context_pointers_.push_back(context.get());
        contexts_.push_back(std::move(context));
    }
    group_.abi = COPS_EXECUTOR_ABI;
    group_.num_contexts = options.contexts;
    group_.contexts = context_pointers_.data();
    group_.segments = segment_pointers_.data();
    group_.slots = slots_.data();
    group_.slot_states = slot_states_.data();
    group_.num_slots = options.contexts * options.slots;
    cops_executor_init_group(&group_);
    for (unsigned i = 0; i < options.contexts; ++i) {
        cops_executor_init_context(&group_, i, i * options.slots, options.slots);
    }
    for (unsigned i = 0; i < options.segments; ++i) {
        add_segment();
    }
}

int Side::add_segment() {
    segments_.push_back(std::make_unique<cops_task[]>(COPS_EXECUTOR_SEGMENT_TASKS));
    return cops_executor_add_tasks(&group_, segments_.back().get());
}

int Side::run(unsigned index, std::uint32_t budget, std::uint32_t limit) {
    this_context = &context(index);
    return cops_executor_run(this_context, budget, limit);
}

void Side::list(const cops_submission& request, std::int64_t result, std::uint32_t path) {
    virtio_cops_slot& slot = slots_[request.slot];
    __atomic_store_n(&slot.result, static_cast<std::uint64_t>(result), __ATOMIC_RELAXED);
    __atomic_store_n(&slot.user_data, request.user_data, __ATOMIC_RELAXED);
    __atomic_store_n(&slot.generation, request.slot_generation, __ATOMIC_RELAXED);
    __atomic_store_n(&slot.level, request.level, __ATOMIC_RELAXED);
    __atomic_store_n(&slot.path, path, __ATOMIC_RELAXED);
    std::uint32_t* head = &heads_[request.hart].head[request.level];
    std::uint32_t seen = __atomic_load_n(head, __ATOMIC_RELAXED);
    do {
        __atomic_store_n(&slot.next, seen, __ATOMIC_RELAXED);
        // Partner: the exchange in cops_executor_drain().
    } while (!__atomic_compare_exchange_n(
        head, &seen, request.slot + 1, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED
    ));
}

bool Side::raise(const cops_submission& request) {
    virtio_cops_line& line = lines_[request.hart];
    __atomic_fetch_or(&line.wake_pending, std::uint64_t{1} << request.level, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return __atomic_load_n(&line.running_level, __ATOMIC_RELAXED) > request.level;
}

bool Side::complete(const cops_submission& request, std::int64_t result, std::uint32_t path) {
    list(request, result, path);
    return raise(request);
}

std::vector<cops_submission> Side::take_batch(unsigned index) {
    cops_executor_context& ctx = context(index);
    std::vector<cops_submission> batch(ctx.batch, ctx.batch + ctx.batch_count);
    cops_executor_submitted(&ctx, ctx.batch_count, 0);
    return batch;
}
