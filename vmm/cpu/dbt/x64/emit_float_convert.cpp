// SPDX-License-Identifier: Apache-2.0
// Floating point: conversions from and to integers.
#include "cpu/dbt/x64/float_emitter.hpp"

namespace vmm::dbt {
namespace {

using asmjit::x86::eax;
using asmjit::x86::ecx;
using asmjit::x86::edx;
using asmjit::x86::rax;
using asmjit::x86::rcx;
using asmjit::x86::rdx;
using asmjit::x86::xmm0;
using asmjit::x86::xmm1;
using asmjit::x86::xmm2;
using riscv::Op;
using riscv::Rounding;

/// roundss, roundsd: this mode, not MXCSR's; and raising no inexact flag.
constexpr unsigned kRoundQuietly = 8;

}  // namespace

// clang-format off
bool FloatEmitter::emit_conversion() {
    switch (inst_.guest) {
    case Op::fcvt_w_s: case Op::fcvt_w_d:
        to_integer(32, true);
        return true;
    case Op::fcvt_wu_s: case Op::fcvt_wu_d:
        to_integer(32, false);
        return true;
    case Op::fcvt_l_s: case Op::fcvt_l_d:
        to_integer(64, true);
        return true;
    case Op::fcvt_lu_s: case Op::fcvt_lu_d:
        to_integer(64, false);
        return true;
    case Op::fcvt_s_w: case Op::fcvt_d_w:
        from_integer(32, true);
        return true;
    case Op::fcvt_s_wu: case Op::fcvt_d_wu:
        from_integer(32, false);
        return true;
    case Op::fcvt_s_l: case Op::fcvt_d_l:
        from_integer(64, true);
        return true;
    case Op::fcvt_s_lu: case Op::fcvt_d_lu:
        from_integer(64, false);
        return true;
    default:
        return false;
    }
}
// clang-format on

/// The host's conversions give the most negative integer for what they cannot represent, and raise
/// NV alone, as RISC-V does. Only then the result differs (or is that integer indeed).
void FloatEmitter::to_integer(unsigned bits, bool is_signed) {
    const bool own_mode = has_own_rounding();
    const bool truncates = static_cast<Rounding>(inst_.rm) == Rounding::toward_zero;
    if (own_mode && !truncates && !e_.features.avx) {
        slow();
        return;
    }
    const Xmm x = number(inst_.a, xmm0);
    const Gp to = e_.define(inst_.dst, rax);
    if (!is_signed) {
        limit_unsigned(bits, x);
    }
    // An unsigned 32-bit result is a signed 64-bit one.
    const Gp raw = bits == 64 ? to : is_signed ? eax.as<Gp>() : rax.as<Gp>();
    Xmm from = x;
    if (own_mode && !truncates) {
        // Rounded first, then converted, which is exact: a result that is out of range must not
        // raise NX as well.
        from = xmm1;
        a_.emit(
            single_ ? host::kIdVroundss : host::kIdVroundsd,
            from,
            x,
            x,
            asmjit::imm(rounding_control(inst_.rm) | kRoundQuietly)
        );
    }
    convert(raw, from, truncates || own_mode);
    if (is_signed) {
        a_.cmp(raw, 1);  // overflows for the most negative integer
        a_.jo(slow_exit());
    }
    if (own_mode && !truncates) {
        // Now the flag.
        a_.emit(
            single_ ? host::kIdVroundss : host::kIdVroundsd,
            xmm1,
            x,
            x,
            asmjit::imm(rounding_control(inst_.rm))
        );
    }
    if (bits == 32) {
        a_.movsxd(to, eax);
    }
    finish(to);
}

void FloatEmitter::convert(const Gp& to, const Xmm& from, bool truncate) {
    f_.operate(
        truncate ? of({{host::kIdVcvttss2si, host::kIdCvttss2si},
                       {host::kIdVcvttsd2si, host::kIdCvttsd2si}})
                 : of({{host::kIdVcvtss2si, host::kIdCvtss2si},
                       {host::kIdVcvtsd2si, host::kIdCvtsd2si}}),
        to,
        from
    );
}

/// Takes the side exit unless `from` is positive (or +0) and rounds to less than 2^bits, or for 64
/// bits 2^63: one unsigned comparison of its bits, where negative numbers and NaN are large.
void FloatEmitter::limit_unsigned(unsigned bits, const Xmm& from) {
    if (single_) {
        constexpr std::uint32_t k2To32 = 0x4f80'0000, k2To63 = 0x5f00'0000;
        f_.move_bits(ecx, from);
        a_.cmp(ecx, bits == 32 ? k2To32 : k2To63);
    } else {
        // 2^32 - 1 is the largest that does not round up out of range.
        constexpr std::uint64_t kAbove = 0x41ef'ffff'ffe0'0001, k2To63 = 0x43e0'0000'0000'0000;
        f_.move_bits(rcx, from);
        a_.mov(rdx, bits == 32 ? kAbove : k2To63);
        a_.cmp(rcx, rdx);
    }
    a_.jae(slow_exit());
}

void FloatEmitter::from_integer(unsigned bits, bool is_signed) {
    const Xmm to = e_.define_float(inst_.dst, xmm0);
    const FloatAssembler::Instruction instruction =
        of({{host::kIdVcvtsi2ss, host::kIdCvtsi2ss}, {host::kIdVcvtsi2sd, host::kIdCvtsi2sd}});
    // Bits above a single are its box.
    single_ ? f_.fill(to) : f_.clear(to);
    Gp value = e_.use(inst_.a, rax);
    if (bits == 32 && is_signed) {
        value = value.r32();
    } else if (bits == 32) {
        a_.mov(eax, value.r32());
        value = rax;
    }
    begin_rounding();
    if (bits == 64 && !is_signed) {
        from_unsigned(value, to, instruction);
    } else {
        f_.operate(instruction, to, to, value);
    }
    end_rounding();
    finish(to);
}

/// Numbers of 2^63 and above are halved, what that drops kept as a bit that decides roundings.
void FloatEmitter::from_unsigned(
    const Gp& value, const Xmm& to, const FloatAssembler::Instruction& instruction
) {
    const Label large = a_.newLabel();
    const Label done = a_.newLabel();
    a_.test(value, value);
    a_.js(large);
    f_.operate(instruction, to, to, value);
    a_.bind(done);
    const FloatAssembler::Instruction add =
        of({{host::kIdVaddss, host::kIdAddss}, {host::kIdVaddsd, host::kIdAddsd}});
    e_.cold([&a = a_, f = f_, large, done, value, to, instruction, add]() mutable {
        a.bind(large);
        a.mov(rcx, value);
        a.mov(edx, ecx);
        a.and_(edx, 1);
        a.shr(rcx, 1);
        a.or_(rcx, rdx);
        f.operate(instruction, to, to, rcx);
        f.operate(add, to, to, to);
        a.jmp(done);
    });
}

}  // namespace vmm::dbt
