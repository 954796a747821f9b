// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/common/mailbox.hpp"
#include "cpu/engine_options.hpp"
#include "cpu/interp/block_cache.hpp"
#include "cpu/interp/insn.hpp"
#include "cpu/interp/tlb.hpp"
#include "cpu/riscv/hart.hpp"
#include "cpu/riscv/page_walk.hpp"
#include "cpu/vcpu.hpp"
#include "memory/guest_memory.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace vmm::interp {

/// Instructions between two looks at requests, lines and the ring: about a microsecond.
inline constexpr std::int64_t kPollInterval = 512;
/// Polls between two looks at the clocks.
inline constexpr unsigned kPollsPerClock = 8;

/// What lr reserved. sc succeeds when the same bytes still hold the same value.
struct Reservation {
    std::byte* host = nullptr;  ///< Null: none.
    std::uint64_t value = 0;
    unsigned size = 0;
};

/// Result of a memory access on the slow path.
enum class AccessResult : std::uint8_t {
    done,
    fault,  ///< cpu.fault_* say which; nothing was changed.
};

/// What a poll found.
enum class PollResult : std::uint8_t {
    nothing,  ///< Go on where you are.
    changed,  ///< pc or the caches changed: look pc up again.
    leave,    ///< Leave run(); cpu.exit says why.
    step,     ///< Execute cpu.step_insns instructions at most (op_step): a limit is near.
};

/// One hart while it runs. Handlers touch the first part, functions in cpu.cpp and memory.cpp all.
/// Owned by the thread inside run(); what other threads touch says so.
struct Cpu final : riscv::TimeSource {
    Cpu(GuestMemory& guest_memory,
        VcpuHost& vcpu_host,
        unsigned hart_id,
        const EngineOptions& options);
    virtual ~Cpu() = default;

    std::array<std::uint64_t, 40> x{};  ///< [32] is kSink, the rest padding.
    std::array<std::uint64_t, 32> f{};
    std::uint64_t pc = 0;  ///< Valid outside of handlers and wherever one hands over to `enter`.
    const TlbEntry* tlb = nullptr;  ///< Of the current mode.
    JumpEntry* jumps = nullptr;     ///< Of the current privilege.
    /// Instructions retired = retired_base - budget.
    std::uint64_t retired_base = 0;
    unsigned fflags = 0;  ///< Raised by us, not the host; collect_float_flags() moves both to fcsr.
    riscv::FloatState float_state = riscv::FloatState::off;  ///< Copy of sstatus.FS.
    std::uint8_t frm = 0;                                    ///< Copy of fcsr.frm.
    /// A host call or a fence served by one wants the next instruction looked up anew.
    bool leave_block = false;
    ExitKind exit = ExitKind::interrupted;
    riscv::Cause fault_cause{};
    std::uint64_t fault_value = 0;
    Reservation reservation;

    riscv::Hart hart;
    GuestMemory& memory;
    VcpuHost& host;
    const unsigned id;
    BlockCache blocks;
    TranslationCaches caches;

    Mailbox mailbox;  ///< What other threads ask of this hart.

    RunContext context{};
    unsigned polls_until_clock = 0;
    std::int64_t saved_budget = 0;  ///< While outside of handlers.
    bool last_mxr = false;
    // Exact stops (VcpuDebug).
    std::uint64_t limit_left = VcpuDebug::kNoLimit;  ///< Outside run(): instructions until then.
    std::uint64_t stop_at = VcpuDebug::kNoLimit;     ///< Inside: what retired() is then.
    std::size_t step_insns = 0;
    bool step_past_breakpoint = false;       ///< The next op_step looks for no breakpoints.
    std::vector<std::uint64_t> breakpoints;  ///< Ascending.

    std::uint64_t sbi_calls = 0;
    std::uint64_t mmio_exits = 0;
    std::uint64_t lookups = 0;         ///< Of code, by the engine.
    std::uint64_t tlb_misses = 0;      ///< Data accesses that `tlb` did not answer,
    std::uint64_t split_accesses = 0;  ///< and those across pages.

    std::uint64_t guest_time() override;

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
    bool at_breakpoint() const;
    void set_breakpoints(std::span<const std::uint64_t> addresses);
    /// The code that a near branch at `ip` goes to, linked into it for the next time if possible.
    Insn* resolve_near(Insn* ip, std::int32_t target, Handler linked);
    PollResult poll(std::int64_t& budget);
    /// Takes the most urgent pending and enabled interrupt at pc, if any.
    bool take_pending_interrupt();
    void raise(riscv::Cause cause, std::uint64_t value);
    /// After privilege, SUM, MXR, FS or frm may have changed.
    void refresh_mode();
    void serve_fences();
    /// The bits of the instruction at `ip`, for stval.
    std::uint32_t word_at(const Insn* ip) const;
    std::uint64_t offset_of(const Insn* ip) const;
    /// Page offset of the instruction after `ip`; may be 4096 or above.
    std::uint64_t offset_after(const Insn* ip) const;

    // Memory, the slow path (memory.cpp).
    AccessResult load(std::uint64_t address, unsigned size, std::uint64_t& value);
    AccessResult store(std::uint64_t address, unsigned size, std::uint64_t value);
    /// Host address of a naturally aligned word in writable RAM (`store`) or readable memory.
    std::byte* atomic_word(std::uint64_t address, unsigned size, bool store);

    void collect_float_flags();
    ExitKind run(const RunContext& run_context);

private:
    struct Located {
        std::byte* host = nullptr;  ///< Null: not memory.
        std::uint64_t physical = 0;
    };
    bool locate(std::uint64_t address, riscv::Access access, Located& located);
    riscv::TranslationMode translation_mode() const;
    TranslationCaches::Mode cache_mode() const;
    /// Where the code at pc is.
    struct CodeSpot {
        CodePage* page = nullptr;  ///< Null: fetching raised an exception, which has been taken.
        std::uint32_t word = 0;    ///< The instruction's bits when it crosses into the next page.
    };
    CodeSpot find_code();
    CodePage* code_page(std::uint64_t address);
    void begin_limit();
    void end_limit();
    bool split_load(std::uint64_t address, unsigned size, std::uint64_t& value);
    bool split_store(std::uint64_t address, unsigned size, std::uint64_t value);
    void fault(riscv::Access access, bool page_fault, std::uint64_t address);
};

}  // namespace vmm::interp
