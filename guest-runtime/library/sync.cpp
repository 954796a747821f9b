// SPDX-License-Identifier: Apache-2.0
// Queues of waiters, and the objects that are little more than one.
#include <cops/sync/condition.hpp>
#include <cops/sync/event.hpp>
#include <cops/sync/semaphore.hpp>

#include <cstdio>
#include <cstdlib>
#include <optional>

namespace cops {

namespace detail {

namespace {

void relax() noexcept {
#if defined(__riscv)
    __asm__ volatile(".word 0x0100000f");  // pause (Zihintpause; a fence hint elsewhere)
#elif defined(__x86_64__)
    __asm__ volatile("pause");
#endif
}

}  // namespace

constinit std::array<Spinlock, kLocks> locks;

void Spinlock::wait_until_free() const noexcept {
    constexpr unsigned kPatience = 2000;  // Far longer than any critical section.
    for (unsigned spins = 1; word_.load(std::memory_order_relaxed) != 0; ++spins) {
        relax();
        // Whoever holds it may be on a hart that does not run now.
        if (spins % kPatience == 0 && context()->give_way != nullptr) {
            context()->give_way();
        }
    }
}

void misuse(const char* what) noexcept {
    std::fprintf(stderr, "cops: %s\n", what);
    std::abort();
}

void WaitQueue::add(Waiter& waiter) noexcept {
    TaskRecord& record = record_of(waiter.task);
    record.waiter = &waiter;
    record.queue.store(this, std::memory_order_relaxed);
    // Then the level. Partner: Inheritance::follow_in_queue(), after the level was stored, fences,
    // then looks for the queue. One of the two sees the other, so no change of level is lost.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    waiter.level = static_cast<unsigned>(cops_executor_level(context(), waiter.task));
    waiter.turn = turns_++;
    waiter.queued = true;
    heap_.push(waiter);
}

void WaitQueue::forget(Waiter& waiter) noexcept {
    waiter.queued = false;
    record_of(waiter.task).queue.store(nullptr, std::memory_order_relaxed);
}

Waiter* WaitQueue::take() noexcept {
    Waiter* first = heap_.pop();
    if (first != nullptr) {
        forget(*first);
        first->links = {};
    }
    return first;
}

Waiter* WaitQueue::take_all() noexcept {
    Waiter* chain = take();
    for (Waiter* last = chain; last != nullptr; last = last->links.next) {
        last->links.next = take();
    }
    return chain;
}

bool WaitQueue::remove(Waiter& waiter) noexcept {
    if (!waiter.queued) {
        return false;
    }
    heap_.remove(waiter);
    forget(waiter);
    return true;
}

void WaitQueue::move(Waiter& waiter, unsigned level) noexcept {
    heap_.remove(waiter);
    waiter.level = level;
    heap_.push(waiter);
}

void signal_chain(Waiter* chain) noexcept {
    const HartGuard until_all_are_signalled;
    while (chain != nullptr) {
        Waiter* next = chain->links.next;  // Before it runs: it is gone then.
        signal(*chain);
        chain = next;
    }
}

}  // namespace detail

using detail::lock_of;
using detail::SpinGuard;
using detail::Waiter;
using detail::WaitQueue;

namespace {

// What Semaphore and Event have in common: a word that is free or not, which who finds it free
// changes without a lock, and a queue for the others. `waiting` is the word while somebody waits,
// and comes and goes under lock_of(queue).
using Word = std::atomic<std::uint32_t>;

// The second try of who found it not free, under the lock. `take` says what a word becomes when its
// caller has what it waits for; nothing: it is not free. True: the waiter is queued.
template <typename Take>
bool take_or_queue(
    Word& word, std::uint32_t waiting, WaitQueue& queue, Waiter& waiter, const Take& take
) noexcept {
    const SpinGuard guard(lock_of(queue));
    std::uint32_t found = word.load(std::memory_order_relaxed);
    for (;;) {
        const std::optional<std::uint32_t> rest = take(found);
        // Partners: release(), set().
        if (word.compare_exchange_weak(
                found, rest.value_or(waiting), std::memory_order_acquire, std::memory_order_relaxed
            )) {
            if (!rest) {
                queue.add(waiter);
            }
            return !rest;
        }
    }
}

// Ends the wait with an errno, unless it has ended.
void give_up(Word& word, WaitQueue& queue, Waiter& waiter, int reason) noexcept {
    {
        const SpinGuard guard(lock_of(queue));
        if (!queue.remove(waiter)) {
            return;
        }
        if (queue.empty()) {
            word.store(0, std::memory_order_relaxed);
        }
    }
    waiter.error = reason;
    signal(waiter);
}

}  // namespace

// ---- Semaphore -------------------------------------------------------------------------------

Semaphore::Semaphore(std::uint32_t permits) noexcept
    : word_(permits) {
    if (permits > kMax) {
        detail::misuse("more permits than a semaphore can have");
    }
}

bool Semaphore::try_acquire() noexcept {
    std::uint32_t word = word_.load(std::memory_order_relaxed);
    while ((word & kMax) != 0) {
        // Partner: release().
        if (word_.compare_exchange_weak(
                word, word - 1, std::memory_order_acquire, std::memory_order_relaxed
            )) {
            return true;
        }
    }
    return false;
}

bool Semaphore::enqueue(Waiter& waiter) noexcept {
    return take_or_queue(word_, kWaiters, queue_, waiter, [](std::uint32_t word) {
        return (word & kMax) != 0 ? std::optional(word - 1) : std::nullopt;
    });
}

void Semaphore::abandon(Waiter& waiter, int reason) noexcept {
    give_up(word_, queue_, waiter, reason);
}

void Semaphore::release(std::uint32_t permits) noexcept {
    std::uint32_t word = word_.load(std::memory_order_relaxed);
    while (word != kWaiters) {
        if (permits > kMax - word) {
            detail::misuse("more permits released than a semaphore can have");
        }
        if (word_.compare_exchange_weak(
                word, word + permits, std::memory_order_release, std::memory_order_relaxed
            )) {
            return;
        }
    }
    release_to_waiters(permits);
}

void Semaphore::release_to_waiters(std::uint32_t permits) noexcept {
    SpinGuard guard(lock_of(queue_));
    Waiter* woken = nullptr;
    Waiter** end = &woken;
    while (permits != 0 && !queue_.empty()) {
        *end = queue_.take();
        end = &(*end)->links.next;
        --permits;
    }
    if (queue_.empty()) {
        // The last waiters may have given up meanwhile, and permits come by the fast way. Once
        // there is a permit, whoever takes it may destroy the semaphore: nothing after this.
        std::uint32_t word = word_.load(std::memory_order_relaxed);
        std::uint32_t desired;
        do {
            const std::uint32_t before = word & kMax;
            if (permits > kMax - before) {
                detail::misuse("more permits released than a semaphore can have");
            }
            desired = before + permits;
        } while (!word_.compare_exchange_weak(
            word, desired, std::memory_order_release, std::memory_order_relaxed
        ));
    }
    guard.unlock();
    signal_chain(woken);
}

// ---- Event -----------------------------------------------------------------------------------

bool Event::try_wait() noexcept {
    if (reset_ == Reset::manual) {
        return is_set();
    }
    std::uint32_t set = kSet;
    // Partner: set().
    return word_.compare_exchange_strong(
        set, 0, std::memory_order_acquire, std::memory_order_relaxed
    );
}

bool Event::enqueue(Waiter& waiter) noexcept {
    return take_or_queue(word_, kWaiters, queue_, waiter, [this](std::uint32_t word) {
        const std::uint32_t seen = reset_ == Reset::manual ? kSet : 0;
        return (word & kSet) != 0 ? std::optional(seen) : std::nullopt;
    });
}

void Event::abandon(Waiter& waiter, int reason) noexcept {
    give_up(word_, queue_, waiter, reason);
}

void Event::set() noexcept {
    std::uint32_t word = word_.load(std::memory_order_relaxed);
    while (word != kWaiters) {
        // Also when it is set already: what we wrote before is then seen with it.
        if (word_.compare_exchange_weak(
                word, kSet, std::memory_order_release, std::memory_order_relaxed
            )) {
            return;
        }
    }
    set_for_waiters();
}

void Event::set_for_waiters() noexcept {
    SpinGuard guard(lock_of(queue_));
    Waiter* woken = reset_ == Reset::manual ? queue_.take_all() : queue_.take();
    // Nothing after this: whoever sees it set may destroy the event.
    if (reset_ == Reset::manual || woken == nullptr) {
        word_.store(kSet, std::memory_order_release);
    } else if (queue_.empty()) {
        word_.store(0, std::memory_order_relaxed);
    }
    guard.unlock();
    signal_chain(woken);
}

// ---- Condition -------------------------------------------------------------------------------

bool Condition::WaitOperation::enqueue() noexcept {
    {
        const SpinGuard guard(lock_of(condition.queue_));
        condition.queue_.add(*this);
    }
    // From here on a notification may pass us on to the mutex; nobody resumes us before we have
    // left the stack.
    mutex.unlock();
    return true;
}

void Condition::WaitOperation::abandon(int reason) noexcept {
    {
        // The condition itself may be gone once we were notified: its address is all we use then.
        const SpinGuard guard(lock_of(condition.queue_));
        if (!queued) {
            return;
        }
        condition.queue_.remove(*this);
    }
    error = reason;
    regain(*this);
}

void Condition::regain(Waiter& waiter) noexcept {
    Mutex& mutex = static_cast<WaitOperation&>(waiter).mutex;
    if (!detail::lock_or_queue(mutex, waiter)) {
        signal(waiter);
    }
}

void Condition::notify_one() noexcept {
    SpinGuard guard(lock_of(queue_));
    Waiter* woken = queue_.take();
    guard.unlock();
    if (woken != nullptr) {
        regain(*woken);
    }
}

void Condition::notify_all() noexcept {
    SpinGuard guard(lock_of(queue_));
    Waiter* woken = queue_.take_all();
    guard.unlock();
    while (woken != nullptr) {
        Waiter* next = woken->links.next;  // Before it goes to another queue.
        regain(*woken);
        woken = next;
    }
}

}  // namespace cops
