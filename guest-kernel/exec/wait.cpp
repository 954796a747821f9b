// SPDX-License-Identifier: Apache-2.0
#include "exec/wait.hpp"

namespace kernel {

void WaitList::add_locked(Waiter& waiter) {
    waiter.task = current_task();
    waiter.list = this;
    waiters_.push_back(waiter);
}

bool WaitList::signal_first_locked(std::int64_t result) {
    Waiter* const waiter = waiters_.pop_front();
    if (waiter != nullptr) {
        signal_task(waiter->task, result);  // its frame may go away from here on
    }
    return waiter != nullptr;
}

void WaitList::signal_all_locked(std::int64_t result) {
    while (signal_first_locked(result)) {
    }
}

void WaitList::signal_all(std::int64_t result) {
    const Guard guard(lock_);
    signal_all_locked(result);
}

bool WaitList::cancel(Waiter& waiter, std::int64_t result) {
    const Guard guard(lock_);
    if (!waiter.link.linked) {
        return false;
    }
    waiters_.remove(waiter);
    signal_task(waiter.task, result);
    return true;
}

}  // namespace kernel
