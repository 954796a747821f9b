// SPDX-License-Identifier: Apache-2.0
#include "proc/share.hpp"

#include <algorithm>

namespace kernel {

namespace {

// What the process is guaranteed of `time`.
std::uint64_t guaranteed(std::uint64_t time, const Limits& limits, std::uint32_t shares) {
    return time * limits.share * Limits::kMaxShare / (100 * std::max(shares, Limits::kMaxShare));
}

}  // namespace

void Account::ran(std::uint64_t time, const Limits& limits, std::uint32_t shares) {
    virtual_time_ += time * Limits::kMaxWeight / limits.weight;
    credit_ += guaranteed(time, limits, shares);
    credit_ -= std::min(credit_, time);
    due_ = due_ && credit_ != 0;
}

void Account::waited(
    std::uint64_t time, const Limits& limits, std::uint32_t shares, std::uint64_t slice
) {
    // No more than a slice is saved up: who waited long does not take the hart for long.
    credit_ = std::min(credit_ + guaranteed(time, limits, shares), slice);
    due_ = due_ || (credit_ == slice && limits.share != 0);
}

void Account::raise(std::uint64_t floor) {
    virtual_time_ = std::max(virtual_time_, floor);
}

}  // namespace kernel
