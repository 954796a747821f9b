// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/vcpu.hpp"

#include <atomic>
#include <cstdint>

namespace vmm {

/// What other threads ask of a vCPU: to end its turn, and to do fences (see Vcpu::post_fence).
///
/// A poster adds its kind, then takes a ticket, then reads `running_`; enter() stores `running_`,
/// then the vCPU reads `posted_`. All four are seq_cst, so either the poster sees that the vCPU is
/// out (and it will see the ticket on entry), or the vCPU sees the ticket.
class Mailbox {
public:
    /// Bits of take_requests().
    static constexpr std::uint32_t kExit = 1;
    static constexpr std::uint32_t kFence = 2;

    // Any thread.

    void request_exit() noexcept { requests_.fetch_or(kExit, std::memory_order_seq_cst); }

    std::uint64_t post_fence(FenceKind kind) noexcept {
        kinds_.fetch_or(static_cast<std::uint32_t>(kind), std::memory_order_seq_cst);
        const std::uint64_t ticket = posted_.fetch_add(1, std::memory_order_seq_cst) + 1;
        requests_.fetch_or(kFence, std::memory_order_seq_cst);
        return ticket;
    }

    bool fence_done(std::uint64_t ticket) const noexcept {
        // Acquire: partner of finish().
        return served_.load(std::memory_order_acquire) >= ticket
               || !running_.load(std::memory_order_seq_cst);
    }

    // The thread inside run().

    void enter() noexcept { running_.store(true, std::memory_order_seq_cst); }
    void leave() noexcept { running_.store(false, std::memory_order_seq_cst); }

    /// What was asked since the last call; cheap when nothing was.
    std::uint32_t take_requests() noexcept {
        // Relaxed: a request that is missed now is seen by the next poll.
        return requests_.load(std::memory_order_relaxed) == 0
                   ? 0
                   : requests_.exchange(0, std::memory_order_acq_rel);
    }

    /// Fences to do now; to be handed to finish() afterwards.
    struct Fences {
        std::uint64_t ticket = 0;
        std::uint32_t kinds = 0;

        bool has(FenceKind kind) const { return (kinds & static_cast<std::uint32_t>(kind)) != 0; }
    };
    Fences take_fences() noexcept {
        const std::uint64_t ticket = posted_.load(std::memory_order_seq_cst);
        return {ticket, kinds_.exchange(0, std::memory_order_seq_cst)};
    }
    void finish(const Fences& fences) noexcept {
        served_.store(fences.ticket, std::memory_order_release);
    }

private:
    std::atomic<std::uint32_t> requests_{0};
    std::atomic<std::uint32_t> kinds_{0};
    std::atomic<std::uint64_t> posted_{0};
    std::atomic<std::uint64_t> served_{0};
    std::atomic<bool> running_{false};
};

/// Whether completions wait in the worker's ring.
inline bool ring_waits(const RunContext& context) {
    // Relaxed: the kernel sets the flag; the worker synchronises with it when it enters the kernel.
    return context.ring_flags != nullptr
           && (__atomic_load_n(context.ring_flags, __ATOMIC_RELAXED) & context.ring_mask) != 0;
}

}  // namespace vmm
