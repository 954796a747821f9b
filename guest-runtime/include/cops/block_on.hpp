// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cops/schedule.hpp>
#include <cops/sync/limit.hpp>

#include <type_traits>
#include <utility>

namespace cops {

namespace detail {

struct Stack;

/// Ends the program with a message where a plain function must not wait.
void check_may_block() noexcept;

/// Where a plain function goes on. To the compiler's code and the executor it is a suspended
/// coroutine: the first two words are what every compiler puts at the start of a frame.
struct PlainFrame {
    void (*resume)(void*) = &go_on;
    void (*destroy)(void*) = &go_on;  // Never called: nobody owns it.
    bool is_over = false;

private:
    static void go_on(void* frame) { static_cast<PlainFrame*>(frame)->is_over = true; }
};

/// The running coroutine keeps its stack while it waits, and others run on another one, which is
/// there as long as this object is.
class KeptStack {
public:
    KeptStack() noexcept;
    KeptStack(const KeptStack&) = delete;
    KeptStack& operator=(const KeptStack&) = delete;
    ~KeptStack();

    /// False: no memory for another stack, or there are too many.
    explicit operator bool() const noexcept { return is_good_; }
    /// What goes on in `frame` has suspended. Runs it, here, until it is over.
    void run(const PlainFrame& frame) noexcept;

private:
    /// Gives what suspended last, when that can go on.
    static void* wait() noexcept;

    bool is_outermost_ = false;  // of those of the coroutine, which share a stack
    bool is_good_ = true;
};

template <typename Awaitable>
decltype(auto) awaiter_of(Awaitable&& awaitable) {
    if constexpr (requires { std::forward<Awaitable>(awaitable).operator co_await(); }) {
        return std::forward<Awaitable>(awaitable).operator co_await();
    } else {
        return std::forward<Awaitable>(awaitable);
    }
}

/// As co_await does. True: it has suspended, or runs a coroutine that goes on in `frame`.
template <typename Awaiter>
bool suspend_in(PlainFrame& frame, Awaiter& awaiter) {
    const auto self = std::coroutine_handle<>::from_address(&frame);
    using Suspended = decltype(awaiter.await_suspend(self));
    if constexpr (std::is_void_v<Suspended>) {
        awaiter.await_suspend(self);
        return true;
    } else if constexpr (std::is_same_v<Suspended, bool>) {
        return awaiter.await_suspend(self);
    } else {
        awaiter.await_suspend(self).resume();
        return true;
    }
}

/// A task that could not be made has no value to give.
template <typename Awaitable>
bool is_empty(const Awaitable& /*unused*/) {
    return false;
}
template <typename T>
bool is_empty(const Task<T>& task) {
    return !task;
}

}  // namespace detail

/// `co_await awaitable` for a plain function that a coroutine has called: a comparator, a callback,
/// a constructor. The coroutine waits, and other coroutines have the hart meanwhile; it keeps its
/// stack (it is running-suspended), and goes on on it, so on the same hart.
///
/// It is the calling coroutine that waits: limits, levels, mutexes and local values are its own, as
/// with co_await. Gives a Result: that of the wait, or one around its value. What is to be had at
/// once needs no stack and no switch. Further error: ENOMEM, nothing was begun: no memory for a
/// stack (a hart has up to 1024), or `awaitable` is an empty Task.
///
/// Ends the program outside of a coroutine, under NoPreemption, and while a static variable of a
/// function is made. Not for functions that the C library calls from stdio or malloc.
template <typename Awaitable>
auto block_on(Awaitable&& awaitable) {
    detail::check_may_block();
    decltype(auto) awaiter = detail::awaiter_of(std::forward<Awaitable>(awaitable));
    using Value = decltype(awaiter.await_resume());
    using Outcome = detail::AsResult<Value>;
    // Asked before the awaiter, which gives nothing when the task is empty.
    if (detail::is_empty(awaitable)) {
        return Outcome(std::unexpected(Error(ENOMEM)));
    }
    if (!awaiter.await_ready()) {
        detail::KeptStack stack;
        if (!stack) {
            return Outcome(std::unexpected(Error(ENOMEM)));
        }
        detail::PlainFrame frame;
        if (detail::suspend_in(frame, awaiter)) {
            stack.run(frame);
        }
    }
    if constexpr (std::is_void_v<Value>) {
        awaiter.await_resume();
        return Outcome();
    } else {
        return Outcome(awaiter.await_resume());
    }
}

/// Of the hart that runs the caller.
struct StackCounts {
    unsigned kept;  // by coroutines that were preempted, or wait in block_on()
    unsigned idle;  // nobody's, for the next ones
};
[[nodiscard]] StackCounts stacks() noexcept;

}  // namespace cops
