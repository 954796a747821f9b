// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cops/sync/limit.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace cops {

/// A queue of at most Capacity values between coroutines, in the order they were sent. Who finds it
/// full or empty waits; the most urgent waiter goes first, the first one within a level. Capacity
/// 0: every value goes from hand to hand.
///
/// Values are moved while a lock between harts is held: a T's move must not use this library.
/// Nobody may wait when it is destroyed; values still inside are destroyed with it.
template <typename T, std::size_t Capacity>
class Channel {
    static_assert(std::is_nothrow_move_constructible_v<T>, "values are moved under a lock");

    class Operation;
    class SendOperation;
    class Send;
    class SendCopy;
    class Receive;

public:
    Channel() noexcept = default;
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;
    ~Channel() {
        while (count_ != 0) {
            std::destroy_at(front());
            pop();
        }
    }

    /// `co_await channel.send(value)`: Result<void>; EPIPE once it is closed. An rvalue is moved
    /// from only if it was sent.
    [[nodiscard]] auto send(T&& value) noexcept { return detail::Wait<Send>(*this, value); }
    [[nodiscard]] auto send(const T& value) { return detail::Wait<SendCopy>(*this, value); }
    /// The same with a limit. Errors: EPIPE, ECANCELED, ETIMEDOUT, ENOMEM.
    [[nodiscard]] auto send(T&& value, const Limit& limit) noexcept {
        return detail::LimitedWait<Send>(limit, *this, value);
    }
    [[nodiscard]] auto send(const T& value, const Limit& limit) {
        return detail::LimitedWait<SendCopy>(limit, *this, value);
    }
    /// Without waiting. Errors: EAGAIN it is full, EPIPE.
    Result<void> try_send(T&& value) noexcept {
        Send operation(*this, value);
        operation.error = operation.try_now() ? operation.error : EAGAIN;
        return operation.result();
    }
    Result<void> try_send(const T& value) { return try_send(T(value)); }

    /// `co_await channel.receive()`: Result<T>; EPIPE once it is closed and empty.
    [[nodiscard]] auto receive() noexcept { return detail::Wait<Receive>(*this); }
    /// The same with a limit. Errors: EPIPE, ECANCELED, ETIMEDOUT, ENOMEM.
    [[nodiscard]] auto receive(const Limit& limit) noexcept {
        return detail::LimitedWait<Receive>(limit, *this);
    }
    /// Without waiting. Errors: EAGAIN it is empty, EPIPE.
    Result<T> try_receive() noexcept {
        Receive operation(*this);
        operation.error = operation.try_now() ? operation.error : EAGAIN;
        return operation.result();
    }

    /// No more values: sends fail with EPIPE from now on, those that wait too. What is inside can
    /// still be received; then receives fail with EPIPE, those that wait too.
    void close() noexcept {
        detail::SpinGuard guard(detail::lock_of(queue_));
        closed_ = true;
        detail::Waiter* woken = queue_.take_all();
        guard.unlock();
        for (detail::Waiter* waiter = woken; waiter != nullptr; waiter = waiter->links.next) {
            waiter->error = EPIPE;
        }
        detail::signal_chain(woken);
    }

private:
    static constexpr std::size_t kPlaces = Capacity == 0 ? 1 : Capacity;

    struct alignas(T) Place {
        std::array<std::byte, sizeof(T)> bytes;
    };

    // What follows: under lock_of(queue_).

    [[nodiscard]] T* place(std::size_t index) noexcept {
        return reinterpret_cast<T*>(&places_[index % kPlaces]);
    }
    [[nodiscard]] T* front() noexcept { return place(first_); }
    void push(T& value) noexcept { std::construct_at(place(first_ + count_++), std::move(value)); }
    void pop() noexcept {
        first_ = (first_ + 1) % kPlaces;
        --count_;
    }

    // True: sent, or `error` says why not. False: it is full.
    bool send_now(SendOperation& send, detail::Waiter*& woken) noexcept {
        if (closed_) {
            send.error = EPIPE;
            return true;
        }
        if (receivers_wait_ && !queue_.empty()) {
            auto& receive = static_cast<Receive&>(*queue_.take());
            receive.value.emplace(std::move(send.value));
            woken = &receive;
            return true;
        }
        if (count_ == Capacity) {
            return false;
        }
        push(send.value);
        return true;
    }

