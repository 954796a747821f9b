// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/dbt/runtime/code_cache.hpp"
#include "cpu/dbt/runtime/hart_state.hpp"
#include "cpu/dbt/runtime/tlb.hpp"
#include "cpu/interp/cpu.hpp"

#include <cstdint>

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

/// One hart while it runs. Owned by the thread inside run(); what other threads touch says so.
/// While it is young it is executed by the interpreter that it is made from (young.cpp); all that
/// is said here of registers, budget and caches holds outside of that and afterwards.
struct Cpu final : interp::Cpu {
    Cpu(GuestMemory& guest_memory,
        VcpuHost& vcpu_host,
        unsigned hart_id,
        const EngineOptions& options);

    HartState state{};  ///< What generated code touches.
    TranslationCaches caches;
    CodeCache code;

    ir::Mode mode;  ///< What regions must have been translated for.
    /// The frm that the host rounds by while the guest runs, and that jump caches were filled
    /// under.
    std::uint8_t host_frm = 0;
    /// The next piece of code has to be cut off for the limit.
    bool cut = false;
    /// Something was translated since the last poll, which takes as long as thousands of
    /// instructions, and code that is new everywhere has few of these between two translations.
    bool translated = false;
    /// What retired() was when execute() began.
    std::uint64_t turn_begin = 0;

    /// Instructions to interpret, and those that were.
    std::uint64_t interpret_first;
    std::uint64_t interpreted = 0;

    std::uint64_t dispatches = 0;
    // Each call of access() is one of these.
    std::uint64_t tlb_misses = 0;
    std::uint64_t slow_accesses = 0;

    static Cpu& of(HartState* state);

    // What EngineVcpu asks of a hart.
    void execute();
    std::uint64_t retired() const {
        return retired_base - static_cast<std::uint64_t>(state.budget);
    }
    void save_registers(riscv::State& to) const;
    void load_registers(const riscv::State& from);
    void collect_float_flags();
    void refresh_mode();
    void fence_i();
    void forget_translations();
    void forget_code();

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

    PollResult poll();
    /// Takes the most urgent pending and enabled interrupt at state.pc, if any.
    bool take_pending_interrupt();
    void raise(riscv::Cause cause, std::uint64_t value);

    // What generated code calls (memory.cpp, system.cpp, cpu.cpp).
    Outcome access(
        std::uint64_t address, std::uint64_t value, std::uint32_t info, std::uint64_t return_address
    );
    bool locate(std::uint64_t address, riscv::Access access, Located& located);
    std::uint32_t poll_at(std::uint64_t return_address);
    std::uint32_t execute_system(const SystemInfo& info, std::uint32_t word);

private:
    // young.cpp
    bool young() const { return interpreted < interpret_first; }
    /// Executes by the interpreter while it may. False: run() goes on with translated code.
    bool interpret();
    void lend_registers();
    void take_registers_back();

    // dispatch.cpp
    void dispatch();
    const void* look_up();
    const void* cut_off();
    /// A new region; null when there was no room, and all has to be dropped.
    Region* translate(const Request& request);
    /// The region at an offset of `page`, translated if need be; null when all was dropped.
    Region* region_at(Page& page, std::uint16_t offset, std::uint32_t word);
    const void* follow_link();
    const void* make_hot();
    void write_back(const Region& region, RegisterSet dirty);

    // memory.cpp
    Outcome fault_at(std::uint64_t return_address);
    Outcome leave_behind(std::uint64_t return_address, std::uint32_t info);

    // system.cpp
    enum class After : std::uint8_t { next, resume, fault, leave };
    After system_instruction(const SystemInfo& info, std::uint32_t word);
    After csr(riscv::Op op, std::uint32_t word, std::uint64_t retired_before);
    After ecall();
    After sfence_vma(std::uint32_t word);
    After illegal(std::uint32_t word);
};

}  // namespace vmm::dbt
