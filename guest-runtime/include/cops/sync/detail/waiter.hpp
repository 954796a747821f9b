// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cops/schedule.hpp>
#include <cops/sync/detail/heap.hpp>
#include <cops/sync/detail/lock.hpp>

#include <coroutine>
#include <cstdint>

namespace cops {

class Mutex;

namespace detail {

class WaitQueue;
struct LocalBinding;

/// One coroutine that waits for one object. It lies in the awaiter, hence in the frame, from the
/// suspension until the coroutine goes on.
///
/// Whoever takes it out of its queue (a wake, a cancellation, a timeout: one of them, decided under
/// the queue's lock) has it alone, and signals its task once as the last thing it does with it.
class Waiter {
public:
    Waiter() noexcept = default;
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

    /// Ends the wait with an errno, unless it has ended.
    virtual void abandon(int error) noexcept = 0;
    /// The limit's time has passed.
    virtual void time_out() noexcept { abandon(ETIMEDOUT); }

    /// More urgent first, then who came first.
    [[nodiscard]] bool before(const Waiter& other) const noexcept {
        return level != other.level ? level < other.level : turn < other.turn;
    }

    int error = 0;  // Why the wait failed; 0 = it did not.

    // Written when it is to be queued, so that who need not wait does not pay for it.
    cops_task_id task;
    // Guarded by the lock of the queue it is in.
    HeapLinks<Waiter> links;  // Taken out: `next` makes a chain of those to signal.
    unsigned level;
    std::uint64_t turn;
    bool queued;   // In a WaitQueue.
    bool blocked;  // In a mutex's queue (inheritance lock).

protected:
    ~Waiter() = default;
};

/// What the library keeps about each task, beside the executor's control block of the same index.
struct TaskRecord {
    // Guarded by the inheritance lock; valid when `id` is that of the living task.
    cops_task_id id = 0;
    unsigned base = 0;             // The level it was given ...
    unsigned level = 0;            // ... and the one it has: that, or a more urgent one.
    Mutex* held = nullptr;         // Mutexes it holds that others have waited for.
    Mutex* blocked_on = nullptr;   // The mutex it waits for ...
    Waiter* blocked_by = nullptr;  // ... and its waiter there.
    // Where else it waits: stored under lock_of(queue), read by whoever changes its level, who
    // then takes that lock and looks again.
    std::atomic<WaitQueue*> queue = nullptr;
    Waiter* waiter = nullptr;
    // Its own: bindings of coroutine-local values, last one first.
    LocalBinding* locals = nullptr;
};

/// Record of an entry of the task table; libcops allocates them with the table.
TaskRecord& task_record(std::uint32_t index) noexcept;
/// The task's request in flight, if it has one, goes to that level too.
void move_request(cops_task_id id, unsigned level) noexcept;

inline TaskRecord& record_of(cops_task_id id) noexcept {
    return task_record(static_cast<std::uint32_t>(id) - 1);
}

/// Waiters of one object, most urgent first, in order of arrival within a level. The caller holds
/// lock_of(queue).
class WaitQueue {
public:
    [[nodiscard]] bool empty() const noexcept { return heap_.empty(); }
    /// The most urgent; null when empty.
    [[nodiscard]] Waiter* top() const noexcept { return heap_.top(); }
    /// `waiter.task` is set.
    void add(Waiter& waiter) noexcept;
    /// Takes out the most urgent; null when empty.
    Waiter* take() noexcept;
    /// Takes out all of them, as a chain in that order.
    Waiter* take_all() noexcept;
    /// False: it has been taken out already.
    bool remove(Waiter& waiter) noexcept;
    /// Its level has changed.
    void move(Waiter& waiter, unsigned level) noexcept;

private:
    void forget(Waiter& waiter) noexcept;

    Heap<Waiter> heap_;
    std::uint64_t turns_ = 0;
};

inline Spinlock& lock_of(const WaitQueue& queue) noexcept {
    return lock_of(static_cast<const void*>(&queue));
}

/// Lets a waiter that was taken out go on, at once if it is more urgent. Not to be touched
/// afterwards.
inline void signal(const Waiter& waiter) noexcept {
    const HartGuard hart;
    cops_executor_signal(hart.context(), waiter.task, 0);
}
/// The same for a chain.
void signal_chain(Waiter* chain) noexcept;

/// Awaits an operation that cannot fail. Operation is a Waiter with
///   bool try_now()   true: done, no need to wait;
///   bool enqueue()   true: `this` is queued; false: done meanwhile;
///   auto result()    what the wait gives.
template <typename Operation>
class [[nodiscard]] Wait {
public:
    template <typename... Arguments>
    explicit Wait(Arguments&&... arguments) noexcept
        : operation_(std::forward<Arguments>(arguments)...) {}

    bool await_ready() noexcept { return operation_.try_now(); }
    bool await_suspend(std::coroutine_handle<> self) noexcept {
        operation_.task = current_task();
        if (!operation_.enqueue()) {
            return false;
        }
        cops_executor_wait(context(), self.address());
        return true;
    }
    auto await_resume() noexcept { return operation_.result(); }

private:
    Operation operation_;
};

}  // namespace detail

}  // namespace cops