    // True: received, or `error` says why not. False: it is empty.
    bool receive_now(Receive& receive, detail::Waiter*& woken) noexcept {
        const bool senders_wait = !receivers_wait_ && !queue_.empty();
        if (count_ == 0 && !senders_wait) {
            receive.error = closed_ ? EPIPE : 0;
            return closed_;
        }
        SendOperation* send = senders_wait ? &static_cast<SendOperation&>(*queue_.take()) : nullptr;
        woken = send;
        if (count_ == 0) {
            receive.value.emplace(std::move(send->value));
            return true;
        }
        receive.value.emplace(std::move(*front()));
        std::destroy_at(front());
        pop();
        if (send != nullptr) {
            push(send->value);
        }
        return true;
    }

    // Senders or receivers: never both wait, for they would have met.
    detail::WaitQueue queue_;
    bool receivers_wait_ = false;  // Of which kind those in queue_ are.
    bool closed_ = false;
    std::size_t first_ = 0;
    std::size_t count_ = 0;
    std::array<Place, kPlaces> places_;
};

template <typename T, std::size_t Capacity>
class Channel<T, Capacity>::Operation : public detail::Waiter {
public:
    void abandon(int reason) noexcept override {
        {
            const detail::SpinGuard guard(detail::lock_of(channel_.queue_));
            if (!queued) {
                return;
            }
            channel_.queue_.remove(*this);
        }
        error = reason;
        detail::signal(*this);
    }

protected:
    explicit Operation(Channel& channel) noexcept
        : channel_(channel) {}
    ~Operation() = default;

    // True: it could not be done now, and (`queue`) waits in line.
    template <typename Now>
    bool do_or_queue(const Now& now, bool queue, bool receives) noexcept {
        detail::SpinGuard guard(detail::lock_of(channel_.queue_));
        detail::Waiter* woken = nullptr;
        if (!now(woken)) {
            if (queue) {
                channel_.receivers_wait_ = receives;
                channel_.queue_.add(*this);
            }
            return true;
        }
        guard.unlock();
        if (woken != nullptr) {
            detail::signal(*woken);
        }
        return false;
    }

    Channel& channel_;
};

template <typename T, std::size_t Capacity>
class Channel<T, Capacity>::SendOperation : public Operation {
public:
    bool try_now() noexcept { return !attempt(false); }
    bool enqueue() noexcept { return attempt(true); }
    Result<void> result() noexcept {
        return this->error == 0 ? Result<void>() : std::unexpected(Error(this->error));
    }

    T& value;

protected:
    SendOperation(Channel& channel, T& sent) noexcept
        : Operation(channel)
        , value(sent) {}
    ~SendOperation() = default;

private:
    // True: it is full.
    bool attempt(bool queue) noexcept {
        const auto now = [this](detail::Waiter*& woken) noexcept {
            return this->channel_.send_now(*this, woken);
        };
        return this->do_or_queue(now, queue, /*receives=*/false);
    }
};

template <typename T, std::size_t Capacity>
class Channel<T, Capacity>::Send final : public SendOperation {
public:
    Send(Channel& channel, T& sent) noexcept
        : SendOperation(channel, sent) {}
};

namespace detail {

/// So that the copy exists before the operation that refers to it.
template <typename T>
struct Copy {
    T copy;
};

}  // namespace detail

template <typename T, std::size_t Capacity>
class Channel<T, Capacity>::SendCopy final : private detail::Copy<T>, public SendOperation {
public:
    SendCopy(Channel& channel, const T& sent)
        : detail::Copy<T>{sent}
        , SendOperation(channel, this->copy) {}
};

template <typename T, std::size_t Capacity>
class Channel<T, Capacity>::Receive final : public Operation {
public:
    explicit Receive(Channel& channel) noexcept
        : Operation(channel) {}

    bool try_now() noexcept { return !attempt(false); }
    bool enqueue() noexcept { return attempt(true); }
    Result<T> result() noexcept {
        if (this->error != 0) {
            return std::unexpected(Error(this->error));
        }
        return std::move(*value);
    }

    std::optional<T> value;

private:
    // True: it is empty.
    bool attempt(bool queue) noexcept {
        const auto now = [this](detail::Waiter*& woken) noexcept {
            return this->channel_.receive_now(*this, woken);
        };
        return this->do_or_queue(now, queue, /*receives=*/true);
    }
};

}  // namespace cops
