// SPDX-License-Identifier: Apache-2.0
// Mutexes that others wait for, and the levels that their holders inherit.
#include <cops/sync/mutex.hpp>

#include <algorithm>

namespace cops::detail {

class Inheritance {
public:
    static bool lock_or_queue(Mutex& mutex, Waiter& waiter) noexcept;
    static void leave_queue(Mutex& mutex, Waiter& waiter, int error) noexcept;
    static void hand_over(Mutex& mutex, cops_task_id self, std::uint64_t held) noexcept;
    static int set_base_level(cops_task_id id, unsigned level) noexcept;

private:
    static TaskRecord& touch(cops_task_id id) noexcept;
    static void add_held(TaskRecord& record, Mutex& mutex) noexcept;
    static void remove_held(TaskRecord& record, Mutex& mutex) noexcept;
    static unsigned wanted_level(const TaskRecord& record) noexcept;
    static void follow(TaskRecord* record) noexcept;
    static void follow_in_queue(const TaskRecord& record, unsigned level) noexcept;

    static constinit Spinlock lock;
};

constinit Spinlock Inheritance::lock;

// The record of a living task, begun anew when it is still that of an ended one: nobody has lent
// anything to a task whose record was never touched, so its level is its own.
TaskRecord& Inheritance::touch(cops_task_id id) noexcept {
    TaskRecord& record = record_of(id);
    if (record.id != id) {
        record.id = id;
        record.base = static_cast<unsigned>(cops_executor_level(context(), id));
        record.level = record.base;
        record.held = nullptr;
        record.blocked_on = nullptr;
        record.blocked_by = nullptr;
    }
    return record;
}

void Inheritance::add_held(TaskRecord& record, Mutex& mutex) noexcept {
    mutex.holder_ = &record;
    mutex.prev_held_ = nullptr;
    mutex.next_held_ = record.held;
    if (record.held != nullptr) {
        record.held->prev_held_ = &mutex;
    }
    record.held = &mutex;
}

void Inheritance::remove_held(TaskRecord& record, Mutex& mutex) noexcept {
    mutex.holder_ = nullptr;
    (mutex.prev_held_ == nullptr ? record.held : mutex.prev_held_->next_held_) = mutex.next_held_;
    if (mutex.next_held_ != nullptr) {
        mutex.next_held_->prev_held_ = mutex.prev_held_;
    }
}

unsigned Inheritance::wanted_level(const TaskRecord& record) noexcept {
    unsigned level = record.base;
    for (const Mutex* mutex = record.held; mutex != nullptr; mutex = mutex->next_held_) {
        if (const Waiter* waiter = mutex->waiters_.top()) {
            level = std::min(level, waiter->level);
        }
    }
    return level;
}

// Where the task waits for something that is no mutex. The queue may vanish until its lock is held.
void Inheritance::follow_in_queue(const TaskRecord& record, unsigned level) noexcept {
    // After the level. Partner: WaitQueue::add().
    std::atomic_thread_fence(std::memory_order_seq_cst);
    while (WaitQueue* queue = record.queue.load(std::memory_order_relaxed)) {
        const SpinGuard guard(lock_of(*queue));
        if (record.queue.load(std::memory_order_relaxed) == queue) {
            queue->move(*record.waiter, level);
            return;
        }
    }
}

// Brings a task to the level it should have, then whoever that concerns along the chain. It ends
// where nothing changes, so also in a ring of coroutines that wait for each other.
void Inheritance::follow(TaskRecord* record) noexcept {
    while (record != nullptr) {
        const unsigned level = wanted_level(*record);
        if (record->level == level) {
            return;
        }
        record->level = level;
        cops_executor_set_level(context(), record->id, level);
        Mutex* mutex = record->blocked_on;
        if (mutex == nullptr && record->queue.load(std::memory_order_relaxed) == nullptr) {
            move_request(record->id, level);  // What it waits for may be the host.
        }
        if (mutex == nullptr) {
            follow_in_queue(*record, level);
            return;
        }
        mutex->waiters_.remove(*record->blocked_by);
        record->blocked_by->level = level;
        mutex->waiters_.push(*record->blocked_by);
        record = mutex->holder_;
    }
}

bool Inheritance::lock_or_queue(Mutex& mutex, Waiter& waiter) noexcept {
    const SpinGuard guard(lock);
    if ((mutex.word_.load(std::memory_order_relaxed) & Mutex::kContended) == 0) {
        // Partner: unlock(). From here on nobody takes it by the fast way, and it changes hands
        // under our lock only.
        const std::uint64_t holder =
            mutex.word_.fetch_or(Mutex::kContended, std::memory_order_acquire);
        if (holder == 0) {
            mutex.word_.store(waiter.task, std::memory_order_relaxed);
            return false;
        }
        // A coroutine that ended while it held the mutex has no level any more.
        if (cops_executor_alive(context(), holder) != 0) {
            add_held(touch(holder), mutex);
        }
    }
    TaskRecord& own = touch(waiter.task);
    waiter.level = own.level;
    waiter.turn = mutex.turns_++;
    waiter.blocked = true;
    mutex.waiters_.push(waiter);
    own.blocked_on = &mutex;
    own.blocked_by = &waiter;
    follow(mutex.holder_);
    return true;
}

void Inheritance::leave_queue(Mutex& mutex, Waiter& waiter, int error) noexcept {
    const SpinGuard guard(lock);
    if (!waiter.blocked) {
        return;
    }
    mutex.waiters_.remove(waiter);
    waiter.blocked = false;
    touch(waiter.task).blocked_on = nullptr;
    waiter.error = error;
    follow(mutex.holder_);  // It no longer has our level.
    signal(waiter);
}

void Inheritance::hand_over(Mutex& mutex, cops_task_id self, std::uint64_t held) noexcept {
    if (held != (self | Mutex::kContended)) {
        misuse("a mutex was unlocked by a coroutine that does not hold it");
    }
    const SpinGuard guard(lock);
    TaskRecord& own = touch(self);
    remove_held(own, mutex);
    Waiter* next = mutex.waiters_.pop();
    if (next == nullptr) {
        // Whoever locks it now may destroy it: nothing after this.
        mutex.word_.store(0, std::memory_order_release);
        follow(&own);
        return;
    }
    TaskRecord& heir = touch(next->task);
    heir.blocked_on = nullptr;
    next->blocked = false;
    const bool contended = !mutex.waiters_.empty();
    if (contended) {
        add_held(heir, mutex);  // Its level stays: it was the most urgent of them.
    }
    mutex.word_.store(next->task | (contended ? Mutex::kContended : 0), std::memory_order_release);
    signal(*next);  // Before our level falls, so that the hart never claims too little.
    follow(&own);
}

int Inheritance::set_base_level(cops_task_id id, unsigned level) noexcept {
    if (level >= kLevels) {
        return -EINVAL;
    }
    const SpinGuard guard(lock);
    if (cops_executor_alive(context(), id) == 0) {
        return -ESRCH;
    }
    TaskRecord& record = touch(id);
    record.base = level;
    follow(&record);
    return 0;
}

bool lock_or_queue(Mutex& mutex, Waiter& waiter) noexcept {
    return Inheritance::lock_or_queue(mutex, waiter);
}

void leave_queue(Mutex& mutex, Waiter& waiter, int error) noexcept {
    Inheritance::leave_queue(mutex, waiter, error);
}

void hand_over(Mutex& mutex, cops_task_id self, std::uint64_t held) noexcept {
    Inheritance::hand_over(mutex, self, held);
}

int set_base_level(cops_task_id id, unsigned level) noexcept {
    return Inheritance::set_base_level(id, level);
}

}  // namespace cops::detail
