// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/common/engine_hart.hpp"
#include "cpu/interp/block_cache.hpp"
#include "cpu/interp/insn.hpp"
#include "cpu/interp/tlb.hpp"

#include <array>
#include <cstdint>

namespace vmm::interp {

/// Instructions between two looks at requests, lines and the ring, at most: about a microsecond.
inline constexpr std::int64_t kPollInterval = 512;
/// Polls between two looks at the clocks.
inline constexpr unsigned kPollsPerClock = 8;

/// What lr reserved. sc succeeds when the same bytes still hold the same value.
struct Reservation {
    std::byte* host = nullptr;  ///< Null: none.
    std::uint64_t value = 0;
    unsigned size = 0;
};

/// What a poll found.
enum class PollResult : std::uint8_t {
    nothing,  ///< Go on where you are.
    changed,  ///< pc or the caches changed: look pc up again.
    leave,    ///< Leave run(); cpu.exit says why.
    step,     ///< Execute cpu.step_insns instructions at most (op_step): a limit is near.
};

/// What handlers touch most: at the start of Cpu, where short displacements reach it.
struct HandlerState {
    std::array<std::uint64_t, 40> x{};  ///< [32] is kSink, the rest padding.
    std::array<std::uint64_t, 32> f{};
    std::uint64_t pc = 0;  ///< Valid outside of handlers and wherever one hands over to `enter`.
    const TlbEntry* tlb = nullptr;  ///< Of the current mode.
    JumpEntry* jumps = nullptr;     ///< Of the current privilege.
    unsigned fflags = 0;  ///< Raised by us, not the host; collect_float_flags() moves both to fcsr.
    riscv::FloatState float_state = riscv::FloatState::off;  ///< Copy of sstatus.FS.
    std::uint8_t frm = 0;                                    ///< Copy of fcsr.frm.
    Reservation reservation;
};

/// One hart while it runs. Owned by the thread inside run(); what other threads touch says so.
/// A translating engine derives its own from this, for code that is not worth translating yet.
struct Cpu : HandlerState, EngineHart {
    Cpu(GuestMemory& guest_memory,
        VcpuHost& vcpu_host,
        unsigned hart_id,
        const EngineOptions& options,
        unsigned polls_per_clock = kPollsPerClock);

    BlockCache blocks;
    TranslationCaches caches;

    std::int64_t saved_budget = 0;  ///< While outside of handlers.
    // Exact stops (VcpuDebug).
    std::size_t step_insns = 0;
    unsigned poll_phase = 0;
    bool step_past_breakpoint = false;  ///< The next op_step looks for no breakpoints.

    std::uint64_t lookups = 0;         ///< Of code, by the engine.
    std::uint64_t tlb_misses = 0;      ///< Data accesses that `tlb` did not answer,
    std::uint64_t split_accesses = 0;  ///< and those across pages.

    // What EngineVcpu asks of a hart.
    void execute();
    std::uint64_t retired() const { return retired(saved_budget); }
    void save_registers(riscv::State& to) const;
    void load_registers(const riscv::State& from);
    void collect_float_flags();
    void refresh_mode();
    void fence_i();
    void forget_translations() { caches.flush(); }
    void forget_code();

    std::uint64_t retired(std::int64_t budget) const {
        return retired_base - static_cast<std::uint64_t>(budget);
    }
    /// Changes the budget without changing what counts as retired.
    void set_budget(std::int64_t& budget, std::int64_t to) {
        retired_base += static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(budget);
        budget = to;
    }

    /// The code at `pc`; null when fetching raised an exception, which has been taken: pc is the
    /// handler's.
    Insn* look_up();
    /// The same for at most step_insns instructions, in a block that nobody finds again.
    Insn* look_up_step();
    /// The code that a near branch at `ip` goes to, linked into it for the next time if possible.
    Insn* resolve_near(Insn* ip, std::int32_t target, Handler linked);
    PollResult poll(std::int64_t& budget);
    std::int64_t next_poll_interval();
    /// Takes the most urgent pending and enabled interrupt at pc, if any.
    bool take_pending_interrupt();
    void raise(riscv::Cause cause, std::uint64_t value);
    /// The bits of the instruction at `ip`, for stval.
    std::uint32_t word_at(const Insn* ip) const;
    std::uint64_t offset_of(const Insn* ip) const;
    /// Page offset of the instruction after `ip`; may be 4096 or above.
    std::uint64_t offset_after(const Insn* ip) const;

    // Memory, the slow path (memory.cpp). Where one of these says no, fault_cause and fault_value
    // say why, and nothing was changed.

    bool locate(std::uint64_t address, riscv::Access access, Located& located);
    bool load(std::uint64_t address, unsigned size, std::uint64_t& value) {
        return access(riscv::Access::load, address, size, value);
    }
    bool store(std::uint64_t address, unsigned size, std::uint64_t value) {
        return access(riscv::Access::store, address, size, value);
    }
    /// Host address of a naturally aligned word in writable RAM (`store`) or readable memory; null:
    /// no.
    std::byte* atomic_word(std::uint64_t address, unsigned size, bool store);

private:
    bool access(riscv::Access kind, std::uint64_t address, unsigned size, std::uint64_t& value);
};

}  // namespace vmm::interp
