// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cops/sync/limit.hpp>

#include <cstddef>
#include <type_traits>
#include <utility>

namespace cops {

/// Coroutines that belong together and are waited for together, any number of them. The first that
/// fails cancels the group's token, which all may have. Every one must have ended, and been joined,
/// when the group is destroyed.
class TaskGroup {
public:
    TaskGroup() noexcept = default;
    /// Its token is cancelled with `parent` too, which must outlive the group.
    explicit TaskGroup(CancelToken parent) noexcept
        : source_(parent) {}
    TaskGroup(const TaskGroup&) = delete;
    TaskGroup& operator=(const TaskGroup&) = delete;
    ~TaskGroup();

    /// For the members' waits.
    [[nodiscard]] CancelToken token() noexcept { return source_.token(); }
    /// Cancels the token.
    void cancel() noexcept { source_.cancel(); }

    /// Makes `task` a member: a coroutine of its own at `level`. An error of a Task<Result<T>> is
    /// the group's; other values are dropped. Errors: ENOMEM, EINVAL level > 63.
    template <typename T>
    Result<TaskId> spawn(Task<T> task, unsigned level) noexcept {
        if (level >= kLevels) {
            return std::unexpected(Error(EINVAL));
        }
        if (!task) {
            return std::unexpected(Error(ENOMEM));
        }
        enter();
        const TaskId id = cops::spawn(run(*this, std::move(task)), level);
        if (!id) {
            leave(0);
            return std::unexpected(Error(ENOMEM));
        }
        return id;
    }

    /// `co_await group.join();` waits until no member is left: Result<void>, the first error of a
    /// member.
    [[nodiscard]] auto join() noexcept { return detail::Wait<Join>(*this); }
    /// The same with a limit, which ends this wait and not the members. Errors: also ECANCELED,
    /// ETIMEDOUT, ENOMEM.
    [[nodiscard]] auto join(const Limit& limit) noexcept {
        return detail::LimitedWait<Join>(limit, *this);
    }
    /// Members that have not ended.
    [[nodiscard]] std::size_t size() const noexcept;

private:
    struct Join final : detail::Waiter {
        explicit Join(TaskGroup& joined) noexcept
            : group(joined) {}
        bool try_now() noexcept { return group.try_join(*this); }
        bool enqueue() noexcept { return group.enqueue(*this); }
        void abandon(int reason) noexcept override { group.abandon(*this, reason); }
        Result<void> result() noexcept {
            return outcome == 0 ? Result<void>() : std::unexpected(Error(outcome));
        }
        TaskGroup& group;
        int outcome = 0;
    };

    template <typename T>
    static Task<> run(TaskGroup& group, Task<T> member) {
        int error = 0;
        {
            Task<T> task = std::move(member);  // Its frame goes before the group hears of its end.
            if constexpr (detail::kIsResult<T>) {
                const T result = co_await std::move(task);
                error = result ? 0 : result.error().number();
            } else {
                (void)co_await std::move(task);
            }
        }
        group.leave(error);
    }

    void enter() noexcept;
    void leave(int error) noexcept;
    bool try_join(Join& join) noexcept;
    bool enqueue(Join& join) noexcept;
    void abandon(Join& join, int reason) noexcept;

    CancelSource source_;
    // Under lock_of(queue_).
    detail::WaitQueue queue_;
    std::size_t members_ = 0;
    int error_ = 0;  // The first.
};

}  // namespace cops
