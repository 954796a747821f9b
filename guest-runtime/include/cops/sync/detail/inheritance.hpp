// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cops/sync/detail/waiter.hpp>

namespace cops::detail {

// A task runs at the most urgent of its own level and those of all who wait for mutexes that it
// holds. One lock guards who waits for whom: a chain crosses many objects, and what is decided
// along it must be true of all of them at once. Mutexes that nobody waits for never take it.
//
// Order of locks: timers, cancellation sources from parent to child, inheritance, lock_of(); the
// executor's come last.

/// Gives `waiter.task` the mutex, or queues it and lends its level to the holder. True: queued.
bool lock_or_queue(Mutex& mutex, Waiter& waiter) noexcept;
/// Takes a waiter out of a mutex's queue and signals it with an error, unless it has left already.
void leave_queue(Mutex& mutex, Waiter& waiter, int error) noexcept;
/// Hands a mutex to the most urgent of those who wait for it. Its word was `held`, and is the
/// caller's from then on.
void hand_over(Mutex& mutex, cops_task_id self, std::uint64_t held) noexcept;

/// The graph of holders and waiters; its functions are called under its lock.
class Inheritance;

}  // namespace cops::detail
