// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/common/mailbox.hpp"
#include "cpu/dbt/runtime/code_cache.hpp"
#include "cpu/dbt/runtime/hart_state.hpp"
#include "cpu/dbt/runtime/tlb.hpp"
#include "cpu/engine_options.hpp"
#include "cpu/riscv/hart.hpp"
#include "cpu/riscv/page_walk.hpp"
#include "cpu/vcpu.hpp"
#include "memory/guest_memory.hpp"

#include <cstdint>
#include <vector>

namespace vmm::dbt {

/// Instructions between two looks at requests, lines and the ring: about a microsecond.
inline constexpr std::int64_t kPollInterval = 4096;
/// Polls between two looks at the clocks.
inline constexpr unsigned kPollsPerClock = 4;

/// What a poll found.
enum class PollResult : std::uint8_t {
    nothing,  ///< Go on where you are.
    changed,  ///< pc or the caches changed: look pc up again.
    leave,    ///< Leave run(); `exit` says why.
};

/// One hart while it runs: what generated code needs first, then all around it. Owned by the
/// thread inside run(); what other threads touch says so.
struct Cpu final : riscv::TimeSource {
    Cpu(GuestMemory& guest_memory,
        VcpuHost& vcpu_host,
        unsigned hart_id,
        const EngineOptions& options);
    virtual ~Cpu() = default;

    HartState state{};
    riscv::Hart hart;
    GuestMemory& memory;
    VcpuHost& host;
    const unsigned id;
    TranslationCaches caches;
    CodeCache code;

    std::uint64_t retired_base = 0;  ///< Instructions retired = retired_base - budget.
    ir::Mode mode;                   ///< What regions must have been translated for.
    /// The frm that the host rounds by while the guest runs, and that jump caches were filled
    /// under.
    std::uint8_t host_frm = 0;
    ExitKind exit = ExitKind::interrupted;
    riscv::Cause fault_cause{};
    std::uint64_t fault_value = 0;
    /// A host call or a fence served by one wants the next instruction looked up anew.
    bool leave_block = false;

    Mailbox mailbox;  ///< What other threads ask of this hart.

    RunContext context{};
    unsigned polls_until_clock = 0;
    bool last_mxr = false;

    // VcpuDebug.
    std::uint64_t limit = VcpuDebug::kNoLimit;  ///< Value of retired() to stop at.
    /// The next piece of code has to be cut off for the limit.
    bool cut = false;
    std::vector<std::uint64_t> breakpoints;         ///< Sorted.
    std::vector<std::uint16_t> breakpoint_offsets;  ///< In their pages, sorted, each once.

    std::uint64_t sbi_calls = 0;
    std::uint64_t mmio_exits = 0;
    std::uint64_t dispatches = 0;
    std::uint64_t tlb_misses = 0;
    std::uint64_t slow_accesses = 0;

    static Cpu& of(HartState* state);
    std::uint64_t guest_time() override;

    std::uint64_t retired() const {
        return retired_base - static_cast<std::uint64_t>(state.budget);
    }
    /// Changes the budget without changing what counts as retired.
    void set_budget(std::int64_t to) {
        retired_base += static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(state.budget);
        state.budget = to;
    }
    /// How generated code goes on after pc was changed. With an instruction limit always by the
    /// dispatcher, which looks at it.
    LeaveReason next_by() const {
        return limit == VcpuDebug::kNoLimit ? LeaveReason::resume : LeaveReason::dispatch;
    }
    /// Instructions until the next poll, a limit considered.
    std::int64_t next_budget() const;

    ExitKind run(const RunContext& run_context);
    PollResult poll();
    /// Takes the most urgent pending and enabled interrupt at state.pc, if any.
    bool take_pending_interrupt();
    void raise(riscv::Cause cause, std::uint64_t value);
    /// After privilege, SUM, MXR, FS or frm may have changed.
    void refresh_mode();
    void serve_fences();
    void collect_float_flags();
    void drop_translations();

    // What generated code calls (memory.cpp, system.cpp, cpu.cpp).
    Outcome access(
        std::uint64_t address, std::uint64_t value, std::uint32_t info, std::uint64_t return_address
    );
    std::uint32_t poll_at(std::uint64_t return_address);
    std::uint32_t execute_system(const SystemInfo& info, std::uint32_t word);

private:
    struct Located {
        std::byte* host = nullptr;  ///< Null: not memory.
        std::uint64_t physical = 0;
    };

    // dispatch.cpp
    void dispatch();
    const void* look_up();
    const void* cut_off();
    Page* code_page(std::uint64_t address);
    /// The region at an offset of `page`, translated if need be; null when all was dropped.
    Region* region_at(Page& page, std::uint16_t offset, std::uint32_t word);
    const void* follow_link();
    const void* make_hot();
    bool stops_at_breakpoint() const;
    void write_back(const Region& region, RegisterSet dirty);

    // memory.cpp
    bool locate(std::uint64_t address, riscv::Access access, Located& located);
    bool split_load(std::uint64_t address, unsigned size, std::uint64_t& value);
    bool split_store(std::uint64_t address, unsigned size, std::uint64_t value);
    void fault(riscv::Access access, bool page_fault, std::uint64_t address);
    Outcome fault_at(std::uint64_t return_address);
    Outcome leave_behind(std::uint64_t return_address, std::uint32_t info);
    riscv::TranslationMode translation_mode() const;
    TranslationCaches::Mode cache_mode() const;

    // system.cpp
    enum class After : std::uint8_t { next, resume, fault, leave };
    After system_instruction(const SystemInfo& info, std::uint32_t word);
    After csr(riscv::Op op, std::uint32_t word, std::uint64_t retired_before);
    After ecall();
    After sfence_vma(std::uint32_t word);
    After illegal(std::uint32_t word);
};

}  // namespace vmm::dbt
