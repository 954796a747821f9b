// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cops/task.hpp>

#include <executor/executor.h>

namespace cops {

/// Levels are 0 (most urgent) to 63. This is the one `cops_main` starts at.
inline constexpr unsigned kMainLevel = VIRTIO_COPS_LEVEL_DEFAULT;
inline constexpr unsigned kLevels = VIRTIO_COPS_LEVELS;

/// Names a spawned coroutine. Ids are never reused within 2^32 spawns of the same table entry, so a
/// stale id is recognised.
class TaskId {
public:
    constexpr TaskId() = default;
    constexpr explicit TaskId(cops_task_id value)
        : value_(value) {}

    /// False: spawn() found no memory.
    constexpr explicit operator bool() const { return value_ != 0; }
    [[nodiscard]] constexpr cops_task_id value() const { return value_; }
    friend constexpr bool operator==(TaskId, TaskId) = default;

private:
    cops_task_id value_ = 0;
};

namespace detail {

// These let what they made ready run at once, if it is more urgent than the caller.
/// Makes a task of a suspended coroutine; grows the task table. 0 = no memory or a bad level.
cops_task_id spawn_frame(void* frame, unsigned level) noexcept;
/// Gives a task a level of its own, from which inheritance follows. 0, -ESRCH or -EINVAL.
int set_base_level(cops_task_id id, unsigned level) noexcept;

struct YieldAwaiter {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> self) const noexcept {
        cops_executor_yield(context(), self.address());
    }
    void await_resume() const noexcept {}
};

struct YieldToAwaiter {
    cops_task_id id;

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> self) const noexcept {
        cops_executor_yield_to(context(), self.address(), id);
    }
    void await_resume() const noexcept {}
};

struct MaybeYieldAwaiter : YieldAwaiter {
    bool await_ready() const noexcept { return cops_executor_should_yield(context()) == 0; }
};

struct SuspendAwaiter {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> self) const noexcept {
        cops_executor_suspend(context(), self.address());
    }
    void await_resume() const noexcept {}
};

struct JoinAwaiter {
    cops_task_id id;

    bool await_ready() const noexcept { return cops_executor_alive(context(), id) == 0; }
    void await_suspend(std::coroutine_handle<> self) const noexcept {
        cops_executor_join(context(), self.address(), id);
    }
    void await_resume() const noexcept {}
};

}  // namespace detail

/// Makes `task` a coroutine of its own at `level`, ready to run. It frees its frame when it ends.
/// No system call; the host sees the new level in the hart's line. Empty id: no memory, or level
/// > 63.
template <typename T>
TaskId spawn(Task<T> task, unsigned level) noexcept {
    if (!task || level >= kLevels) {
        return TaskId();
    }
    auto handle = task.release();
    const TaskId id(detail::spawn_frame(handle.address(), level));
    if (!id) {
        handle.destroy();
    }
    return id;
}

/// The running coroutine's id.
inline TaskId current() noexcept {
    return TaskId(detail::current_task());
}

/// Ends the coroutine's suspend(), or its next one if it is not suspended now. Wakes that come
/// before the coroutine looks count as one. False: it has ended.
inline bool wake(TaskId id) noexcept {
    const detail::HartGuard hart;  // what is more urgent runs at its end
    return cops_executor_wake(hart.context(), id.value()) == 0;
}

/// Moves a coroutine to another level: at once if it is running here or ready, else when it wakes.
/// Where it waits for a mutex or another object of this library, its place there follows at once,
/// and so do the holders of the mutexes it waits for. While it holds a mutex that someone more
/// urgent waits for, it keeps that one's level and moves when it unlocks.
/// Errors: ESRCH it has ended, EINVAL level > 63.
inline Result<void> set_priority(TaskId id, unsigned level) noexcept {
    return to_result<void>(detail::set_base_level(id.value(), level));
}

/// The level the coroutine has now, inherited or its own. Error: ESRCH it has ended.
inline Result<unsigned> priority(TaskId id) noexcept {
    return to_result<unsigned>(cops_executor_level(detail::context(), id.value()));
}

/// What a coroutine is doing.
enum class State : std::uint32_t {
    ready = COPS_TASK_READY,
    running = COPS_TASK_RUNNING,
    suspended = COPS_TASK_SUSPENDED,  // until somebody wakes it
    waiting = COPS_TASK_WAITING,      // for a call, an object, another coroutine
    // Running-suspended: these, and no others, keep a stack.
    preempted = COPS_TASK_PREEMPTED,
    blocked = COPS_TASK_BLOCKED,      // waits in block_on()
    unblocked = COPS_TASK_UNBLOCKED,  // what it waited for there has come
};

