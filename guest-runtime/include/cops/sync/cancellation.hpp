// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cops/error.hpp>
#include <cops/sync/detail/timers.hpp>

#include <atomic>
#include <chrono>

namespace cops {

class CancelSource;

namespace detail {

/// Someone who is told of a cancellation. In the list of one source at most.
class CancelListener {
public:
    CancelListener() noexcept = default;
    CancelListener(const CancelListener&) = delete;
    CancelListener& operator=(const CancelListener&) = delete;

    /// Called once at most, under the source's lock.
    virtual void cancelled(int reason) noexcept = 0;

    // Guarded by the source's lock.
    CancelListener* next = nullptr;
    CancelListener* prev = nullptr;
    bool listed = false;

protected:
    ~CancelListener() = default;
};

}  // namespace detail

/// Says whether someone wants the work to end. Copied freely; its source must outlive every use of
/// it. A token made by default is never cancelled.
class CancelToken {
public:
    constexpr CancelToken() noexcept = default;

    [[nodiscard]] bool cancelled() const noexcept { return reason() != 0; }
    /// ECANCELED or ETIMEDOUT; 0 while not cancelled.
    [[nodiscard]] int reason() const noexcept;

    /// For awaiters: `listener` is told once, now if it is too late to be told later.
    void listen(detail::CancelListener& listener) const noexcept;
    /// After this it has been told or never will be.
    void forget(detail::CancelListener& listener) const noexcept;

private:
    friend class CancelSource;
    explicit CancelToken(CancelSource* source) noexcept
        : source_(source) {}

    CancelSource* source_ = nullptr;
};

/// Cancels what was given its token: every wait with that token ends with the reason, as does every
/// later one. What has already been woken stays woken. Requests to the host are not cancelled.
///
/// It holds its listeners by links in their own frames and allocates nothing.
class CancelSource final : private detail::CancelListener, private detail::Timer {
public:
    CancelSource() noexcept = default;
    /// Cancelled with `parent` too, which must outlive it.
    explicit CancelSource(CancelToken parent) noexcept;
    /// Nobody may wait with its token any more.
    ~CancelSource();

    [[nodiscard]] CancelToken token() noexcept { return CancelToken(this); }
    [[nodiscard]] bool cancelled() const noexcept { return reason() != 0; }
    /// ECANCELED or ETIMEDOUT; 0 while not cancelled.
    [[nodiscard]] int reason() const noexcept {
        return reason_.load(std::memory_order_acquire);  // Partner: cancel().
    }

    /// Cancels, unless it has happened. True: this call did it.
    bool cancel() noexcept { return cancel_with(ECANCELED); }
    /// Cancels with ETIMEDOUT after `timeout` of guest time. Once. Errors: EALREADY the second
    /// time, ENOMEM.
    Result<void> cancel_after(std::chrono::nanoseconds timeout) noexcept;

private:
    friend class CancelToken;

    bool cancel_with(int reason) noexcept;
    void listen(detail::CancelListener& listener) noexcept;
    void forget(detail::CancelListener& listener) noexcept;
    void unlink(detail::CancelListener& listener) noexcept;
    void cancelled(int reason) noexcept override { cancel_with(reason); }
    void expire() noexcept override { cancel_with(ETIMEDOUT); }

    std::atomic<int> reason_ = 0;  // Changed once, under lock_.
    bool timed_ = false;           // cancel_after() was called.
    CancelToken parent_;
    detail::Spinlock lock_;  // Guards the list.
    detail::CancelListener* listeners_ = nullptr;
};

}  // namespace cops
