// SPDX-License-Identifier: Apache-2.0
// Who is told when work should end, and the limits of waits.
#include <cops/sync/limit.hpp>

namespace cops {

int CancelToken::reason() const noexcept {
    return source_ == nullptr ? 0 : source_->reason();
}

void CancelToken::listen(detail::CancelListener& listener) const noexcept {
    if (source_ != nullptr) {
        source_->listen(listener);
    }
}

void CancelToken::forget(detail::CancelListener& listener) const noexcept {
    if (source_ != nullptr) {
        source_->forget(listener);
    }
}

CancelSource::CancelSource(CancelToken parent) noexcept
    : parent_(parent) {
    parent_.listen(*this);
}

CancelSource::~CancelSource() {
    parent_.forget(*this);
    if (timed_) {
        detail::timers().disarm(*this);
    }
    // Whoever cancels may be about to release the lock.
    const detail::SpinGuard guard(lock_);
    if (listeners_ != nullptr) {
        detail::misuse("a CancelSource was destroyed while a wait had its token");
    }
}

Result<void> CancelSource::cancel_after(std::chrono::nanoseconds timeout) noexcept {
    if (std::exchange(timed_, true)) {
        return std::unexpected(Error(EALREADY));
    }
    const std::int64_t rest = timeout.count() < 0 ? 0 : timeout.count();
    const std::uint64_t deadline = detail::monotonic_ns() + static_cast<std::uint64_t>(rest);
    const unsigned level = priority(current()).value_or(kMainLevel);
    if (!detail::timers().arm(*this, deadline, level)) {
        timed_ = false;
        return std::unexpected(Error(ENOMEM));
    }
    return {};
}

bool CancelSource::cancel_with(int reason) noexcept {
    const detail::SpinGuard guard(lock_);
    if (reason_.load(std::memory_order_relaxed) != 0) {
        return false;
    }
    reason_.store(reason, std::memory_order_release);  // Partner: reason().
    while (listeners_ != nullptr) {
        CancelListener& listener = *listeners_;
        unlink(listener);
        // Under the lock: whoever it wakes forgets the listener before its frame goes on.
        listener.cancelled(reason);
    }
    return true;
}

void CancelSource::unlink(CancelListener& listener) noexcept {
    (listener.prev == nullptr ? listeners_ : listener.prev->next) = listener.next;
    if (listener.next != nullptr) {
        listener.next->prev = listener.prev;
    }
    listener.listed = false;
}

void CancelSource::listen(CancelListener& listener) noexcept {
    const detail::SpinGuard guard(lock_);
    if (const int reason = reason_.load(std::memory_order_relaxed)) {
        listener.cancelled(reason);
        return;
    }
    listener.prev = nullptr;
    listener.next = listeners_;
    if (listeners_ != nullptr) {
        listeners_->prev = &listener;
    }
    listeners_ = &listener;
    listener.listed = true;
}

void CancelSource::forget(CancelListener& listener) noexcept {
    const detail::SpinGuard guard(lock_);
    if (listener.listed) {
        unlink(listener);
    }
}

namespace detail {

void LimitGuard::arm() noexcept {
    armed_ = true;
    limit_.token().listen(*this);
    if (limit_.has_deadline()) {
        const int level = cops_executor_level(context(), waiter_.task);
        if (!timers().arm(*this, limit_.deadline(), static_cast<unsigned>(level))) {
            waiter_.abandon(ENOMEM);
        }
    }
}

void LimitGuard::disarm() noexcept {
    if (!armed_) {
        return;
    }
    limit_.token().forget(*this);
    if (limit_.has_deadline()) {
        timers().disarm(*this);
    }
}

}  // namespace detail

}  // namespace cops
