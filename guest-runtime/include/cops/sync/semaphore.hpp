// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cops/sync/limit.hpp>

#include <atomic>
#include <cstdint>

namespace cops {

/// A number of permits. Who finds none waits; a released permit goes to the most urgent waiter, the
/// first one within a level, and to nobody else. Nobody may wait when it is destroyed.
///
/// Without waiters, acquire and release are one atomic operation each.
class Semaphore {
public:
    static constexpr std::uint32_t kMax = 0x7fffffff;

    explicit Semaphore(std::uint32_t permits) noexcept;
    Semaphore(const Semaphore&) = delete;
    Semaphore& operator=(const Semaphore&) = delete;

    /// `co_await semaphore.acquire();` takes one permit.
    [[nodiscard]] auto acquire() noexcept { return detail::Wait<Acquire>(*this); }
    /// The same with a limit: Result<void>. Errors: ECANCELED, ETIMEDOUT, ENOMEM.
    [[nodiscard]] auto acquire(const Limit& limit) noexcept {
        return detail::LimitedWait<Acquire>(limit, *this);
    }
    /// True: took one permit.
    [[nodiscard]] bool try_acquire() noexcept;
    /// Gives `permits` back, or more than were taken; over kMax in all aborts the program.
    void release(std::uint32_t permits = 1) noexcept;
    /// Permits free now.
    [[nodiscard]] std::uint32_t available() const noexcept {
        return word_.load(std::memory_order_relaxed) & kMax;
    }

private:
    struct Acquire final : detail::Waiter {
        explicit Acquire(Semaphore& wanted) noexcept
            : semaphore(wanted) {}
        bool try_now() noexcept { return semaphore.try_acquire(); }
        bool enqueue() noexcept { return semaphore.enqueue(*this); }
        void abandon(int reason) noexcept override { semaphore.abandon(*this, reason); }
        void result() noexcept {}
        Semaphore& semaphore;
    };

    // In word_: someone waits, and there is no permit.
    static constexpr std::uint32_t kWaiters = 0x80000000;

    bool enqueue(detail::Waiter& waiter) noexcept;
    void abandon(detail::Waiter& waiter, int reason) noexcept;
    void release_to_waiters(std::uint32_t permits) noexcept;

    std::atomic<std::uint32_t>
        word_;  // Permits, or kWaiters. kWaiters changes under lock_of(queue_).
    detail::WaitQueue queue_;
};

}  // namespace cops
