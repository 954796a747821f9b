// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cops/detail/hart.hpp>
#include <cops/error.hpp>

#include <atomic>
#include <concepts>
#include <coroutine>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <new>
#include <optional>
#include <utility>

namespace cops {

template <typename T>
class Task;
template <typename T>
class JoinHandle;
class TaskId;

namespace detail {

class Gathering;

/// Reports a coroutine that was awaited though its frame could not be allocated, and aborts.
[[noreturn]] void no_frame();
/// The running task is at its end; null = its frame has an owner.
void finish_root(void* frame) noexcept;

/// Who destroys the frame of a spawned coroutine that someone holds a handle of: the second to
/// leave.
enum class Leaving : std::uint32_t { neither, coroutine, handle };

class PromiseBase {
public:
    /// Frames come from malloc; when there is none, the caller gets an empty Task.
    static void* operator new(std::size_t size) noexcept { return std::malloc(size); }
    static void operator delete(void* frame) noexcept { std::free(frame); }

    std::suspend_always initial_suspend() noexcept { return {}; }

    struct FinalAwaiter {
        bool await_ready() noexcept { return false; }
        void await_resume() noexcept {}

        template <typename Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) noexcept {
            PromiseBase& promise = self.promise();
            if (promise.continuation_) {
                return promise.continuation_;
            }
            if (!promise.has_handle_) {
                finish_root(self.address());
                return std::noop_coroutine();
            }
            // From the exchange on whoever has the handle may destroy the frame: not before we have
            // left it. Partner: the exchange in JoinHandle's destructor.
            const HartGuard until_asked;
            const bool owned =
                promise.leaving_.exchange(Leaving::coroutine, std::memory_order_acq_rel)
                == Leaving::neither;
            finish_root(owned ? nullptr : self.address());
            return std::noop_coroutine();
        }
    };

    FinalAwaiter final_suspend() noexcept { return {}; }
    void unhandled_exception() noexcept { std::terminate(); }

private:
    template <typename T>
    friend class cops::Task;
    template <typename T>
    friend class cops::JoinHandle;
    friend class Gathering;

    std::coroutine_handle<> continuation_;  // Who awaits this coroutine; none = it was spawned.
    bool has_handle_ = false;               // Set before it starts.
    std::atomic<Leaving> leaving_ = Leaving::neither;
};

template <typename T>
class Promise : public PromiseBase {
public:
    Task<T> get_return_object() noexcept;
    static Task<T> get_return_object_on_allocation_failure() noexcept;

    template <std::convertible_to<T> U>
    void return_value(U&& value) {
        value_.emplace(std::forward<U>(value));
    }

    T take() { return std::move(*value_); }

private:
    std::optional<T> value_;
};

template <>
class Promise<void> : public PromiseBase {
public:
    Task<void> get_return_object() noexcept;
    static Task<void> get_return_object_on_allocation_failure() noexcept;
    void return_void() noexcept {}
    void take() noexcept {}
};

/// What awaiting a coroutine without a frame gives: ENOMEM where T can say so.
template <typename T>
T no_frame_value() {
    if constexpr (std::constructible_from<T, std::unexpected<Error>>) {
        return T(std::unexpected(Error(ENOMEM)));
    } else {
        no_frame();
    }
}

}  // namespace detail

/// A coroutine that has not started. Await it to run it as part of the caller, or give it to
/// spawn().
///
/// It owns its frame. When no frame could be allocated the task is empty: test it with `if (task)`.
/// Awaiting an empty Task<Result<T>> gives ENOMEM; spawning one gives an empty id; awaiting any
/// other empty task aborts the program.
template <typename T = void>
class [[nodiscard]] Task {
public:
    using promise_type = detail::Promise<T>;

    Task() noexcept = default;
    explicit Task(std::coroutine_handle<promise_type> handle) noexcept
        : handle_(handle) {}
    Task(Task&& other) noexcept
        : handle_(std::exchange(other.handle_, {})) {}
    Task& operator=(Task&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Task() {
        if (handle_) {
            handle_.destroy();
        }
    }

    /// False when the frame could not be allocated (or the task was moved from).
    explicit operator bool() const noexcept { return static_cast<bool>(handle_); }

    auto operator co_await() && noexcept {
        struct Awaiter {
            std::coroutine_handle<promise_type> handle;

            bool await_ready() const noexcept { return !handle; }
            std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) noexcept {
                handle.promise().continuation_ = caller;
                return handle;
            }
            T await_resume() {
                return handle ? handle.promise().take() : detail::no_frame_value<T>();
            }
        };
        return Awaiter{handle_};
    }

    /// For spawn(): gives the frame away.
    std::coroutine_handle<promise_type> release() noexcept { return std::exchange(handle_, {}); }

private:
    std::coroutine_handle<promise_type> handle_;
};

namespace detail {

template <typename T>
Task<T> Promise<T>::get_return_object() noexcept {
    return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
template <typename T>
Task<T> Promise<T>::get_return_object_on_allocation_failure() noexcept {
    return Task<T>();
}
inline Task<void> Promise<void>::get_return_object() noexcept {
    return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object_on_allocation_failure() noexcept {
    return Task<void>();
}

}  // namespace detail

}  // namespace cops
