// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <executor/executor.h>

#include <atomic>
#include <cstdint>

namespace cops::detail {

/// Context of the hart that runs us. Never kept over a suspension; a coroutine that is preempted
/// goes on on the same hart.
cops_executor_context* context() noexcept;

/// The running task, 0 outside of one.
inline cops_task_id current_task() noexcept {
    return context()->running_task;
}

/// Wakes other harts if there is work for them. Then takes the hart from the running coroutine if
/// something better is ready (cops_executor_preempt), and returns when it has the hart again. On
/// the coroutine's stack. False: it kept the hart, because nothing better was ready or no memory
/// for a stack.
bool lose_hart(bool slice_over) noexcept;

/// While one lives, its coroutine keeps the hart; what became more urgent meanwhile runs when the
/// last one ends, and harts that sleep and could help are told. These nest; not over a suspension.
///
/// Only this hart and its interrupts look at `kept`, so there is nothing to fence, and completions
/// are taken as ever: this masks nothing.
class HartGuard {
public:
    HartGuard() noexcept
        : context_(*detail::context()) {
        ++context_.kept;
        std::atomic_signal_fence(std::memory_order_seq_cst);
    }
    HartGuard(const HartGuard&) = delete;
    HartGuard& operator=(const HartGuard&) = delete;
    ~HartGuard() {
        std::atomic_signal_fence(std::memory_order_seq_cst);
        const std::uint32_t outer = --context_.kept;
        // An interrupt from here on preempts by itself; what an earlier one made ready, we see.
        std::atomic_signal_fence(std::memory_order_seq_cst);
        if (outer == 0 && (context_.kicks != 0 || is_overtaken())) {
            lose_hart(false);
        }
    }

    [[nodiscard]] cops_executor_context* context() const noexcept { return &context_; }

private:
    [[nodiscard]] bool is_overtaken() const noexcept {
        const std::uint32_t level = context_.running_level;
        const std::uint64_t ready = __atomic_load_n(&context_.ready, __ATOMIC_RELAXED);
        // Outside of coroutines the level is NONE, and there is nobody to lose the hart.
        return level < VIRTIO_COPS_LEVELS && (ready & ((std::uint64_t{1} << level) - 1)) != 0;
    }

    cops_executor_context& context_;
};

}  // namespace cops::detail
