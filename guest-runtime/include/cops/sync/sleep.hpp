// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cops/sync/limit.hpp>

namespace cops {

namespace detail {

/// Waits for nothing but its limit, whose time is what it wants.
class Sleep final : public Waiter {
public:
    explicit Sleep(bool is_over) noexcept
        : is_over_(is_over) {}

    bool try_now() noexcept { return is_over_; }
    bool enqueue() noexcept {
        const SpinGuard guard(lock_of(this));
        queued = true;
        return true;
    }
    void abandon(int reason) noexcept override {
        {
            const SpinGuard guard(lock_of(this));
            if (!std::exchange(queued, false)) {
                return;
            }
        }
        error = reason;
        signal(*this);
    }
    void time_out() noexcept override { abandon(0); }
    void result() noexcept {}

private:
    bool is_over_;
};

}  // namespace detail

/// Sleeps for `duration` of guest time, or until `token` is cancelled. Shares its request to the
/// host with other timeouts. Errors: ECANCELED or ETIMEDOUT as the token says, ENOMEM.
template <typename Rep, typename Period>
[[nodiscard]] auto
sleep_for(std::chrono::duration<Rep, Period> duration, CancelToken token) noexcept {
    return detail::LimitedWait<detail::Sleep>(
        Limit(token, duration), detail::nanoseconds_of(duration) == 0
    );
}

}  // namespace cops
