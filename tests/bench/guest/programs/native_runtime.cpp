// SPDX-License-Identifier: Apache-2.0
// What libcops is to an application, for the host: the same executor, no kernel and no requests.
#include <cops/cops.hpp>

#include <cstdio>
#include <ctime>

namespace {

struct Runtime {
    virtio_cops_line line{};
    virtio_cops_heads heads{};
    virtio_cops_host_line host_line{};
    cops_kernel_line kernel_line{};
    virtio_cops_slot slots[1]{};
    cops_slot_state slot_states[1]{};
    cops_executor_group group{};
    cops_executor_context context{};
    cops_executor_context* contexts[1] = {&context};
    cops_task* segments[COPS_EXECUTOR_SEGMENTS] = {};
};

Runtime runtime;
thread_local cops_executor_context* hart_context = nullptr;

constexpr std::size_t kTasks = std::size_t{16} * COPS_EXECUTOR_SEGMENT_TASKS;

bool add_tasks() {
    if (runtime.group.num_segments * COPS_EXECUTOR_SEGMENT_TASKS == kTasks) {
        return false;
    }
    void* memory = std::calloc(COPS_EXECUTOR_SEGMENT_TASKS, sizeof(cops_task));
    return memory != nullptr
           && cops_executor_add_tasks(&runtime.group, static_cast<cops_task*>(memory)) == 0;
}

bool make_executor() {
    cops_executor_group& group = runtime.group;
    group.abi = COPS_EXECUTOR_ABI;
    group.num_contexts = 1;
    group.contexts = runtime.contexts;
    group.segments = runtime.segments;
    group.slots = runtime.slots;
    group.slot_states = runtime.slot_states;
    group.num_slots = 1;
    cops_executor_context& context = runtime.context;
    runtime.host_line.yield_level = VIRTIO_COPS_LEVEL_NONE;
    context.line = &runtime.line;
    context.heads = &runtime.heads;
    context.host_line = &runtime.host_line;
    context.kernel_line = &runtime.kernel_line;
    hart_context = &context;
    return cops_executor_init_group(&group) == 0 && cops_executor_init_context(&group, 0, 0, 1) == 0
           && add_tasks();
}

cops::Task<> first_task(int argc, char** argv, int& status) {
    status = co_await cops_main(argc, argv);
    cops_executor_stop(cops::detail::context(), 1);
}

}  // namespace

namespace cops {

namespace detail {

// Not inlined, as in libcops.
[[gnu::noinline]] cops_executor_context* context() noexcept {
    return hart_context;
}

cops_task_id spawn_frame(void* frame, unsigned level) noexcept {
    cops_task_id id = cops_executor_spawn(context(), frame, level, 0);
    if (id == 0 && add_tasks()) {
        id = cops_executor_spawn(context(), frame, level, 0);
    }
    return id;
}

// There is one stack: coroutines lose the hart where they suspend.
bool lose_hart(bool) noexcept {
    return false;
}

void finish_root(void* frame) noexcept {
    cops_executor_exit(context(), frame);
}

void no_frame() {
    std::abort();
}

void move_request(cops_task_id, unsigned) noexcept {}

TaskRecord& task_record(std::uint32_t index) noexcept {
    static TaskRecord records[kTasks];
    return records[index];
}

Timers& timers() noexcept {
    static Timers all;
    return all;
}

std::uint64_t monotonic_ns() noexcept {
    return time_now();
}

}  // namespace detail

std::uint64_t time_now() noexcept {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000
           + static_cast<std::uint64_t>(time.tv_nsec);
}

}  // namespace cops

int main(int argc, char** argv) {
    int status = EXIT_FAILURE;
    if (!make_executor() || !cops::spawn(first_task(argc, argv, status), cops::kMainLevel)) {
        std::fputs("no executor\n", stderr);
        return EXIT_FAILURE;
    }
    while (cops_executor_run(&runtime.context, UINT32_MAX, VIRTIO_COPS_LEVELS - 1)
           != COPS_RUN_STOPPED) {
    }
    return status;
}
