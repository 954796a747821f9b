// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cops/sync/cancellation.hpp>
#include <cops/sync/detail/waiter.hpp>

#include <chrono>
#include <cstdint>
#include <type_traits>

namespace cops {

namespace detail {

/// A duration in nanoseconds: 0 for what is less than one, the largest for what is more than that.
template <typename Rep, typename Period>
std::uint64_t nanoseconds_of(std::chrono::duration<Rep, Period> duration) noexcept {
    using std::chrono::nanoseconds;
    using Long = std::chrono::duration<long double, std::nano>;
    if (std::chrono::duration_cast<Long>(duration) >= Long(nanoseconds::max() / 2)) {
        return static_cast<std::uint64_t>((nanoseconds::max() / 2).count());
    }
    const auto rest = std::chrono::duration_cast<nanoseconds>(duration).count();
    return rest > 0 ? static_cast<std::uint64_t>(rest) : 0;
}

}  // namespace detail

/// What may end a wait before its event: a token, a time, or both. `mutex.lock(5ms)`,
/// `mutex.lock(token)`, `mutex.lock({token, 5ms})`.
///
/// A wait that a limit ended gives ECANCELED or ETIMEDOUT and has had no effect. When event, token
/// and time come together, whichever takes the waiter out of its queue first decides, alone. A
/// token that is cancelled already refuses even what is to be had at once; a timeout of 0 does not.
class Limit {
public:
    // Implicit: so that calls read as above.
    // NOLINTBEGIN(google-explicit-constructor)
    Limit(CancelToken token) noexcept
        : token_(token) {}
    /// `timeout` of guest time from now.
    template <typename Rep, typename Period>
    Limit(std::chrono::duration<Rep, Period> timeout) noexcept
        : Limit(CancelToken(), timeout) {}
    // NOLINTEND(google-explicit-constructor)
    template <typename Rep, typename Period>
    Limit(CancelToken token, std::chrono::duration<Rep, Period> timeout) noexcept
        : token_(token)
        , has_deadline_(true) {
        if (const std::uint64_t rest = detail::nanoseconds_of(timeout); rest != 0) {
            deadline_ = detail::monotonic_ns() + rest;
        }
    }

    [[nodiscard]] const CancelToken& token() const noexcept { return token_; }
    [[nodiscard]] bool has_deadline() const noexcept { return has_deadline_; }
    /// As monotonic_ns(); 0 = only what is to be had at once.
    [[nodiscard]] std::uint64_t deadline() const noexcept { return deadline_; }

private:
    CancelToken token_;
    bool has_deadline_ = false;
    std::uint64_t deadline_ = 0;
};

namespace detail {

template <typename T>
inline constexpr bool kIsResult = false;
template <typename T>
inline constexpr bool kIsResult<Result<T>> = true;
/// T with room for an error.
template <typename T>
using AsResult = std::conditional_t<kIsResult<T>, T, Result<T>>;

/// The two ends of a limit while a waiter is queued.
class LimitGuard final : private CancelListener, private Timer {
public:
    LimitGuard(Waiter& waiter, const Limit& limit) noexcept
        : waiter_(waiter)
        , limit_(limit) {}

    [[nodiscard]] const Limit& limit() const noexcept { return limit_; }
    /// The waiter is queued; from here on its wait may end.
    void arm() noexcept;
    /// The wait is over: nobody will touch the waiter.
    void disarm() noexcept;

private:
    void cancelled(int reason) noexcept override { waiter_.abandon(reason); }
    void expire() noexcept override { waiter_.time_out(); }

    Waiter& waiter_;
    Limit limit_;
    bool armed_ = false;
};

/// As Wait, with a limit: gives Result<what the operation gives>.
template <typename Operation>
class [[nodiscard]] LimitedWait {
public:
    template <typename... Arguments>
    explicit LimitedWait(const Limit& limit, Arguments&&... arguments) noexcept
        : operation_(std::forward<Arguments>(arguments)...)
        , guard_(operation_, limit) {}

    bool await_ready() noexcept {
        const Limit& limit = guard_.limit();
        operation_.error = limit.token().reason();
        if (operation_.error != 0 || operation_.try_now()) {
            return true;
        }
        if (limit.has_deadline() && limit.deadline() == 0) {
            operation_.error = ETIMEDOUT;
            return true;
        }
        return false;
    }
    bool await_suspend(std::coroutine_handle<> self) noexcept {
        operation_.task = current_task();
        if (!operation_.enqueue()) {
            return false;
        }
        guard_.arm();
        cops_executor_wait(context(), self.address());
        return true;
    }
    auto await_resume() noexcept -> AsResult<decltype(std::declval<Operation&>().result())> {
        guard_.disarm();
        if (operation_.error != 0) {
            return std::unexpected(Error(operation_.error));
        }
        if constexpr (std::is_void_v<decltype(operation_.result())>) {
            operation_.result();
            return {};
        } else {
            return operation_.result();
        }
    }

private:
    Operation operation_;
    LimitGuard guard_;
};

}  // namespace detail

}  // namespace cops
