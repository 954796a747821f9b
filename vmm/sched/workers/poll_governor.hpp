// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/types.hpp>

namespace vmm::sched {

/// How long a worker with nothing to run looks for work before it sleeps: a prediction from how its
/// last waits ended. To be woken from sleep costs some ten microseconds; to look costs the
/// processor. It looks when waits have been shorter than it may look, for twice as long as they
/// were, and each time that was in vain it skips twice as many of the waits that follow: on a
/// processor that others want, what is waited for may come only once it sleeps.
class PollGovernor {
public:
    /// `most`: bound of one look in nanoseconds; 0: never look.
    explicit PollGovernor(Nanos most) noexcept
        : most_(most) {}

    /// A wait begins: the time to look before sleeping, at most the bound. To be called once a
    /// wait.
    Nanos begin_wait() noexcept;
    /// The wait that began last is over. `found`: work came before it slept.
    void end_wait(Nanos waited, bool found) noexcept;

private:
    static constexpr unsigned kMostSkipped = 63;

    Nanos most_;
    Nanos limit_ = 0;          // of the current wait
    Nanos usual_ = ~Nanos{0};  // moving average of the waits; at first nothing is known
    unsigned penalty_ = 0;     // waits to skip after the next look in vain
    unsigned skip_ = 0;        // waits still to skip
};

}  // namespace vmm::sched
