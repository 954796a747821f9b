// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cops/schedule.hpp>
#include <cops/sync/detail/heap.hpp>
#include <cops/sync/detail/lock.hpp>

#include <array>
#include <cstdint>

namespace cops::detail {

/// Nanoseconds of guest time since some fixed moment.
std::uint64_t monotonic_ns() noexcept;

/// Something to do at a time. It lies where it is needed: in an awaiter, in a CancelSource.
class Timer {
public:
    Timer() noexcept = default;
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    /// The time has come; called under the lock of all timers, once.
    virtual void expire() noexcept = 0;

    [[nodiscard]] bool before(const Timer& other) const noexcept {
        return deadline != other.deadline ? deadline < other.deadline : turn < other.turn;
    }

    // Guarded by the lock of all timers.
    HeapLinks<Timer> links;
    std::uint64_t deadline = 0;
    std::uint64_t turn = 0;
    unsigned level = 0;
    bool armed = false;

protected:
    ~Timer() = default;
};

/// All timers of a process. A few sleep requests stand for all of them, each made by a small task
/// without a coroutine: a request in flight covers the timers that end no earlier and are no more
/// urgent than it. So what ends in time costs no request of its own, and nothing is allocated.
class Timers {
public:
    /// `timer` will expire at `deadline`, at `level`. False: no memory for a task.
    bool arm(Timer& timer, std::uint64_t deadline, unsigned level) noexcept;
    /// After this it has expired or never will.
    void disarm(Timer& timer) noexcept;
    /// Sleep requests in flight.
    [[nodiscard]] unsigned sleeping() noexcept;

private:
    /// A task that sleeps once. To the executor it is a suspended coroutine: the first two words
    /// are what every compiler puts at the start of a frame.
    struct Sleeper {
        void (*resume)(void*) = nullptr;
        void (*destroy)(void*) = nullptr;
        Timers* owner = nullptr;
        cops_submission submission{};
        std::uint64_t wakes_at = 0;
        unsigned level = 0;
        bool in_flight = false;
        bool asked = false;  // Its request has been made: the next resumption is the end.
    };

    // For the timers one by one, at their own levels and exact times.
    static constexpr unsigned kExact = 16;
    // When those are all in flight and later: one for each power of two, as long as that or less
    // and at level 0, so that one in flight covers every later timer of its length.
    static constexpr unsigned kLengths = 64;

    static void step(void* frame) noexcept;
    void woken(Sleeper& sleeper) noexcept;
    /// Makes sure that a request covers the timer.
    bool cover(const Timer& timer, std::uint64_t now) noexcept;
    bool
    start(Sleeper& sleeper, std::uint64_t now, std::uint64_t duration, unsigned level) noexcept;
    void take(Timer& timer) noexcept;

    Spinlock lock_;
    std::array<Heap<Timer>, kLevels> by_level_;
    std::uint64_t levels_ = 0;  // Bit l: by_level_[l] is not empty.
    std::uint64_t turns_ = 0;
    std::array<Sleeper, kExact + kLengths> sleepers_;
};

Timers& timers() noexcept;

}  // namespace cops::detail
