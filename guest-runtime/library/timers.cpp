// SPDX-License-Identifier: Apache-2.0
// Timers, and the few sleep requests that stand for them.
#include <cops/sync/detail/timers.hpp>

#include <algorithm>
#include <bit>

namespace cops::detail {

bool Timers::arm(Timer& timer, std::uint64_t deadline, unsigned level) noexcept {
    const SpinGuard guard(lock_);
    const std::uint64_t now = monotonic_ns();
    timer.deadline = deadline;
    timer.turn = turns_++;
    timer.level = level;
    if (!cover(timer, now)) {
        return false;
    }
    timer.armed = true;
    by_level_[level].push(timer);
    levels_ |= std::uint64_t{1} << level;
    return true;
}

void Timers::take(Timer& timer) noexcept {
    by_level_[timer.level].remove(timer);
    if (by_level_[timer.level].empty()) {
        levels_ &= ~(std::uint64_t{1} << timer.level);
    }
    timer.armed = false;
}

void Timers::disarm(Timer& timer) noexcept {
    const SpinGuard guard(lock_);
    if (timer.armed) {
        take(timer);
    }
}

unsigned Timers::sleeping() noexcept {
    const SpinGuard guard(lock_);
    return static_cast<unsigned>(std::ranges::count(sleepers_, true, &Sleeper::in_flight));
}

bool Timers::cover(const Timer& timer, std::uint64_t now) noexcept {
    const std::uint64_t deadline = std::max(timer.deadline, now + 1);
    Sleeper* free = nullptr;
    for (Sleeper& sleeper : sleepers_) {
        const bool is_exact = &sleeper < &sleepers_[kExact];
        if (!sleeper.in_flight) {
            free = is_exact ? &sleeper : free;
        } else if (sleeper.wakes_at <= deadline && sleeper.level <= timer.level) {
            return true;
        }
    }
    const std::uint64_t rest = deadline - now;
    if (free != nullptr) {
        return start(*free, now, rest, timer.level);
    }
    // One of that length that is in flight began earlier, so it would have covered the timer.
    const unsigned length = static_cast<unsigned>(std::bit_width(rest)) - 1;
    return start(sleepers_[kExact + length], now, std::uint64_t{1} << length, 0);
}

bool Timers::start(
    Sleeper& sleeper, std::uint64_t now, std::uint64_t duration, unsigned level
) noexcept {
    constexpr std::uint64_t kLongest = std::uint64_t{1} << 62;
    sleeper.resume = &Timers::step;
    sleeper.destroy = &Timers::step;  // Never called: it ends as a task without a frame.
    sleeper.owner = this;
    sleeper.submission = {};
    sleeper.submission.opcode = VIRTIO_COPS_OP_NANOSLEEP;
    sleeper.submission.fd = -1;
    sleeper.wakes_at = now + std::min(duration, kLongest);
    sleeper.level = level;
    sleeper.asked = false;
    sleeper.in_flight = spawn_frame(&sleeper, level) != 0;
    return sleeper.in_flight;
}

void Timers::step(void* frame) noexcept {
    Sleeper& sleeper = *static_cast<Sleeper*>(frame);
    if (!sleeper.asked) {
        sleeper.asked = true;
        // Time may have passed until we had the hart.
        const std::uint64_t now = monotonic_ns();
        sleeper.submission.offset =
            static_cast<std::int64_t>(sleeper.wakes_at > now ? sleeper.wakes_at - now : 0);
        cops_executor_submit(context(), frame, &sleeper.submission);
        return;
    }
    sleeper.owner->woken(sleeper);
    finish_root(nullptr);
}

void Timers::woken(Sleeper& sleeper) noexcept {
    const SpinGuard guard(lock_);
    const std::uint64_t now = monotonic_ns();
    sleeper.in_flight = false;
    for (std::uint64_t left = levels_; left != 0; left &= left - 1) {
        const unsigned level = static_cast<unsigned>(std::countr_zero(left));
        Heap<Timer>& heap = by_level_[level];
        while (!heap.empty() && heap.top()->deadline <= now) {
            Timer& timer = *heap.top();
            take(timer);
            timer.expire();
        }
        // What covers the first of a level covers the rest. Without memory for a task the next
        // sleeper that wakes tries again.
        if (!heap.empty()) {
            (void)cover(*heap.top(), now);
        }
    }
}

}  // namespace cops::detail
