// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/dbt/ir/ir.hpp"
#include "cpu/dbt/runtime/hart_state.hpp"
#include "cpu/dbt/x64/allocation.hpp"
#include "cpu/dbt/x64/host_features.hpp"
#include "cpu/dbt/x64/registers.hpp"
#include "cpu/dbt/x64/thunks.hpp"

#include <asmjit/x86.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace vmm::dbt {

/// Emits one region: what all kinds of IR instructions need to find their operands.
///
/// rax, rcx, rdx and xmm0..2 are free for each IR instruction, flags too; everything else belongs
/// to variables. r15 and r14 are the hart and the budget.
class Emitter {
public:
    using Gp = asmjit::x86::Gp;
    using Xmm = asmjit::x86::Xmm;
    using Mem = asmjit::x86::Mem;

    Emitter(asmjit::x86::Assembler& assembler, const Allocation& allocation, Thunks& thunks)
        : a(assembler)
        , allocation_(allocation)
        , thunks_(thunks) {}

    asmjit::x86::Assembler& a;
    HostFeatures features = host_features();
    ir::Mode mode{};  ///< Of the region.
    /// f registers known to hold NaN-boxed singles before the instruction at hand, bit n for fn.
    std::uint32_t boxed = 0;
    /// A NaN result of the instruction at hand need not be canonical.
    bool any_nan_will_do = false;

    /// A word of HartState: state(offsetof(HartState, fflags), 4).
    static Mem state(std::size_t offset, unsigned size = 8) {
        return {
            kState,
            static_cast<std::int32_t>(static_cast<std::ptrdiff_t>(offset) - kStateBias),
            size
        };
    }
    /// Where a variable that no host register holds lives (and others after a write-back).
    Mem home(ir::Var v, unsigned size = 8) const;

    /// Whether a host register holds it over the whole region.
    bool resident(ir::Var v) const;
    /// Its host register; only when resident.
    Gp gp(ir::Var v) const;
    Xmm xmm(ir::Var v) const;

    /// A register with the value of an integer variable: its own, or `scratch`, loaded. x0 is 0.
    /// Not to be written. Keeps flags.
    Gp use(ir::Var v, const Gp& scratch);
    /// The register to write a new value of `v` to, all 64 bits: its own or `scratch`. To be
    /// followed by defined() with the same register once the value is there. When `v` is kNone or
    /// kZero the result is dropped.
    Gp define(ir::Var v, const Gp& scratch) const;
    void defined(ir::Var v, const Gp& value);

    /// The same for f registers (raw 64 bits in the low lane; the upper lane is undefined).
    Xmm use_float(ir::Var v, const Xmm& scratch);
    Xmm define_float(ir::Var v, const Xmm& scratch) const;
    void defined_float(ir::Var v, const Xmm& value);

    /// Register or memory: for the source operand of most instructions.
    asmjit::Operand operand(ir::Var v) const;
    asmjit::Operand operand_float(ir::Var v, unsigned size = 8) const;

    /// Emits `body` behind the region's code. What it jumps back to is a label bound in line.
    void cold(std::function<void()> body) { cold_.push_back(std::move(body)); }
    void emit_cold();

    /// Calls `function` with rax, rcx and rdx; result in rax. Keeps the registers that hold
    /// variables, clobbers rcx, rdx, xmm0..2 and flags. MXCSR is the guest's during the call.
    void call_helper(Helper function);

    /// dst = value, the shortest way. Clobbers flags.
    void load_constant(const Gp& dst, std::int64_t value);

private:
    const Allocation& allocation_;
    Thunks& thunks_;
    std::vector<std::function<void()>> cold_;
};

/// rcx = the jump cache's entry of the pc in rax, whose page becomes the current one; goes to
/// `unknown` when there is none (emit_control.cpp). Clobbers rax.
void emit_jump_lookup(asmjit::x86::Assembler& a, std::uint64_t unknown);

/// Op::float_op (emit_float*.cpp).
void emit_float(Emitter& e, const ir::Inst& inst);

}  // namespace vmm::dbt
