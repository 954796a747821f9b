// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cops/sync/mutex.hpp>

namespace cops {

/// Waits until something under a mutex may have changed. Wakes are never spurious, but another
/// coroutine may have had the mutex in between: test the condition in a loop.
///
/// A notified waiter goes from here to the mutex's queue and wakes when it holds the mutex. Nobody
/// may wait when it is destroyed; who was notified does not touch it any more.
class Condition {
public:
    Condition() noexcept = default;
    Condition(const Condition&) = delete;
    Condition& operator=(const Condition&) = delete;

    /// `co_await condition.wait(guard);` with the mutex held: unlocks it, waits for a notification,
    /// and holds it again.
    [[nodiscard]] auto wait(Mutex::Guard& guard) noexcept {
        return detail::Wait<WaitOperation>(*this, *guard.mutex());
    }
    /// The same with a limit: Result<void>; the mutex is held again in any case, however long that
    /// takes. Errors: ECANCELED, ETIMEDOUT, ENOMEM.
    [[nodiscard]] auto wait(Mutex::Guard& guard, const Limit& limit) noexcept {
        return detail::LimitedWait<WaitOperation>(limit, *this, *guard.mutex());
    }
    /// Wakes the most urgent waiter, the first one within a level; nobody if nobody waits.
    void notify_one() noexcept;
    /// Wakes all who wait now; they get the mutex most urgent first.
    void notify_all() noexcept;

private:
    struct WaitOperation final : detail::Waiter {
        WaitOperation(Condition& awaited, Mutex& held) noexcept
            : condition(awaited)
            , mutex(held) {}
        bool try_now() noexcept { return false; }
        bool enqueue() noexcept;
        void abandon(int reason) noexcept override;
        void result() noexcept {}
        Condition& condition;
        Mutex& mutex;
    };

    static void regain(detail::Waiter& waiter) noexcept;

    detail::WaitQueue queue_;
};

}  // namespace cops
