// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

namespace vmm::sched {

/// How long a vCPU runs before its worker asks again, unless the policy has another quantum; the
/// tick at which claims are sampled.
inline constexpr std::uint64_t kSliceNs = 1'000'000;
/// A turn is cut short where a budget or a debt ends, but not below this.
inline constexpr std::uint64_t kLeastSliceNs = 100'000;
inline constexpr std::uint64_t kNever = ~std::uint64_t{0};
/// The window of guaranteed shares.
inline constexpr std::uint64_t kShareWindowNs = 100'000'000;

/// What both accounts count in: permille of a nanosecond, so that rates in permille stay exact.
using Millinanos = std::int64_t;
inline constexpr Millinanos kMilli = 1000;

/// A step of the clock counts as this much run time at most: a clock that jumps costs a guest no
/// more.
inline constexpr std::uint64_t kLongestRunNs = 1'000'000'000;

/// The time until `amount` has gone by at `rate` permille; never when it stands still.
constexpr std::uint64_t time_for(Millinanos amount, Millinanos rate) {
    if (rate <= 0) {
        return kNever;
    }
    return amount <= 0 ? 0 : static_cast<std::uint64_t>((amount + rate - 1) / rate);
}

/// Pays for a guest's time above its base level. It fills at `rate` permille of one CPU up to
/// `burst` and is drained by each vCPU that runs above the base. Empty, it is used up until it has
/// grown to `resume` again. What was run past its end is a debt, paid back first.
class Budget {
public:
    bool limited() const noexcept { return rate_ != 0; }
    bool used_up() const noexcept { return used_up_; }
    std::int64_t balance_ns() const noexcept { return balance_ / kMilli; }

    /// A budget that begins is full; one that is changed keeps what it has, up to the new burst.
    void set(std::uint32_t rate, std::uint64_t burst_ns, std::uint64_t resume_ns) {
        const auto burst =
            static_cast<Millinanos>(std::clamp(burst_ns, kLeastSliceNs, kLongest)) * kMilli;
        balance_ = rate_ == 0 ? burst : std::min(balance_, burst);
        rate_ = static_cast<std::int32_t>(std::min(rate, kMostRate));
        burst_ = burst;
        resume_ = std::min(burst, static_cast<Millinanos>(std::min(resume_ns, kLongest)) * kMilli);
        used_up_ = used_up_ && rate != 0;
    }
    /// `above` vCPUs ran above the base for `time_ns`.
    void elapse(std::uint64_t time_ns, std::uint32_t above) {
        if (rate_ == 0) {
            return;
        }
        const auto filled = rate_ * static_cast<Millinanos>(std::min(time_ns, kLongest));
        const auto drained =
            kMilli * static_cast<Millinanos>(above * std::min(time_ns, kLongestRunNs));
        balance_ = std::min(burst_, balance_ + filled - drained);
    }
    /// True when it was used up now, or is usable again.
    bool turn() {
        const bool before = used_up_;
        used_up_ = rate_ != 0 && (before ? balance_ < resume_ : balance_ <= 0);
        return used_up_ != before;
    }
    /// Time until turn() says something new, with `above` vCPUs running above the base.
    std::uint64_t next_turn(std::uint32_t above) const {
        const Millinanos slope = rate_ - kMilli * static_cast<Millinanos>(above);
        if (rate_ == 0) {
            return kNever;
        }
        return used_up_ ? time_for(resume_ - balance_, slope) : time_for(balance_, -slope);
    }

private:
    static constexpr std::uint64_t kLongest = std::uint64_t{1} << 40;  // 18 min; products fit
    static constexpr std::uint32_t kMostRate = 1'000'000;              // a thousand CPUs

    Millinanos burst_ = 0;
    Millinanos resume_ = 0;
    Millinanos balance_ = 0;
    std::int32_t rate_ = 0;  // permille; 0: no limit
    bool used_up_ = false;
};

/// Keeps a guest's guaranteed share. While it is runnable a debt to it grows at `share` permille of
/// one CPU, by no more CPUs than it has runnable vCPUs; what they run pays it. From a tick's worth
/// of debt on the guest is due, until all is paid. A little that was run ahead is remembered; of a
/// debt no more than what a window brings, and once the guest is idle no more than makes it due.
class Guarantee {
public:
    bool given() const noexcept { return share_ != 0; }
    bool due() const noexcept { return due_; }
    /// vCPUs that may run as due at once: what the share is in CPUs, rounded up.
    std::uint32_t slots() const noexcept {
        return static_cast<std::uint32_t>((share_ + 999) / 1000);
    }
    /// From being due until the debt would have doubled: the guest's deadline.
    std::uint64_t patience() const { return time_for(tick_, share_); }

    void set(std::uint32_t share) {
        share_ = static_cast<std::int32_t>(std::min(share, kMostShare));
        // A tenth of what the window brings.
        const auto tick = static_cast<std::uint64_t>(share_) * (kShareWindowNs / 10) / 1000;
        tick_ = static_cast<std::int32_t>(std::clamp(tick, kLeastSliceNs, kSliceNs) * 1000);
        due_ = due_ && share != 0;
        debt_ = share == 0 ? 0 : debt_;
    }
    /// For `time_ns`, `runnable` vCPUs of the guest were ready or running, `running` of them ran.
    void elapse(std::uint64_t time_ns, std::uint32_t runnable, std::uint32_t running) {
        if (share_ == 0) {
            return;
        }
        const auto time = static_cast<Millinanos>(std::min(time_ns, kLongestRunNs));
        const Millinanos most =
            runnable == 0 ? tick_ : std::max<Millinanos>(tick_, share_ * kWindow);
        debt_ = std::clamp(debt_ + slope(runnable, running) * time, Millinanos{-tick_}, most);
    }
    bool turn() {
        const bool before = due_;
        due_ = share_ != 0 && (before ? debt_ > 0 : debt_ >= tick_);
        return due_ != before;
    }
    std::uint64_t next_turn(std::uint32_t runnable, std::uint32_t running) const {
        if (share_ == 0) {
            return kNever;
        }
        const Millinanos up = slope(runnable, running);
        return due_ ? time_for(debt_, -up) : time_for(tick_ - debt_, up);
    }

private:
    static constexpr std::uint32_t kMostShare = 1'000'000;
    static constexpr auto kWindow = static_cast<Millinanos>(kShareWindowNs);

    Millinanos slope(std::uint32_t runnable, std::uint32_t running) const {
        return std::min<Millinanos>(share_, kMilli * static_cast<Millinanos>(runnable))
               - kMilli * static_cast<Millinanos>(running);
    }

    Millinanos debt_ = 0;
    std::int32_t tick_ = 0;
    std::int32_t share_ = 0;  // permille; 0: none
    bool due_ = false;
};

}  // namespace vmm::sched
