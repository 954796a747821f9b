// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/virtual_time.hpp"

#include <vmm/types.hpp>

#include <atomic>
#include <cstdint>

namespace vmm {

/// The one source of time of a machine (D17): a host time (CLOCK_MONOTONIC, or a virtual one that
/// somebody advances) and the guest's `time`, which is scaled, offset and stops in pause().
///
/// Any thread may read. pause(), resume() and set_guest_time() are for when no vCPU runs.
class Clock {
public:
    enum class Source : std::uint8_t { host, manual };

    /// `time`: of a deterministic run, for Source::manual; it outlives the clock. Null: one of the
    /// clock's own, moved by advance().
    explicit Clock(
        std::uint64_t timebase_hz, Source source = Source::host, const VirtualTime* time = nullptr
    );

    std::uint64_t timebase_hz() const noexcept { return hz_; }
    /// Nanoseconds of the host clock, or of the virtual one.
    Nanos now() const noexcept;
    /// Source::manual with a time of its own only. Moves that forward.
    void advance(Nanos by) noexcept { own_.advance(by); }
    bool is_virtual() const noexcept { return source_ == Source::manual; }

    /// The guest's `time` CSR.
    std::uint64_t guest_time() const noexcept { return guest_time_after(0); }
    /// What it is `later` than now().
    std::uint64_t guest_time_after(Nanos later) const noexcept;
    /// now() at which guest_time() reaches `ticks`; UINT64_MAX while paused or when that is never.
    Nanos host_deadline(std::uint64_t ticks) const noexcept;

    void pause() noexcept;
    void resume() noexcept;
    bool paused() const noexcept { return paused_.load(std::memory_order_acquire); }
    /// Makes guest_time() continue from `ticks`.
    void set_guest_time(std::uint64_t ticks) noexcept;

private:
    std::uint64_t ticks_of(Nanos time) const noexcept;

    const std::uint64_t hz_;
    const Source source_;
    VirtualTime own_;
    const VirtualTime& time_;  // own_, or that of the run
    // Guest time = ticks_of(now) + offset_, modulo 2^64. Relaxed: changed only while no vCPU runs,
    // and the hand-over of a vCPU to a worker orders it.
    std::atomic<std::uint64_t> offset_{0};
    std::atomic<std::uint64_t> frozen_{0};  // guest time while paused
    std::atomic<bool> paused_{false};
};

}  // namespace vmm
