// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/riscv/decode.hpp"
#include "cpu/riscv/encoding.hpp"
#include "cpu/riscv/state.hpp"

#include <atomic>
#include <cstdint>
#include <optional>

namespace vmm::riscv {

/// Where a hart reads the time.
class TimeSource {
public:
    /// The `time` CSR, in guest ticks.
    virtual std::uint64_t guest_time() = 0;
    /// The same for the instruction before which `retired` have retired on this hart. In a
    /// deterministic run a hart's time goes on with its instructions.
    virtual std::uint64_t guest_time_at(std::uint64_t retired) {
        (void)retired;
        return guest_time();
    }

protected:
    ~TimeSource() = default;
};

/// What an engine has to look at again after a CSR was written. Bits.
enum class CsrEffect : std::uint8_t {
    none = 0,
    translation = 1,  ///< satp changed: cached translations are void.
    mode = 2,         ///< SUM, MXR or FS changed.
    interrupts = 4,   ///< An interrupt may have become pending or enabled.
    rounding = 8,     ///< frm or fflags changed.
};
constexpr CsrEffect operator|(CsrEffect a, CsrEffect b) {
    return static_cast<CsrEffect>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
constexpr bool has(CsrEffect effects, CsrEffect one) {
    return (static_cast<unsigned>(effects) & static_cast<unsigned>(one)) != 0;
}

/// One of the six CSR instructions.
struct CsrInstruction {
    Op op;
    unsigned number;          ///< Of the CSR.
    unsigned rs1;             ///< Number of the register, or the immediate itself.
    std::uint64_t rs1_value;  ///< Of the register; the forms with an immediate don't look at it.
};
struct CsrResult {
    std::uint64_t old;  ///< For rd.
    CsrEffect effect;
};

/// The privileged side of a hart that all engines share: CSRs, traps and interrupts. Engines keep
/// x, f and pc where they like; those fields of `state` are not used here.
///
/// Everything belongs to the thread that runs the hart, `lines` excepted.
class Hart {
public:
    Hart(TimeSource& time, bool user_interrupts)
        : time_(time)
        , has_n_(user_interrupts) {}

    State state;
    std::uint64_t supervisor_traps = 0;
    std::uint64_t user_traps = 0;

    /// Pending bits that the outside drives: SSIP and SEIP. Any thread sets them by a release
    /// read-modify-write; the running hart reads them with acquire wherever it looks for
    /// interrupts. (What made the interrupt pending is then visible to the guest's handler.)
    std::atomic<std::uint64_t> lines{0};

    bool user() const { return state.privilege == Privilege::user; }
    bool has_user_interrupts() const { return has_n_; }
    FloatState float_state() const {
        return static_cast<FloatState>(state.sstatus >> sstatus::kFsShift & 3);
    }
    void set_float_state(FloatState to) {
        state.sstatus = (state.sstatus & ~sstatus::kFs) | std::uint64_t(to) << sstatus::kFsShift;
    }
    std::uint64_t guest_time() { return time_.guest_time(); }
    /// What an instruction reads; the engine has brought state.instret up to date.
    std::uint64_t guest_time_here() { return time_.guest_time_at(state.instret); }

    /// The value of a CSR at the current privilege; nothing: illegal instruction. The engine has
    /// brought state.instret and state.fcsr up to date.
    std::optional<std::uint64_t> read_csr(unsigned number);
    /// Writes a CSR that read_csr() would allow; nothing: illegal instruction (read-only).
    /// `changed` are the bits that the instruction names: a csrrs or csrrc of sip must not undo
    /// what another thread does to the other bits meanwhile.
    std::optional<CsrEffect>
    write_csr(unsigned number, std::uint64_t value, std::uint64_t changed = ~std::uint64_t{0});
    /// Both as the instruction says; nothing: illegal instruction, and nothing was changed.
    std::optional<CsrResult> execute_csr(const CsrInstruction& instruction);

    /// The sip register now.
    std::uint64_t pending();
    /// Whether `wfi` waits no longer: an enabled interrupt is pending, taken or not.
    bool is_awake() { return (pending() & state.sie) != 0; }
    /// Compares the time with the timers' compare registers and keeps the result for
    /// pending_cached().
    void update_timers();
    /// sip with the timer bits of the last update_timers().
    std::uint64_t pending_cached() const;
    /// The interrupt to take now at the current privilege, given a value of sip.
    std::optional<unsigned> interrupt_to_take(std::uint64_t pending) const;
    /// The earlier of the timers that are enabled but not pending yet; ~0: none.
    std::uint64_t next_timer() const;

    /// Enters the handler of an exception raised at `pc`; returns the handler's address.
    std::uint64_t take_exception(Cause cause, std::uint64_t value, std::uint64_t pc);
    /// Enters the handler of an interrupt before the instruction at `pc`.
    std::uint64_t take_interrupt(unsigned number, std::uint64_t pc);
    /// `sret` and `uret`: the new pc. The caller has checked that they are legal.
    std::uint64_t return_from_supervisor();
    std::uint64_t return_from_user();

    /// Whether `wfi`, `sret`, `uret`, `sfence.vma` are legal now.
    bool may_wait() const { return !user() || (has_n_ && state.sideleg != 0); }
    bool may_return_from_user() const { return has_n_; }

private:
    bool counter_allowed(unsigned number) const;
    std::optional<std::uint64_t> read_user_interrupt_csr(Csr csr);
    std::optional<CsrEffect> write_user_interrupt_csr(Csr csr, std::uint64_t value);
    std::uint64_t writable_interrupts() const;
    std::uint64_t enter_supervisor(std::uint64_t cause, std::uint64_t value, std::uint64_t pc);
    std::uint64_t enter_user(std::uint64_t cause, std::uint64_t value, std::uint64_t pc);
    std::uint64_t read_sstatus() const;
    void write_sip(std::uint64_t value, std::uint64_t changed);

    TimeSource& time_;
    bool has_n_;
};

// Order as the specification has it: legality first, the read, the write. A csrrs or csrrc with x0
// (or 0) does not write. A csrrw to x0 does not read, which nobody can tell from reading. (Inline,
// because what goes in and comes out is worth keeping in registers.)
inline std::optional<CsrResult> Hart::execute_csr(const CsrInstruction& instruction) {
    const auto [op, number, rs1, rs1_value] = instruction;
    const bool immediate = op == Op::csrrwi || op == Op::csrrsi || op == Op::csrrci;
    const bool write_only = op == Op::csrrw || op == Op::csrrwi;
    const std::uint64_t operand = immediate ? rs1 : rs1_value;

    const auto old = read_csr(number);
    if (!old) {
        return std::nullopt;
    }
    if (!write_only && rs1 == 0) {
        return CsrResult{*old, CsrEffect::none};
    }
    std::uint64_t value = operand;
    if (op == Op::csrrs || op == Op::csrrsi) {
        value = *old | operand;
    } else if (op == Op::csrrc || op == Op::csrrci) {
        value = *old & ~operand;
    }
    const auto effect = write_csr(number, value, write_only ? ~std::uint64_t{0} : operand);
    return effect ? std::optional(CsrResult{*old, *effect}) : std::nullopt;
}

}  // namespace vmm::riscv
