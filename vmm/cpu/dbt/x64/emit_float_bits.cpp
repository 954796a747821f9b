// SPDX-License-Identifier: Apache-2.0
// Floating point: what compares numbers or looks at their bits, and rounds nothing.
#include "cpu/dbt/x64/float_emitter.hpp"

namespace vmm::dbt {
namespace {

using asmjit::x86::eax;
using asmjit::x86::ecx;
using asmjit::x86::rax;
using asmjit::x86::rcx;
using asmjit::x86::xmm0;
using asmjit::x86::xmm1;
using asmjit::x86::xmm2;
using riscv::Op;

}  // namespace

// clang-format off
bool FloatEmitter::emit_bits() {
    switch (inst_.guest) {
    case Op::fsgnj_s: case Op::fsgnj_d:
        inject_sign(SignRule::copy);
        return true;
    case Op::fsgnjn_s: case Op::fsgnjn_d:
        inject_sign(SignRule::negate);
        return true;
    case Op::fsgnjx_s: case Op::fsgnjx_d:
        inject_sign(SignRule::exclusive);
        return true;
    case Op::fmin_s: case Op::fmin_d:
        choose(
            {{host::kIdVminss, host::kIdMinss}, {host::kIdVminsd, host::kIdMinsd}},
            {host::kIdVorps, host::kIdOrps}
        );
        return true;
    case Op::fmax_s: case Op::fmax_d:
        choose(
            {{host::kIdVmaxss, host::kIdMaxss}, {host::kIdVmaxsd, host::kIdMaxsd}},
            {host::kIdVandps, host::kIdAndps}
        );
        return true;
    case Op::feq_s: case Op::feq_d:
        compare_equal();
        return true;
    case Op::flt_s: case Op::flt_d:
        compare_less(false);
        return true;
    case Op::fle_s: case Op::fle_d:
        compare_less(true);
        return true;
    case Op::fclass_s: case Op::fclass_d:
        classify();
        return true;
    case Op::fmv_x_w: case Op::fmv_x_d:
        move_to_integer();
        return true;
    case Op::fmv_w_x: case Op::fmv_d_x:
        move_from_integer();
        return true;
    default:
        return false;
    }
}
// clang-format on

void FloatEmitter::inject_sign(SignRule rule) {
    const Xmm x = number(inst_.a, xmm0);
    if (inst_.a == inst_.b) {
        const Xmm to = e_.define_float(inst_.dst, xmm0);
        switch (rule) {
        case SignRule::copy:
            f_.move(to, x);
            break;
        case SignRule::negate:
            f_.operate(kXor, to, x, constant(&FloatConstants::Format::sign));
            break;
        case SignRule::exclusive:
            f_.operate(kAnd, to, x, constant(&FloatConstants::Format::all_but_sign));
            break;
        }
        finish(to);
        return;
    }
    const Xmm y = number(inst_.b, xmm1);
    const Xmm to = e_.define_float(inst_.dst, xmm1);
    f_.operate(
        rule == SignRule::negate ? kAndNot : kAnd, xmm2, y, constant(&FloatConstants::Format::sign)
    );
    if (rule == SignRule::exclusive) {
        f_.operate(kXor, to, x, xmm2);
    } else {
        f_.operate(kAnd, to, x, constant(&FloatConstants::Format::all_but_sign));
        f_.operate(kOr, to, to, xmm2);
    }
    finish(to);
}

/// Hosts return the second operand when both are zeros: of the results of both orders, `combine`
/// finds the zero wanted. For other numbers they are the same.
void FloatEmitter::choose(const Scalar& operation, FloatAssembler::Instruction combine) {
    const Xmm x = number(inst_.a, xmm0);
    const Xmm y = number(inst_.b, xmm1);
    const Xmm to = e_.define_float(inst_.dst, xmm0);
    f_.operate(of(kCompareQuiet), x, y);
    a_.jp(slow_exit());
    // `to` as the first source of the second needs no third register without AVX.
    f_.operate(of(operation), xmm2, to == x ? y : x, to == x ? x : y);
    f_.operate(of(operation), to, to == x ? x : y, to == x ? y : x);
    f_.operate(combine, to, to, xmm2);
    finish(to);
}

void FloatEmitter::compare_equal() {
    const Xmm x = number(inst_.a, xmm0);
    const Operand y = number_or_memory(inst_.b);
    const Gp to = e_.define(inst_.dst, rax);
    a_.xor_(to.r32(), to.r32());
    a_.xor_(ecx, ecx);
    f_.operate(of(kCompareQuiet), x, y);
    a_.setnp(to.r8());
    a_.cmovne(to.r32(), ecx);
    finish(to);
}

/// a < b is b > a: "above" is false when the operands are unordered.
void FloatEmitter::compare_less(bool or_equal) {
    const Xmm y = number(inst_.b, xmm0);
    const Operand x = number_or_memory(inst_.a);
    const Gp to = e_.define(inst_.dst, rax);
    a_.xor_(to.r32(), to.r32());
    f_.operate(of(kCompareSignaling), y, x);
    or_equal ? a_.setae(to.r8()) : a_.seta(to.r8());
    finish(to);
}

/// Normal numbers in line.
void FloatEmitter::classify() {
    const Xmm x = number(inst_.a, xmm0);
    const Gp to = e_.define(inst_.dst, rax);
    if (single_) {
        f_.move_bits(ecx, x);
        a_.shr(ecx, 23);
    } else {
        f_.move_bits(rcx, x);
        a_.shr(rcx, 52);
    }
    const unsigned exponent_bits = single_ ? 8 : 11;
    // Sign and exponent. An exponent of zeros or ones is 0 or 1 after counting up by one.
    a_.lea(eax, asmjit::x86::ptr(rcx, 1));
    a_.test(eax, (1U << exponent_bits) - 2);
    a_.jz(slow_exit());
    // Bit 1 for negative, bit 6 for positive ones.
    a_.shr(ecx, exponent_bits);
    a_.imul(ecx, ecx, (1 << 1) - (1 << 6));
    a_.lea(to.r32(), asmjit::x86::ptr(rcx, 1 << 6));
    finish(to);
}

void FloatEmitter::move_to_integer() {
    const Gp to = e_.define(inst_.dst, rax);
    if (inst_.guest == Op::fmv_x_w) {
        if (e_.resident(inst_.a)) {
            f_.move_bits(eax, e_.xmm(inst_.a));
            a_.movsxd(to, eax);
        } else {
            a_.movsxd(to, e_.home(inst_.a, 4));
        }
    } else if (e_.resident(inst_.a)) {
        f_.move_bits(to, e_.xmm(inst_.a));
    } else {
        a_.mov(to, e_.home(inst_.a));
    }
    e_.defined(inst_.dst, to);
}

void FloatEmitter::move_from_integer() {
    const Xmm to = e_.define_float(inst_.dst, xmm0);
    if (inst_.a == ir::kZero) {
        f_.clear(to);
    } else if (inst_.guest == Op::fmv_d_x) {
        f_.move_bits(to, e_.use(inst_.a, rax));
    } else {
        f_.move_bits(to, e_.use(inst_.a, rax).r32());
    }
    if (inst_.guest == Op::fmv_w_x) {
        f_.operate(kOr, to, to, shared_constant(&FloatConstants::box));
    }
    e_.defined_float(inst_.dst, to);
}

}  // namespace vmm::dbt
