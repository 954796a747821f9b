// SPDX-License-Identifier: Apache-2.0
// main(): attaches to the kernel, makes the application's first coroutine, runs the executor.
#include "interrupt.hpp"
#include "runtime.hpp"
#include "stacks.hpp"
#include "system_call.hpp"
#include "vdso.hpp"

#include <cops/cops.hpp>

#include <cstdio>
#include <cstdlib>

// Libraries begin here: of libcops, linkers take this member first.
__asm__(".text\n"
        ".global cops_library_code\n"
        "cops_library_code:\n");

namespace cops {

namespace {

using detail::runtime;

Task<> first_task(int argc, char** argv) {
    runtime.status = co_await cops_main(argc, argv);
    detail::stop_harts();
}

}  // namespace

namespace detail {

cops_task_id spawn_frame(void* frame, unsigned level) noexcept {
    cops_task_id id = cops_executor_spawn(context(), frame, level, 0);
    if (id == 0 && add_tasks()) {
        id = cops_executor_spawn(context(), frame, level, 0);
    }
    lose_hart(false);
    return id;
}

void move_request(cops_task_id id, unsigned level) noexcept {
    std::uint32_t generation = 0;
    const std::uint32_t slot = cops_executor_move_request(context(), id, level, &generation);
    if (slot != 0) {
        // It may complete meanwhile, or the kernel may be too busy to ask: it then stays as it is.
        system_call(COPS_SYS_SET_LEVEL, slot - 1, generation, level);
    }
}

TaskRecord& task_record(std::uint32_t index) noexcept {
    return runtime
        .records[index / COPS_EXECUTOR_SEGMENT_TASKS][index % COPS_EXECUTOR_SEGMENT_TASKS];
}

Timers& timers() noexcept {
    return runtime.timers;
}

void finish_root(void* frame) noexcept {
    cops_executor_exit(context(), frame);
}

void no_frame() {
    std::fputs("cops: awaited a coroutine whose frame could not be allocated\n", stderr);
    std::abort();
}

}  // namespace detail

void set_window(std::chrono::nanoseconds window) noexcept {
    constexpr std::uint64_t kSecond = 1'000'000'000;
    const std::uint64_t timebase = runtime.attach.timebase;
    const auto wanted = window.count() <= 0 ? 0 : static_cast<std::uint64_t>(window.count());
    const std::uint64_t ticks = wanted / kSecond * timebase + wanted % kSecond * timebase / kSecond;
    detail::set_window(wanted != 0 && ticks == 0 ? 1 : ticks);
}

bool has_user_interrupts() noexcept {
    return runtime.attach.user_interrupts != 0;
}

unsigned harts() noexcept {
    return runtime.attach.lines;
}

unsigned hart() noexcept {
    return detail::context()->line_index;
}

}  // namespace cops

int main(int argc, char** argv) {
    if (const char* missing = cops::detail::find_executor(); missing != nullptr) {
        std::fprintf(stderr, "cops: this program needs the COPS kernel: %s\n", missing);
        return EXIT_FAILURE;
    }
    cops::detail::make_executor();
    if (!cops::spawn(cops::first_task(argc, argv), cops::kMainLevel)) {
        cops::detail::fail("first coroutine", -ENOMEM);
    }
    cops::detail::allow_interrupts(cops::detail::runtime.attach);
    cops::detail::run_loop();
}