/// The state of this moment. Error: ESRCH it has ended.
inline Result<State> state(TaskId id) noexcept {
    const int found = cops_executor_state(detail::context(), id.value());
    if (found < 0) {
        return std::unexpected(Error(-found));
    }
    return found == COPS_TASK_BLOCKED_SUSPENDED ? State::blocked : static_cast<State>(found);
}

/// While one lives, its coroutine keeps the hart: no other of this process runs on it in between.
/// For a few instructions on data that coroutines share. Not over a suspension.
class [[nodiscard]] NoPreemption {
public:
    NoPreemption() noexcept = default;
    NoPreemption(const NoPreemption&) = delete;
    NoPreemption& operator=(const NoPreemption&) = delete;

private:
    detail::HartGuard hart_;
};

/// `co_await yield()`: lets others run; goes to the tail of its own level.
[[nodiscard]] inline detail::YieldAwaiter yield() noexcept {
    return {};
}

/// `co_await maybe_yield()`: yields only if something more urgent waits here, in the kernel, or in
/// another guest; a few loads otherwise. For long computations.
[[nodiscard]] inline detail::MaybeYieldAwaiter maybe_yield() noexcept {
    return {};
}

/// `co_await yield_to(id)`: as yield(), and `id` runs next in the caller's place if it is ready:
/// for this turn at the caller's level if that is more urgent than its own. Work that is more
/// urgent than both goes first. If it is not ready, or has ended, this is a yield().
[[nodiscard]] inline detail::YieldToAwaiter yield_to(TaskId id) noexcept {
    return {id.value()};
}

/// `co_await suspend()`: sleeps until wake(id). Wakes may be early: test your condition in a loop.
[[nodiscard]] inline detail::SuspendAwaiter suspend() noexcept {
    return {};
}

/// `co_await join(id)`: sleeps until that coroutine has ended; at once if it has already.
[[nodiscard]] inline detail::JoinAwaiter join(TaskId id) noexcept {
    return {id.value()};
}

/// A spawned coroutine whose result is wanted: `T value = co_await handle`, once. Dropping the
/// handle lets the coroutine go on by itself.
template <typename T>
class [[nodiscard]] JoinHandle {
public:
    JoinHandle() = default;
    JoinHandle(std::coroutine_handle<detail::Promise<T>> handle, TaskId id) noexcept
        : handle_(handle)
        , id_(id) {}
    JoinHandle(JoinHandle&& other) noexcept
        : handle_(std::exchange(other.handle_, {}))
        , id_(other.id_) {}
    JoinHandle& operator=(JoinHandle&& other) noexcept {
        std::swap(handle_, other.handle_);
        std::swap(id_, other.id_);
        return *this;
    }
    ~JoinHandle() {
        if (!handle_) {
            return;
        }
        auto& leaving = handle_.promise().leaving_;
        // Partner: the exchange at the coroutine's end.
        if (leaving.exchange(detail::Leaving::handle, std::memory_order_acq_rel)
            == detail::Leaving::coroutine) {
            handle_.destroy();
        }
    }

    /// False: it could not be spawned (no memory).
    explicit operator bool() const noexcept { return static_cast<bool>(handle_); }
    [[nodiscard]] TaskId id() const noexcept { return id_; }

    auto operator co_await() noexcept {
        struct Awaiter : detail::JoinAwaiter {
            std::coroutine_handle<detail::Promise<T>> handle;

            T await_resume() {
                return handle ? handle.promise().take() : detail::no_frame_value<T>();
            }
        };
        return Awaiter{{id_.value()}, handle_};
    }

private:
    template <typename U>
    friend JoinHandle<U> spawn_joinable(Task<U> task, unsigned level) noexcept;
    static void mark(std::coroutine_handle<detail::Promise<T>> handle) noexcept {
        handle.promise().has_handle_ = true;
    }

    std::coroutine_handle<detail::Promise<T>> handle_;
    TaskId id_;
};

/// spawn() with a handle to await the result by.
template <typename T>
JoinHandle<T> spawn_joinable(Task<T> task, unsigned level) noexcept {
    if (!task || level >= kLevels) {
        return {};
    }
    auto handle = task.release();
    JoinHandle<T>::mark(handle);
    const TaskId id(detail::spawn_frame(handle.address(), level));
    if (!id) {
        handle.destroy();
        return {};
    }
    return JoinHandle<T>(handle, id);
}

/// Lets up to `switches` coroutines of the same level run before requests go to the kernel, so that
/// one system call carries more of them. 0 (the default) submits at the next switch.
inline void set_batching(unsigned switches) noexcept {
    detail::context()->batch_hold = switches;
}

/// What the executor of this hart has counted since the start.
inline const cops_executor_counters& counters() noexcept {
    return detail::context()->counters;
}

}  // namespace cops
