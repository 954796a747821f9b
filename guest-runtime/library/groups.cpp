// SPDX-License-Identifier: Apache-2.0
// Coroutines that are waited for together, and values that belong to one.
#include <cops/local.hpp>
#include <cops/sync/task_group.hpp>
#include <cops/sync/when.hpp>

namespace cops {

namespace detail {

// ---- when_all, when_any ------------------------------------------------------------------------

void Gathering::begin(std::size_t count) noexcept {
    waiter_ = current_task();
    left_.store(count + 1, std::memory_order_relaxed);
}

bool Gathering::start_frame(void* frame) const noexcept {
    return spawn_frame(frame, priority(TaskId(waiter_)).value()) != 0;
}

bool Gathering::wait(std::coroutine_handle<> self) noexcept {
    if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        return false;
    }
    cops_executor_wait(context(), self.address());
    return true;
}

void Gathering::step(void* frame) noexcept {
    const Member& member = *static_cast<Member*>(frame);
    finish_root(nullptr);  // The frame that ended is the waiter's to free.
    member.owner->finish(member.index);
}

void Gathering::finish(std::size_t index) noexcept {
    std::size_t nobody = kNobody;
    if (first_.compare_exchange_strong(
            nobody, index, std::memory_order_relaxed, std::memory_order_relaxed
        )
        && source_ != nullptr) {
        source_->cancel();
    }
    const cops_task_id waiter = waiter_;
    // Partners: each other, and wait(): who comes last sees what all of them did.
    if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        cops_executor_signal(context(), waiter, 0);  // We may be gone by now.
    }
}

// ---- Coroutine-local values --------------------------------------------------------------------

namespace {

LocalBinding*& locals() noexcept {
    return record_of(current_task()).locals;
}

}  // namespace

void bind_local(LocalBinding& binding) noexcept {
    LocalBinding*& first = locals();
    binding.next = first;
    if (first != nullptr) {
        first->prev = &binding;
    }
    first = &binding;
}

void unbind_local(LocalBinding& binding) noexcept {
    (binding.prev == nullptr ? locals() : binding.prev->next) = binding.next;
    if (binding.next != nullptr) {
        binding.next->prev = binding.prev;
    }
}

LocalBinding* find_local(const void* key) noexcept {
    if (current_task() == 0) {
        return nullptr;  // outside of coroutines: a static object that ends, say
    }
    LocalBinding* binding = locals();
    while (binding != nullptr && binding->key != key) {
        binding = binding->next;
    }
    return binding;
}

}  // namespace detail

// ---- TaskGroup ---------------------------------------------------------------------------------

using detail::lock_of;
using detail::SpinGuard;

TaskGroup::~TaskGroup() {
    if (size() != 0) {
        detail::misuse("a TaskGroup was destroyed before its members had ended");
    }
}

std::size_t TaskGroup::size() const noexcept {
    const SpinGuard guard(lock_of(queue_));
    return members_;
}

void TaskGroup::enter() noexcept {
    const SpinGuard guard(lock_of(queue_));
    ++members_;
}

void TaskGroup::leave(int error) noexcept {
    if (error != 0) {
        {
            const SpinGuard guard(lock_of(queue_));
            error_ = error_ == 0 ? error : error_;
        }
        source_.cancel();  // While we are a member: nobody destroys the group before.
    }
    SpinGuard guard(lock_of(queue_));
    detail::Waiter* woken = nullptr;
    if (--members_ == 0) {
        woken = queue_.take_all();
    }
    for (detail::Waiter* waiter = woken; waiter != nullptr; waiter = waiter->links.next) {
        static_cast<Join*>(waiter)->outcome = error_;
    }
    guard.unlock();
    detail::signal_chain(woken);
}

// Under the lock even when there is nothing to wait for: the last member may still be in leave().
bool TaskGroup::try_join(Join& join) noexcept {
    const SpinGuard guard(lock_of(queue_));
    join.outcome = error_;
    return members_ == 0;
}

bool TaskGroup::enqueue(Join& join) noexcept {
    const SpinGuard guard(lock_of(queue_));
    join.outcome = error_;
    if (members_ != 0) {
        queue_.add(join);
    }
    return members_ != 0;
}

void TaskGroup::abandon(Join& join, int reason) noexcept {
    {
        const SpinGuard guard(lock_of(queue_));
        if (!queue_.remove(join)) {
            return;
        }
    }
    join.error = reason;
    signal(join);
}

}  // namespace cops
