// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/list.hpp"
#include "exec/coroutine.hpp"

namespace kernel {

class WaitList;

/// Somebody who waits in a list; lies in the waiting coroutine's frame, so that waiting can't fail.
struct Waiter {
    Link<Waiter> link;
    cops_task_id task = 0;
    std::uint64_t deadline = 0;
    WaitList* list = nullptr;
};

/// Tasks that wait for one thing. A waiter adds itself under lock() after it saw that the thing is
/// not there, then awaits Event; who makes it come takes the waiters under the same lock.
class WaitList {
public:
    constexpr explicit WaitList(Rank rank)
        : lock_(rank) {}

    SpinLock& lock() { return lock_; }
    void add_locked(Waiter& waiter);
    /// Signals every waiter with `result`.
    void signal_all(std::int64_t result);
    void signal_all_locked(std::int64_t result);
    /// Signals the first one. False: there is none.
    bool signal_first_locked(std::int64_t result);
    /// Takes the waiter out and signals it, if it still waits here.
    bool cancel(Waiter& waiter, std::int64_t result);

private:
    SpinLock lock_;
    List<Waiter, &Waiter::link> waiters_;
};

}  // namespace kernel
