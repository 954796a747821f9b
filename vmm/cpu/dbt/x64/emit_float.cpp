// SPDX-License-Identifier: Apache-2.0
// Floating point: arithmetic, and what all floating-point instructions share.
#include "cpu/dbt/x64/float_emitter.hpp"
#include "cpu/dbt/x64/float_facts.hpp"
#include "cpu/dbt/x64/float_slow.hpp"

namespace vmm::dbt {
namespace {

using asmjit::x86::ecx;
using asmjit::x86::rax;
using asmjit::x86::rcx;
using asmjit::x86::rdx;
using asmjit::x86::xmm0;
using asmjit::x86::xmm1;
using asmjit::x86::xmm2;
using riscv::Op;
using riscv::Rounding;

/// MXCSR.RC, bits 13 and 14.
constexpr unsigned kRoundingShift = 13;
constexpr unsigned kRoundingMask = 3U << kRoundingShift;

/// Puts all 64 bits of a variable into `to`.
void fetch(Emitter& e, ir::Var v, const Emitter::Gp& to) {
    if (v == ir::kNone) {
        return;
    }
    if (!ir::is_float(v)) {
        const Emitter::Gp value = e.use(v, to);
        if (value != to) {
            e.a.mov(to, value);
        }
    } else if (e.resident(v)) {
        e.a.movq(to, e.xmm(v));
    } else {
        e.a.mov(to, e.home(v));
    }
}

/// Executes `inst` in C++; the result is in rax.
void call_slow(Emitter& e, const ir::Inst& inst) {
    fetch(e, inst.a, rax);
    fetch(e, inst.b, rcx);
    fetch(e, inst.c, rdx);
    e.a.mov(
        Emitter::state(offsetof(HartState, float_request), 4), float_request(inst.guest, inst.rm)
    );
    e.call_helper(float_slow);
}

}  // namespace

void FloatEmitter::emit() {
    single_ = has_single_operands(inst_.guest);
    if (!emit_arithmetic() && !emit_bits() && !emit_conversion()) {
        slow();
    }
}

// clang-format off
bool FloatEmitter::emit_arithmetic() {
    // Hosts do not round to nearest with ties away. (Instructions with no rounding have rm 0.)
    if (static_cast<Rounding>(inst_.rm) == Rounding::nearest_away) {
        switch (inst_.guest) {
        case Op::fcvt_d_s: case Op::fcvt_d_w: case Op::fcvt_d_wu:
            break;
        default:
            slow();
            return true;
        }
    }
    switch (inst_.guest) {
    case Op::fadd_s: case Op::fadd_d:
        commutative({{host::kIdVaddss, host::kIdAddss}, {host::kIdVaddsd, host::kIdAddsd}});
        return true;
    case Op::fsub_s: case Op::fsub_d:
        binary({{host::kIdVsubss, host::kIdSubss}, {host::kIdVsubsd, host::kIdSubsd}}, inst_.a, inst_.b);
        return true;
    case Op::fmul_s: case Op::fmul_d:
        commutative({{host::kIdVmulss, host::kIdMulss}, {host::kIdVmulsd, host::kIdMulsd}});
        return true;
    case Op::fdiv_s: case Op::fdiv_d:
        binary({{host::kIdVdivss, host::kIdDivss}, {host::kIdVdivsd, host::kIdDivsd}}, inst_.a, inst_.b);
        return true;
    case Op::fsqrt_s: case Op::fsqrt_d:
        square_root();
        return true;
    case Op::fmadd_s: case Op::fmadd_d:
        fused(host::kIdVfmadd231ss, host::kIdVfmadd231sd);
        return true;
    case Op::fmsub_s: case Op::fmsub_d:
        fused(host::kIdVfmsub231ss, host::kIdVfmsub231sd);
        return true;
    // RISC-V's and x86's names for these differ: -(a * b) + c and -(a * b) - c.
    case Op::fnmsub_s: case Op::fnmsub_d:
        fused(host::kIdVfnmadd231ss, host::kIdVfnmadd231sd);
        return true;
    case Op::fnmadd_s: case Op::fnmadd_d:
        fused(host::kIdVfnmsub231ss, host::kIdVfnmsub231sd);
        return true;
    case Op::fcvt_s_d:
        narrow();
        return true;
    case Op::fcvt_d_s:
        widen();
        return true;
    default:
        return false;
    }
}
// clang-format on

void FloatEmitter::commutative(const Scalar& operation) {
    const bool swap = in_memory_first();
    binary(operation, swap ? inst_.b : inst_.a, swap ? inst_.a : inst_.b);
}

void FloatEmitter::binary(const Scalar& operation, ir::Var left, ir::Var right) {
    const Xmm x = number(left, xmm0);
    const Operand y = number_or_memory(right);
    const Xmm to = e_.define_float(inst_.dst, xmm1);
    begin_rounding();
    f_.operate(of(operation), to, x, y, xmm2);
    end_rounding();
    canonicalise(to);
    finish(to);
}

void FloatEmitter::square_root() {
    const Xmm x = number(inst_.a, xmm0);
    const Xmm to = e_.define_float(inst_.dst, xmm1);
    begin_rounding();
    f_.operate(
        of({.single = {host::kIdVsqrtss, host::kIdSqrtss},
            .wide = {host::kIdVsqrtsd, host::kIdSqrtsd}}),
        to,
        x,
        x,
        xmm2
    );
    end_rounding();
    canonicalise(to);
    finish(to);
}

void FloatEmitter::fused(std::uint32_t single, std::uint32_t wide) {
    if (!e_.features.fma) {
        slow();
        return;
    }
    const bool swap = in_memory_first();
    const Xmm x = number(swap ? inst_.b : inst_.a, xmm0);
    const Operand y = number_or_memory(swap ? inst_.a : inst_.b);
    need_boxed(inst_.c);
    const Xmm to = e_.define_float(inst_.dst, xmm2);
    // The factors stay: canonicalise_fused() looks at them.
    const Xmm sum = to == x || y == to ? xmm2 : to;
    const Xmm addend = e_.use_float(inst_.c, sum);
    f_.move(sum, addend);
    begin_rounding();
    a_.emit(single_ ? single : wide, sum, x, y);
    end_rounding();
    canonicalise_fused(sum);
    f_.move(to, sum);
    finish(to);
}

void FloatEmitter::narrow() {
    const Xmm x = e_.use_float(inst_.a, xmm0);
    const Xmm to = e_.define_float(inst_.dst, xmm1);
    const Xmm base = to == x ? xmm1 : to;
    f_.fill(base);  // the box
    begin_rounding();
    f_.operate({host::kIdVcvtsd2ss, host::kIdCvtsd2ss}, to, base, x, xmm2);
    end_rounding();
    single_ = true;
    canonicalise(to);
    finish(to);
}

void FloatEmitter::widen() {
    const Xmm x = number(inst_.a, xmm0);
    const Xmm to = e_.define_float(inst_.dst, xmm1);
    f_.operate({host::kIdVcvtss2sd, host::kIdCvtss2sd}, to, x, x, xmm2);
    single_ = false;
    canonicalise(to);
    finish(to);
}

void FloatEmitter::need_boxed(ir::Var v) {
    if (!single_ || is_boxed(v)) {
        return;
    }
    if (e_.resident(v)) {
        a_.movq(rcx, e_.xmm(v));
        a_.shr(rcx, 32);
        a_.cmp(ecx, -1);
    } else {
        Mem high = e_.home(v, 4);
        high.addOffset(4);
        a_.cmp(high, -1);
    }
    a_.jne(slow_exit());
}

Emitter::Xmm FloatEmitter::number(ir::Var v, const Xmm& scratch) {
    need_boxed(v);
    return e_.use_float(v, scratch);
}

FloatEmitter::Operand FloatEmitter::number_or_memory(ir::Var v) {
    need_boxed(v);
    return e_.operand_float(v, single_ ? 4 : 8);
}

void FloatEmitter::canonicalise(const Xmm& value) {
    if (e_.any_nan_will_do) {
        return;
    }
    const Label nan = a_.newLabel();
    const Label done = a_.newLabel();
    f_.operate(of(kCompareQuiet), value, value);
    a_.jp(nan);
    a_.bind(done);
    e_.cold([&e = e_,
             f = f_,
             canonical = constant(&FloatConstants::Format::canonical_nan),
             value,
             nan,
             done]() mutable {
        e.a.bind(nan);
        f.load(value, canonical);
        e.a.jmp(done);
    });
}

void FloatEmitter::canonicalise_fused(const Xmm& value) {
    const Label nan = a_.newLabel();
    const Label done = a_.newLabel();
    f_.operate(of(kCompareQuiet), value, value);
    a_.jp(nan);
    a_.bind(done);
    const Helper flags = single_ ? float_product_flags_single : float_product_flags_double;
    e_.cold([&e = e_,
             &inst = inst_,
             f = f_,
             flags,
             canonical = constant(&FloatConstants::Format::canonical_nan),
             value,
             nan,
             done]() mutable {
        e.a.bind(nan);
        fetch(e, inst.a, rax);
        fetch(e, inst.b, rcx);
        e.call_helper(flags);
        f.load(value, canonical);
        e.a.jmp(done);
    });
}

void FloatEmitter::slow() {
    call_slow(e_, inst_);
    if (ir::is_float(inst_.dst)) {
        const Xmm to = e_.define_float(inst_.dst, xmm0);
        a_.movq(to, rax);
        e_.defined_float(inst_.dst, to);
    } else {
        e_.defined(inst_.dst, rax);
    }
}

const asmjit::Label& FloatEmitter::slow_exit() {
    if (!slow_.isValid()) {
        slow_ = a_.newLabel();
    }
    return slow_;
}

void FloatEmitter::finish(const Xmm& result) {
    if (slow_.isValid()) {
        const Label joined = a_.newLabel();
        a_.bind(joined);
        e_.cold([&e = e_, &inst = inst_, slow = slow_, joined, result] {
            e.a.bind(slow);
            call_slow(e, inst);
            e.a.movq(result, rax);
            e.a.jmp(joined);
        });
    }
    e_.defined_float(inst_.dst, result);
}

void FloatEmitter::finish(const Gp& result) {
    if (slow_.isValid()) {
        const Label joined = a_.newLabel();
        a_.bind(joined);
        e_.cold([&e = e_, &inst = inst_, slow = slow_, joined, result] {
            e.a.bind(slow);
            call_slow(e, inst);
            if (result != rax) {
                e.a.mov(result, rax);
            }
            e.a.jmp(joined);
        });
    }
    e_.defined(inst_.dst, result);
}

Emitter::Mem FloatEmitter::shared_constant(const FloatConstant FloatConstants::* which) const {
    static constexpr FloatConstants kLayout;
    const auto offset =
        reinterpret_cast<const char*>(&(kLayout.*which)) - reinterpret_cast<const char*>(&kLayout);
    return Emitter::state(
        offsetof(HartState, float_constants) + static_cast<std::size_t>(offset), 16
    );
}

Emitter::Mem FloatEmitter::constant(const FloatConstant FloatConstants::Format::* which) const {
    static constexpr FloatConstants kLayout;
    const auto& format = single_ ? kLayout.single : kLayout.wide;
    const auto offset =
        reinterpret_cast<const char*>(&(format.*which)) - reinterpret_cast<const char*>(&kLayout);
    return Emitter::state(
        offsetof(HartState, float_constants) + static_cast<std::size_t>(offset), 16
    );
}

unsigned FloatEmitter::rounding_control(unsigned rounding) {
    switch (static_cast<Rounding>(rounding)) {
    case Rounding::down:
        return 1;
    case Rounding::up:
        return 2;
    case Rounding::toward_zero:
        return 3;
    default:
        return 0;
    }
}

void FloatEmitter::set_rounding(unsigned rounding) {
    const Mem word = Emitter::state(offsetof(HartState, float_request), 4);
    a_.stmxcsr(word);
    a_.mov(ecx, word);
    a_.and_(ecx, ~kRoundingMask);
    a_.or_(ecx, rounding_control(rounding) << kRoundingShift);
    a_.mov(word, ecx);
    a_.ldmxcsr(word);
}

void FloatEmitter::begin_rounding() {
    if (has_own_rounding()) {
        set_rounding(inst_.rm);
    }
}

void FloatEmitter::end_rounding() {
    if (has_own_rounding()) {
        set_rounding(e_.mode.frm);
    }
}

void emit_float(Emitter& e, const ir::Inst& inst) {
    FloatEmitter(e, inst).emit();
}

}  // namespace vmm::dbt
