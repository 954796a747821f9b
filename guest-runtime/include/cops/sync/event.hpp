// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cops/sync/limit.hpp>

#include <atomic>
#include <cstdint>

namespace cops {

/// What happens to an event when a wait has seen it.
enum class Reset : std::uint32_t {
    manual,     // It stays set until reset(): one set() lets everybody go on.
    automatic,  // It is reset: one set() lets one waiter go on.
};

/// Something that has happened or not. Nobody may wait when it is destroyed; who was woken by set()
/// does not touch it any more.
class Event {
public:
    explicit Event(Reset reset, bool is_set = false) noexcept
        : reset_(reset)
        , word_(is_set ? kSet : 0) {}
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;

    /// `co_await event.wait();` goes on when it is set.
    [[nodiscard]] auto wait() noexcept { return detail::Wait<WaitOperation>(*this); }
    /// The same with a limit: Result<void>. Errors: ECANCELED, ETIMEDOUT, ENOMEM.
    [[nodiscard]] auto wait(const Limit& limit) noexcept {
        return detail::LimitedWait<WaitOperation>(limit, *this);
    }
    /// Manual: wakes everybody and stays set. Automatic: wakes the most urgent waiter, or, without
    /// one, stays set for the next; several times before that are as one.
    void set() noexcept;
    /// It has not happened (any more).
    void reset() noexcept { word_.fetch_and(~kSet, std::memory_order_relaxed); }
    [[nodiscard]] bool is_set() const noexcept {
        return (word_.load(std::memory_order_acquire) & kSet) != 0;  // Partner: set().
    }

private:
    struct WaitOperation final : detail::Waiter {
        explicit WaitOperation(Event& awaited) noexcept
            : event(awaited) {}
        bool try_now() noexcept { return event.try_wait(); }
        bool enqueue() noexcept { return event.enqueue(*this); }
        void abandon(int reason) noexcept override { event.abandon(*this, reason); }
        void result() noexcept {}
        Event& event;
    };

    static constexpr std::uint32_t kSet = 1;
    static constexpr std::uint32_t kWaiters = 2;  // Changes under lock_of(queue_). Never with kSet.

    bool try_wait() noexcept;
    bool enqueue(detail::Waiter& waiter) noexcept;
    void abandon(detail::Waiter& waiter, int reason) noexcept;
    void set_for_waiters() noexcept;

    Reset reset_;
    std::atomic<std::uint32_t> word_;
    detail::WaitQueue queue_;
};

}  // namespace cops
