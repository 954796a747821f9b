// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cops/sync/detail/inheritance.hpp>
#include <cops/sync/limit.hpp>

#include <atomic>
#include <cstdint>
#include <utility>

namespace cops {

class Condition;

/// One coroutine at a time, over suspensions too. While it is held, its holder runs at the level of
/// the most urgent coroutine that waits for it, and so do the holders of mutexes that the holder
/// waits for. Unlocking hands it to the most urgent waiter, the first one within a level.
///
/// Lock and unlock without a second party: one atomic operation each. Not recursive: who locks it
/// twice waits for itself. It must be unlocked, with nobody waiting, when it is destroyed.
class Mutex {
public:
    class Guard;

    Mutex() noexcept = default;
    Mutex(const Mutex&) = delete;
    Mutex& operator=(const Mutex&) = delete;

    /// `Mutex::Guard guard = co_await mutex.lock();`
    [[nodiscard]] auto lock() noexcept;
    /// The same with a limit: Result<Guard>. Errors: ECANCELED, ETIMEDOUT, ENOMEM.
    [[nodiscard]] auto lock(const Limit& limit) noexcept;
    /// True: locked, and the caller unlocks it.
    [[nodiscard]] bool try_lock() noexcept { return try_lock_for(detail::current_task()); }
    /// By the coroutine that holds it; another one's call aborts the program.
    void unlock() noexcept {
        const cops_task_id self = detail::current_task();
        // Partner: try_lock_for(). With kContended it does not become free, but the holder's to
        // hand over.
        const std::uint64_t held = word_.fetch_sub(self, std::memory_order_release);
        if (held != self) {
            detail::hand_over(*this, self, held);
        }
    }

private:
    friend class detail::Inheritance;
    friend class Condition;
    template <typename Operation>
    friend class detail::Wait;
    struct LockOperation;

    // In word_, beside the holder's id: others wait or have waited, unlocking takes the slow way.
    // Alone: its holder is on that way.
    static constexpr std::uint64_t kContended = std::uint64_t{1} << 31;
    static_assert(COPS_EXECUTOR_SEGMENTS * COPS_EXECUTOR_SEGMENT_TASKS < kContended);

    bool try_lock_for(cops_task_id task) noexcept {
        std::uint64_t free = 0;
        return word_.compare_exchange_strong(
            free, task, std::memory_order_acquire, std::memory_order_relaxed
        );
    }

    std::atomic<std::uint64_t> word_ = 0;  // Holder's id and kContended; 0 = free.
    // Guarded by the inheritance lock.
    detail::Heap<detail::Waiter> waiters_;
    std::uint64_t turns_ = 0;
    detail::TaskRecord* holder_ = nullptr;  // While it is contended.
    Mutex* next_held_ = nullptr;            // Contended mutexes of the same holder.
    Mutex* prev_held_ = nullptr;
};

/// Unlocks when it goes out of scope. Belongs to the coroutine that locked.
class [[nodiscard]] Mutex::Guard {
public:
    Guard() noexcept = default;
    /// Takes over a mutex that the running coroutine has locked.
    explicit Guard(Mutex& mutex) noexcept
        : mutex_(&mutex) {}
    Guard(Guard&& other) noexcept
        : mutex_(std::exchange(other.mutex_, nullptr)) {}
    Guard& operator=(Guard&& other) noexcept {
        if (this != &other) {
            unlock();
            mutex_ = std::exchange(other.mutex_, nullptr);
        }
        return *this;
    }
    ~Guard() { unlock(); }

    /// False once unlocked or moved from.
    explicit operator bool() const noexcept { return mutex_ != nullptr; }
    /// Unlocks early.
    void unlock() noexcept {
        if (Mutex* mutex = std::exchange(mutex_, nullptr)) {
            mutex->unlock();
        }
    }
    [[nodiscard]] Mutex* mutex() const noexcept { return mutex_; }

private:
    Mutex* mutex_ = nullptr;
};

struct Mutex::LockOperation final : detail::Waiter {
    explicit LockOperation(Mutex& wanted) noexcept
        : mutex(wanted) {}

    bool try_now() noexcept { return mutex.try_lock(); }
    bool enqueue() noexcept { return detail::lock_or_queue(mutex, *this); }
    void abandon(int reason) noexcept override { detail::leave_queue(mutex, *this, reason); }
    Guard result() noexcept { return Guard(mutex); }

    Mutex& mutex;
};

inline auto Mutex::lock() noexcept {
    return detail::Wait<LockOperation>(*this);
}

inline auto Mutex::lock(const Limit& limit) noexcept {
    return detail::LimitedWait<LockOperation>(limit, *this);
}

}  // namespace cops
