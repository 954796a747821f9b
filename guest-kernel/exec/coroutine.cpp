// SPDX-License-Identifier: Apache-2.0
#include "exec/coroutine.hpp"

#include "exec/hart.hpp"

namespace kernel {

namespace {

constinit SpinLock tasks_lock{Rank::tasks};

// Room for more tasks. Another hart may have made some meanwhile: one segment too many does no
// harm.
bool add_tasks() {
    void* const segment = heap::allocate(COPS_EXECUTOR_SEGMENT_TASKS * sizeof(cops_task));
    if (segment == nullptr) {
        return false;
    }
    __builtin_memset(segment, 0, COPS_EXECUTOR_SEGMENT_TASKS * sizeof(cops_task));
    const Guard guard(tasks_lock);
    if (cops_executor_add_tasks(&executor_group(), static_cast<cops_task*>(segment)) != 0) {
        heap::free(segment);
        return false;
    }
    return true;
}

}  // namespace

cops_task_id spawn_on(Cpu& cpu, Async<void> coroutine, std::uint32_t level, std::uint32_t flags) {
    if (!coroutine.valid()) {
        return 0;
    }
    cops_executor_context* const context = &cpu.executor;
    void* const frame = coroutine.release();
    cops_task_id id = cops_executor_spawn(context, frame, level, flags);
    if (id == 0 && add_tasks()) {
        id = cops_executor_spawn(context, frame, level, flags);
    }
    if (id == 0) {
        std::coroutine_handle<>::from_address(frame).destroy();
    }
    return id;
}

cops_task_id spawn(Async<void> coroutine, std::uint32_t level, std::uint32_t flags) {
    const cops_task_id id = spawn_on(this_cpu(), std::move(coroutine), level, flags);
    send_kicks();
    return id;
}

void wake_task(cops_task_id id) {
    cops_executor_wake(&this_cpu().executor, id);
    send_kicks();
}

void signal_task(cops_task_id id, std::int64_t result) {
    cops_executor_signal(&this_cpu().executor, id, result);
    send_kicks();
}

}  // namespace kernel
