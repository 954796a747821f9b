// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "arch/riscv64/cpu.hpp"
#include "mm/heap.hpp"

#include <executor/executor.h>

#include <coroutine>
#include <cstdint>
#include <utility>

namespace kernel {

namespace detail {

/// Frames come from the kernel heap; failure gives an empty Async instead of a coroutine.
class PromiseBase {
public:
    static void* operator new(std::size_t bytes) noexcept { return heap::allocate(bytes); }
    static void operator delete(void* frame) { heap::free(frame); }

    std::suspend_always initial_suspend() noexcept { return {}; }
    void unhandled_exception() noexcept {}

    /// Goes on with who awaits; a root tells the executor that it has ended.
    struct Final {
        bool await_ready() const noexcept { return false; }
        template <typename Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) noexcept {
            const std::coroutine_handle<> next = ended.promise().awaiting_;
            if (next) {
                return next;
            }
            cops_executor_exit(&this_cpu().executor, ended.address());
            return std::noop_coroutine();
        }
        void await_resume() const noexcept {}
    };
    Final final_suspend() noexcept { return {}; }

    std::coroutine_handle<> awaiting_;
};

template <typename T>
class Promise;

}  // namespace detail

/// A lazily started kernel coroutine. Awaited once by its owner, or given to spawn(). Empty when
/// its frame could not be allocated: test valid() before either.
template <typename T>
class [[nodiscard]] Async : NoCopy {
public:
    using promise_type = detail::Promise<T>;
    using Handle = std::coroutine_handle<promise_type>;

    explicit Async(Handle handle)
        : handle_(handle) {}
    Async(Async&& other) noexcept
        : handle_(std::exchange(other.handle_, {})) {}
    ~Async() {
        if (handle_) {
            handle_.destroy();
        }
    }

    bool valid() const { return static_cast<bool>(handle_); }
    /// For spawn(): the frame is the executor's from now on.
    void* release() { return std::exchange(handle_, {}).address(); }

    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
        handle_.promise().awaiting_ = awaiting;
        return handle_;
    }
    T await_resume() noexcept { return handle_.promise().take(); }

private:
    Handle handle_;
};

namespace detail {

template <typename T>
class Promise : public PromiseBase {
public:
    Async<T> get_return_object() noexcept {
        return Async<T>(std::coroutine_handle<Promise>::from_promise(*this));
    }
    static Async<T> get_return_object_on_allocation_failure() noexcept { return Async<T>({}); }
    void return_value(T value) noexcept { value_ = value; }
    T take() noexcept { return value_; }

private:
    T value_{};
};

template <>
class Promise<void> : public PromiseBase {
public:
    Async<void> get_return_object() noexcept {
        return Async<void>(std::coroutine_handle<Promise>::from_promise(*this));
    }
    static Async<void> get_return_object_on_allocation_failure() noexcept {
        return Async<void>({});
    }
    void return_void() noexcept {}
    void take() noexcept {}
};

}  // namespace detail

/// What a kernel coroutine awaits on the executor. Each is the innermost frame's own step.
struct Yield {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> self) const noexcept {
        cops_executor_yield(&this_cpu().executor, self.address());
    }
    void await_resume() const noexcept {}
};
/// Until wake_task(); consumes a wake that came first.
struct Suspend {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> self) const noexcept {
        cops_executor_suspend(&this_cpu().executor, self.address());
    }
    void await_resume() const noexcept {}
};
/// Until signal_task(); its result. One signal per wait; it may come first.
struct Event {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> self) const noexcept {
        cops_executor_wait(&this_cpu().executor, self.address());
    }
    std::int64_t await_resume() const noexcept {
        return cops_executor_result(&this_cpu().executor);
    }
};

/// Makes a task of a coroutine; 0 when memory is short (the coroutine is destroyed then).
cops_task_id spawn(Async<void> coroutine, std::uint32_t level, std::uint32_t flags = 0);
/// The same on another hart's context, before that hart runs.
cops_task_id spawn_on(Cpu& cpu, Async<void> coroutine, std::uint32_t level, std::uint32_t flags);
void wake_task(cops_task_id id);
void signal_task(cops_task_id id, std::int64_t result);
/// The running kernel coroutine.
inline cops_task_id current_task() {
    return cops_executor_current(&this_cpu().executor);
}

}  // namespace kernel
