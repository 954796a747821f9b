// SPDX-License-Identifier: Apache-2.0
#include "sched/workers/poll_governor.hpp"

#include <algorithm>

namespace vmm::sched {

Nanos PollGovernor::begin_wait() noexcept {
    limit_ = 0;
    if (usual_ > most_) {
        return 0;
    }
    if (skip_ != 0) {
        --skip_;
        return 0;
    }
    limit_ = std::min(most_, 2 * usual_);
    return limit_;
}

void PollGovernor::end_wait(Nanos waited, bool found) noexcept {
    constexpr Nanos kWeight = 4;
    // No wait counts for more than a few looks: after a long one, some short ones are enough.
    const Nanos counted = std::min(waited, kWeight * most_);
    usual_ = usual_ == ~Nanos{0} ? counted : (usual_ * (kWeight - 1) + counted) / kWeight;
    if (limit_ == 0) {
        return;
    }
    penalty_ = found ? 0 : std::min(2 * penalty_ + 1, kMostSkipped);
    skip_ = penalty_;
}

}  // namespace vmm::sched
