// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cops/detail/hart.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace cops::detail {

/// A lock between harts, held for a few dozen instructions and never over a suspension. Whoever
/// holds it keeps the hart (SpinGuard), so that nobody on the same hart can find it taken.
class Spinlock {
public:
    void lock() noexcept {
        while (word_.exchange(1, std::memory_order_acquire) != 0) {
            wait_until_free();
        }
    }
    void unlock() noexcept { word_.store(0, std::memory_order_release); }  // Partner: lock().

private:
    void wait_until_free() const noexcept;

    std::atomic<std::uint32_t> word_ = 0;
};

/// Holds a lock, and keeps the hart to its own end.
class SpinGuard {
public:
    explicit SpinGuard(Spinlock& lock) noexcept
        : lock_(&lock) {
        lock.lock();
    }
    SpinGuard(const SpinGuard&) = delete;
    SpinGuard& operator=(const SpinGuard&) = delete;
    ~SpinGuard() {
        if (lock_ != nullptr) {
            lock_->unlock();
        }
    }

    /// Unlocks and goes on to keep the hart: who was taken out of a queue is nobody's until it is
    /// signalled.
    void unlock() noexcept { std::exchange(lock_, nullptr)->unlock(); }

private:
    HartGuard hart_;
    Spinlock* lock_;
};

inline constexpr std::size_t kLocks = 64;
extern constinit std::array<Spinlock, kLocks> locks;

/// The lock that guards what an object keeps about its waiters: one of a fixed number, chosen by
/// address. It outlives the object, so whoever wakes the object's destroyer may still hold it, and
/// whoever looks for a waiter may take it before it knows that the object is still there.
///
/// Two of them are never held at once: different objects may share one.
inline Spinlock& lock_of(const void* object) noexcept {
    // Multiplicative hashing: the upper bits of the product depend on all of the address.
    constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;
    constexpr unsigned kShift = 64 - 6;
    static_assert(std::uint64_t{1} << (64 - kShift) == kLocks);
    return locks[reinterpret_cast<std::uintptr_t>(object) * kGolden >> kShift];
}

/// Says what the program did wrong and aborts.
[[noreturn]] void misuse(const char* what) noexcept;

}  // namespace cops::detail
