// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <executor/executor.h>

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

/// One side of the executor in a test: a group, its contexts, and the memory that host and kernel
/// share. Tests play the kernel (they take the batch) and the host (they complete slots).
class Side {
public:
    struct Options {
        unsigned contexts = 1;
        unsigned slots = 8;  // Per context.
        unsigned segments = 1;
    };

    Side()
        : Side(Options()) {}
    explicit Side(Options options);

    cops_executor_context& context(unsigned index = 0) { return *contexts_[index]; }
    cops_executor_group& group() { return group_; }
    virtio_cops_line& line(unsigned index = 0) { return lines_[index]; }
    virtio_cops_host_line& host_line(unsigned index = 0) { return host_lines_[index]; }
    cops_kernel_line& kernel_line(unsigned index = 0) { return kernel_lines_[index]; }
    virtio_cops_heads& heads(unsigned index = 0) { return heads_[index]; }
    virtio_cops_slot& slot(unsigned index) { return slots_[index]; }
    std::uint32_t& doorbell(unsigned offset) { return doorbells_[offset / 4]; }

    /// Runs everything that is ready on a context and returns why it stopped.
    int run(unsigned index = 0, std::uint32_t budget = UINT32_MAX, std::uint32_t limit = 63);

    /// The host's half of a completion, in the order the wire demands; true = it would interrupt.
    bool complete(
        const cops_submission& request,
        std::int64_t result,
        std::uint32_t path = VIRTIO_COPS_PATH_HOST
    );
    /// The list part alone: slot written and pushed.
    void list(const cops_submission& request, std::int64_t result, std::uint32_t path);
    /// The bit, and the decision whether to interrupt.
    bool raise(const cops_submission& request);

    /// Takes the batch as COPS_SYS_SUBMIT would.
    std::vector<cops_submission> take_batch(unsigned index = 0);

    /// Adds another segment of tasks.
    int add_segment();

private:
    cops_executor_group group_{};
    std::vector<std::unique_ptr<cops_executor_context>> contexts_;
    std::vector<cops_executor_context*> context_pointers_;
    std::vector<cops_task*> segment_pointers_;
    std::vector<std::unique_ptr<cops_task[]>> segments_;
    std::vector<virtio_cops_line> lines_;
    std::vector<virtio_cops_host_line> host_lines_;
    std::vector<cops_kernel_line> kernel_lines_;
    std::vector<virtio_cops_heads> heads_;
    std::vector<virtio_cops_slot> slots_;
    std::vector<cops_slot_state> slot_states_;
    std::uint32_t doorbells_[2] = {};
};

/// The context of the test thread's hart: set while it runs coroutines.
inline thread_local cops_executor_context* this_context = nullptr;

/// Read through a call, so that a coroutine that moved to another thread sees that thread's.
[[gnu::noinline]] inline cops_executor_context* here() {
    return this_context;
}

/// A coroutine for tests; the executor frees it.
struct Routine {
    struct promise_type {
        struct Final {
            bool await_ready() noexcept { return false; }
            void await_suspend(std::coroutine_handle<> self) noexcept {
                cops_executor_exit(here(), self.address());
            }
            void await_resume() noexcept {}
        };
        Routine get_return_object() {
            return {std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_always initial_suspend() noexcept { return {}; }
        Final final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { std::abort(); }
    };
    std::coroutine_handle<promise_type> handle;
};

inline cops_task_id
start(cops_executor_context& ctx, Routine routine, unsigned level, unsigned flags = 0) {
    return cops_executor_spawn(&ctx, routine.handle.address(), level, flags);
}

template <auto Call>
struct SimpleAwaiter {
    bool await_ready() { return false; }
    void await_suspend(std::coroutine_handle<> self) { Call(here(), self.address()); }
    void await_resume() {}
};
using Yield = SimpleAwaiter<cops_executor_yield>;
using Suspend = SimpleAwaiter<cops_executor_suspend>;
using Wait = SimpleAwaiter<cops_executor_wait>;

struct Join {
    cops_task_id id;
    bool await_ready() { return false; }
    void await_suspend(std::coroutine_handle<> self) {
        cops_executor_join(here(), self.address(), id);
    }
    std::int64_t await_resume() { return cops_executor_result(here()); }
};

struct Submit {
    cops_submission submission{};
    bool await_ready() { return false; }
    void await_suspend(std::coroutine_handle<> self) {
        cops_executor_submit(here(), self.address(), &submission);
    }
    std::int64_t await_resume() { return cops_executor_result(here()); }
};
