// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/types.hpp>

namespace vmm::sched {

/// A place in a WaitList; of one that waits.
struct WaitLink {
    WaitLink* older = nullptr;
    WaitLink* newer = nullptr;
    Nanos since = 0;  ///< When it began to wait.
};

/// Those that wait for a worker, in the order in which they began to. All calls cost O(1).
class WaitList {
public:
    WaitList() { ends_.older = ends_.newer = &ends_; }
    WaitList(const WaitList&) = delete;
    WaitList& operator=(const WaitList&) = delete;

    /// The link is in no list.
    void add(WaitLink& link, Nanos now) noexcept {
        link.since = now;
        link.newer = &ends_;
        link.older = ends_.older;
        ends_.older->newer = &link;
        ends_.older = &link;
    }
    /// Out of the list that it is in, if any.
    static void remove(WaitLink& link) noexcept {
        if (link.newer != nullptr) {
            link.newer->older = link.older;
            link.older->newer = link.newer;
            link.newer = link.older = nullptr;
        }
    }
    /// How long the first of them has waited; 0: nobody waits.
    Nanos longest(Nanos now) const noexcept {
        return ends_.newer == &ends_ ? 0 : now - ends_.newer->since;
    }

private:
    WaitLink ends_;  // newer: the first that came; older: the last
};

}  // namespace vmm::sched
