// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cops/sync/limit.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <tuple>
#include <utility>

namespace cops {

/// What when_any() gives.
template <typename... Ts>
struct AnyResult {
    std::size_t first;                            // Which one finished first.
    std::tuple<detail::AsResult<Ts>...> results;  // Of all of them.
};

namespace detail {

/// Several coroutines that run at the same time on behalf of one that waits for all of them.
class Gathering {
public:
    explicit Gathering(CancelSource* source) noexcept
        : source_(source) {}

    [[nodiscard]] std::size_t first() const noexcept {
        return first_.load(std::memory_order_relaxed);
    }

protected:
    /// Where one of them goes on when it has ended. To the compiler's code and the executor it is a
    /// suspended coroutine: the first two words are what every compiler puts at the start of a
    /// frame.
    struct Member {
        void (*resume)(void*) = nullptr;
        void (*destroy)(void*) = nullptr;
        Gathering* owner = nullptr;
        std::size_t index = 0;
    };

    void begin(std::size_t count) noexcept;
    /// Starts one at the level of the running coroutine. False: no memory; it counts as finished.
    template <typename T>
    bool
    start(Member& member, std::size_t index, std::coroutine_handle<Promise<T>> frame) noexcept {
        member = {&Gathering::step, &Gathering::step, this, index};  // Never destroyed by that.
        if (frame) {
            frame.promise().continuation_ = std::coroutine_handle<>::from_address(&member);
            if (start_frame(frame.address())) {
                return true;
            }
        }
        finish(index);
        return false;
    }
    /// All have been started. False: all have finished.
    bool wait(std::coroutine_handle<> self) noexcept;

private:
    static void step(void* frame) noexcept;
    [[nodiscard]] bool start_frame(void* frame) const noexcept;
    void finish(std::size_t index) noexcept;

    static constexpr std::size_t kNobody = SIZE_MAX;

    CancelSource* source_;
    cops_task_id waiter_ = 0;
    std::atomic<std::size_t> left_ = 0;  // Those that have not finished, and the waiter itself.
    std::atomic<std::size_t> first_ = kNobody;
};

template <typename... Ts>
class [[nodiscard]] GatheringOf : public Gathering {
public:
    explicit GatheringOf(CancelSource* source, Task<Ts>... tasks) noexcept
        : Gathering(source)
        , frames_(tasks.release()...) {}
    GatheringOf(const GatheringOf&) = delete;
    GatheringOf& operator=(const GatheringOf&) = delete;
    ~GatheringOf() {
        std::apply([](auto... frame) { ((frame ? frame.destroy() : void()), ...); }, frames_);
    }

    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> self) noexcept {
        begin(sizeof...(Ts));
        start_all(std::index_sequence_for<Ts...>());
        return wait(self);
    }

protected:
    std::tuple<AsResult<Ts>...> results() noexcept {
        return take_all(std::index_sequence_for<Ts...>());
    }

private:
    template <std::size_t... I>
    void start_all(std::index_sequence<I...> /*unused*/) noexcept {
        ((started_[I] = this->start(members_[I], I, std::get<I>(frames_))), ...);
    }
    template <std::size_t... I>
    auto take_all(std::index_sequence<I...> /*unused*/) noexcept {
        return std::tuple<AsResult<Ts>...>(take<Ts>(std::get<I>(frames_), started_[I])...);
    }
    template <typename T>
    static AsResult<T> take(std::coroutine_handle<Promise<T>> frame, bool started) noexcept {
        if (!started) {
            return std::unexpected(Error(ENOMEM));
        }
        if constexpr (std::is_void_v<T>) {
            return {};
        } else {
            return frame.promise().take();
        }
    }

    std::tuple<std::coroutine_handle<Promise<Ts>>...> frames_;
    std::array<Member, sizeof...(Ts)> members_;
    std::array<bool, sizeof...(Ts)> started_{};
};

template <typename... Ts>
class [[nodiscard]] All : public GatheringOf<Ts...> {
public:
    using GatheringOf<Ts...>::GatheringOf;
    std::tuple<AsResult<Ts>...> await_resume() noexcept { return this->results(); }
};

template <typename... Ts>
class [[nodiscard]] Any : public GatheringOf<Ts...> {
public:
    using GatheringOf<Ts...>::GatheringOf;
    AnyResult<Ts...> await_resume() noexcept { return {this->first(), this->results()}; }
};

}  // namespace detail

/// `auto [a, b] = co_await when_all(one(), two());` runs the tasks at the same time, as coroutines
/// of their own at the caller's level, until all have finished. Each result is a Result: that of a
/// Task<Result<T>>, or one around the T of a Task<T>; ENOMEM where a task was empty or could not be
/// started. Allocates nothing but the tasks' own frames.
template <typename... Ts>
[[nodiscard]] auto when_all(Task<Ts>... tasks) noexcept {
    return detail::All<Ts...>(nullptr, std::move(tasks)...);
}

/// The same, and when the first has finished `source` is cancelled, whose token the tasks were
/// given: so that the others end soon. It returns when they have; nothing of them runs on. A task
/// that could not be started counts as finished.
template <typename... Ts>
    requires(sizeof...(Ts) != 0)
[[nodiscard]] auto when_any(CancelSource& source, Task<Ts>... tasks) noexcept {
    return detail::Any<Ts...>(&source, std::move(tasks)...);
}

}  // namespace cops
