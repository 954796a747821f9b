// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace vmm::sched {

/// What people type in a deterministic run. It reaches guests from the worker, between two runs of
/// vCPUs; those places are counted, so that they can be found again.
class InputSource {
public:
    /// Any thread, also with the pool's lock held. Whether there is something to deliver.
    virtual bool waits() const = 0;
    /// The worker, no locks held; `rounds` times since the last delivery there was an occasion.
    /// `idle`: nobody has anything else to do, and how often this was asked means nothing. True:
    /// it delivered something, and is asked again.
    virtual bool deliver(std::uint64_t rounds, bool idle) = 0;

protected:
    ~InputSource() = default;
};

}  // namespace vmm::sched
