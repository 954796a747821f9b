// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cops/schedule.hpp>
#include <cops/sync/detail/timers.hpp>

#include <kernel_abi/user_abi.h>

#include <cstdint>

namespace cops::detail {

struct TaskRecord;

/// What the harts of the process share. The executor's structures are as large as the executor of
/// this kernel wants them.
struct Runtime {
    cops_attach attach{};  // as the first thread got it
    cops_executor_group* group = nullptr;
    cops_executor_context* contexts[COPS_EXECUTOR_CONTEXTS] = {};
    cops_task* segments[COPS_EXECUTOR_SEGMENTS] = {};
    TaskRecord* records[COPS_EXECUTOR_SEGMENTS] = {};  // beside the tasks
    Timers timers;
    int status = 1;  // of the process, when cops_main() has ended
};
extern Runtime runtime;

/// Says what could not be done and ends the process.
[[noreturn]] void fail(const char* what, long error) noexcept;

/// Attaches to the kernel, makes the group, the first context and room for tasks; ends the process
/// when it cannot.
void make_executor() noexcept;
/// A context for the calling thread's hart, as the kernel described it: one more of the group.
/// False: no memory.
bool add_context(const cops_attach& attach) noexcept;
/// Room for COPS_EXECUTOR_SEGMENT_TASKS more tasks. False: no memory, or there are too many.
bool add_tasks() noexcept;

/// Wakes the harts that the executor found asleep although there is work for them.
void send_kicks() noexcept;
/// This hart ends the process as soon as its coroutine suspends. Others begin no more coroutines;
/// one that runs there goes on until it suspends or the process is over.
void stop_harts() noexcept;
/// The hart runs coroutines until the process ends.
[[noreturn]] void run_loop() noexcept;

}  // namespace cops::detail
