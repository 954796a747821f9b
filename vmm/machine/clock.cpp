// SPDX-License-Identifier: Apache-2.0
#include "machine/clock.hpp"

#include <time.h>

#include <limits>

namespace vmm {
namespace {

constexpr std::uint64_t kNanosPerSecond = 1'000'000'000;
__extension__ typedef unsigned __int128 Wide;

}  // namespace

Clock::Clock(std::uint64_t timebase_hz, Source source, const VirtualTime* time)
    : hz_(timebase_hz)
    , source_(source)
    , time_(time != nullptr ? *time : own_) {
    set_guest_time(0);
}

Nanos Clock::now() const noexcept {
    if (source_ == Source::manual) {
        return time_.now();
    }
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<Nanos>(time.tv_sec) * kNanosPerSecond + static_cast<Nanos>(time.tv_nsec);
}

std::uint64_t Clock::ticks_of(Nanos time) const noexcept {
    if (hz_ == kNanosPerSecond) {
        return time;
    }
    return static_cast<std::uint64_t>(Wide{time} * hz_ / kNanosPerSecond);
}

std::uint64_t Clock::guest_time_after(Nanos later) const noexcept {
    if (paused()) {
        return frozen_.load(std::memory_order_relaxed);
    }
    return ticks_of(now() + later) + offset_.load(std::memory_order_relaxed);
}

Nanos Clock::host_deadline(std::uint64_t ticks) const noexcept {
    constexpr Nanos kNever = std::numeric_limits<Nanos>::max();
    if (paused()) {
        return kNever;
    }
    const Nanos here = now();
    const std::uint64_t guest_now = ticks_of(here) + offset_.load(std::memory_order_relaxed);
    if (ticks <= guest_now) {
        return here;
    }
    // Rounded up, so that at the deadline the guest's time has certainly been reached.
    const Wide wait = (Wide{ticks - guest_now} * kNanosPerSecond + hz_ - 1) / hz_;
    return wait >= kNever - here ? kNever : here + static_cast<Nanos>(wait);
}

void Clock::pause() noexcept {
    if (!paused()) {
        frozen_.store(guest_time(), std::memory_order_relaxed);
        paused_.store(true, std::memory_order_release);
    }
}

void Clock::resume() noexcept {
    if (paused()) {
        paused_.store(false, std::memory_order_release);
        set_guest_time(frozen_.load(std::memory_order_relaxed));
    }
}

void Clock::set_guest_time(std::uint64_t ticks) noexcept {
    frozen_.store(ticks, std::memory_order_relaxed);
    offset_.store(ticks - ticks_of(now()), std::memory_order_relaxed);
}

}  // namespace vmm
