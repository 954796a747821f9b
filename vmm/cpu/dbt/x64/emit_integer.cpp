// SPDX-License-Identifier: Apache-2.0
// Integer computation. All of it reads its operands before it writes a result that one of them may
// share its register with.
#include "cpu/dbt/x64/emit_integer.hpp"

namespace vmm::dbt {

using namespace asmjit;
using ir::Op;
using x86::CondCode;
using x86::eax;
using x86::ecx;
using x86::Gp;
using x86::rax;
using x86::rcx;
using x86::rdx;

namespace ids = asmjit::x86::Inst;

bool IntegerEmitter::fits_32(std::int64_t value) {
    return value == static_cast<std::int32_t>(value);
}

Gp IntegerEmitter::sized(const Gp& reg) const {
    return i_.word ? Gp(reg.r32()) : Gp(reg.r64());
}

bool IntegerEmitter::same(ir::Var v, const Gp& reg) const {
    return v != ir::kZero && e_.resident(v) && e_.gp(v) == reg.r64();
}

Operand IntegerEmitter::source(ir::Var v) const {
    if (e_.resident(v)) {
        return sized(e_.gp(v));
    }
    return e_.home(v, i_.word ? 4 : 8);
}

void IntegerEmitter::move(const Gp& to, ir::Var from) {
    if (from == ir::kZero) {
        a.mov(to.r32(), 0);
    } else if (!same(from, to)) {
        a.emit(ids::kIdMov, sized(to), source(from));
    }
}

void IntegerEmitter::finish(const Gp& value) {
    if (i_.word) {
        const Gp to = e_.define(i_.dst, value);
        a.movsxd(to, value.r32());
        e_.defined(i_.dst, to);
    } else {
        e_.defined(i_.dst, value);
    }
}

Gp IntegerEmitter::second(const Gp& scratch) {
    if (i_.b == ir::kNone) {
        e_.load_constant(scratch, i_.imm);
        return scratch;
    }
    return e_.use(i_.b, scratch);
}

void IntegerEmitter::binary(std::uint32_t id, bool commutative) {
    Gp to = e_.define(i_.dst, rax);
    if (i_.b == ir::kNone) {
        if (fits_32(i_.imm)) {
            move(to, i_.a);
            a.emit(id, sized(to), Imm(i_.imm));
        } else {
            e_.load_constant(rcx, i_.imm);
            move(to, i_.a);
            a.emit(id, sized(to), sized(rcx));
        }
        finish(to);
        return;
    }
    if (i_.b == ir::kZero) {
        e_.load_constant(rcx, 0);
        move(to, i_.a);
        a.emit(id, sized(to), sized(rcx));
    } else if (same(i_.b, to) && !same(i_.a, to)) {
        if (commutative && i_.a != ir::kZero) {
            a.emit(id, sized(to), source(i_.a));
        } else {
            to = rax;
            move(to, i_.a);
            a.emit(id, sized(to), source(i_.b));
        }
    } else {
        move(to, i_.a);
        a.emit(id, sized(to), source(i_.b));
    }
    finish(to);
}

void IntegerEmitter::add() {
    // One instruction where two would be needed.
    const Gp to = e_.define(i_.dst, rax);
    if (i_.a != ir::kZero && e_.resident(i_.a) && !same(i_.a, to)) {
        if (i_.b == ir::kNone && fits_32(i_.imm)) {
            a.lea(sized(to), x86::ptr(e_.gp(i_.a), static_cast<std::int32_t>(i_.imm)));
            finish(to);
            return;
        }
        if (i_.b != ir::kNone && i_.b != ir::kZero && e_.resident(i_.b) && !same(i_.b, to)) {
            a.lea(sized(to), x86::ptr(e_.gp(i_.a), e_.gp(i_.b)));
            finish(to);
            return;
        }
    }
    binary(ids::kIdAdd, true);
}

void IntegerEmitter::shift(std::uint32_t by_immediate, std::uint32_t by_register) {
    const Gp to = e_.define(i_.dst, rax);
    if (i_.b == ir::kNone) {
        move(to, i_.a);
        a.emit(by_immediate, sized(to), Imm(i_.imm & (i_.word ? 31 : 63)));
    } else {
        const Gp count = e_.use(i_.b, rcx);
        const Operand from = i_.a == ir::kZero ? Operand(sized(rax)) : source(i_.a);
        if (i_.a == ir::kZero) {
            e_.load_constant(rax, 0);
        }
        a.emit(by_register, sized(to), from, sized(count));
    }
    finish(to);
}

void IntegerEmitter::rotate(std::uint32_t id) {
    if (i_.b == ir::kNone) {
        const Gp to = e_.define(i_.dst, rax);
        move(to, i_.a);
        a.emit(id, sized(to), Imm(i_.imm & (i_.word ? 31 : 63)));
        finish(to);
        return;
    }
    move(rcx, i_.b);
    move(rax, i_.a);
    a.emit(id, sized(rax), x86::cl);
    finish(rax);
}

void IntegerEmitter::set_if(CondCode condition) {
    const Gp left = e_.use(i_.a, rdx);
    if (i_.b == ir::kNone && fits_32(i_.imm)) {
        a.cmp(left, Imm(i_.imm));
    } else {
        a.cmp(left, second(rcx));
    }
    a.set(condition, x86::al);
    const Gp to = e_.define(i_.dst, rax);
    a.movzx(to.r32(), x86::al);
    e_.defined(i_.dst, to);
}

void IntegerEmitter::multiply_high(std::uint32_t id) {
    const Gp factor = second(rcx);
    move(rax, i_.a);
    a.emit(id, rdx, rax, factor);
    finish(rdx);
}

void IntegerEmitter::multiply_high_mixed() {
    // a * b = (unsigned a) * b - (a < 0 ? 2^64 * b : 0)
    move_value(rcx, i_.b);
    move(rax, i_.a);
    a.mul(rdx, rax, rcx);
    const Gp left = e_.use(i_.a, rax);
    if (left != rax) {
        a.mov(rax, left);
    }
    a.sar(rax, 63);
    a.and_(rax, rcx);
    a.sub(rdx, rax);
    finish(rdx);
}

void IntegerEmitter::move_value(const Gp& to, ir::Var v) {
    const Gp value = v == ir::kNone ? second(to) : e_.use(v, to);
    if (value != to) {
        a.mov(to, value);
    }
}

void IntegerEmitter::divide(bool is_signed, bool remainder) {
    const Label by_zero = a.newLabel();
    const Label by_minus_one = a.newLabel();
    const Label done = a.newLabel();
    move_value(rcx, i_.b);
    move(rax, i_.a);
    a.test(sized(rcx), sized(rcx));
    a.jz(by_zero);
    if (is_signed) {
        a.cmp(sized(rcx), -1);
        a.je(by_minus_one);
        i_.word ? a.cdq(x86::edx, eax) : a.cqo(rdx, rax);
        a.idiv(sized(rdx), sized(rax), sized(rcx));
    } else {
        a.xor_(x86::edx, x86::edx);
        a.div(sized(rdx), sized(rax), sized(rcx));
    }
    a.bind(done);
    finish(remainder ? rdx : rax);
    const Gp dividend = sized(rax);
    const Gp rest = sized(rdx);
    e_.cold([&assembler = a, by_zero, done, dividend, rest] {
        assembler.bind(by_zero);
        assembler.mov(rest, dividend);
        assembler.mov(rax, -1);
        assembler.jmp(done);
    });
    if (is_signed) {
        // The quotient may not fit: the least number stays what it is.
        e_.cold([&assembler = a, by_minus_one, done, dividend] {
            assembler.bind(by_minus_one);
            assembler.neg(dividend);
            assembler.xor_(x86::edx, x86::edx);
            assembler.jmp(done);
        });
    }
}

void IntegerEmitter::choose(CondCode take_second) {
    const Gp other = second(rcx);
    Gp to = e_.define(i_.dst, rax);
    if (to == other) {
        to = rax;
    }
    move(to, i_.a);
    a.cmp(other, to);
    a.cmov(take_second, to, other);
    finish(to);
}

void IntegerEmitter::zero_if(CondCode condition) {
    if (i_.b == ir::kNone) {
        const bool is_zero = i_.imm == 0;
        const bool gives_zero = is_zero == (condition == CondCode::kZ);
        if (gives_zero) {
            e_.load_constant(rax, 0);
        } else {
            move(rax, i_.a);
        }
        finish(rax);
        return;
    }
    const Gp tested = e_.use(i_.b, rcx);
    Gp to = e_.define(i_.dst, rdx);
    if (to == tested) {
        to = rdx;
    }
    move(to, i_.a);
    e_.load_constant(rax, 0);
    a.test(tested, tested);
    a.cmov(condition, to, rax);
    finish(to);
}

void IntegerEmitter::bit_operation(std::uint32_t id) {
    Gp to = e_.define(i_.dst, rax);
    if (i_.b == ir::kNone) {
        move(to, i_.a);
        a.emit(id, to, Imm(i_.imm & 63));
    } else {
        const Gp number = e_.use(i_.b, rcx);
        if (to == number) {
            to = rax;
        }
        move(to, i_.a);
        a.emit(id, to, number);
    }
    finish(to);
}

void IntegerEmitter::bit_extract() {
    if (i_.b == ir::kNone) {
        const Gp to = e_.define(i_.dst, rax);
        move(to, i_.a);
        a.shr(to, Imm(i_.imm & 63));
        a.and_(to.r32(), 1);
        finish(to);
        return;
    }
    const Gp number = e_.use(i_.b, rcx);
    const Gp value = e_.use(i_.a, rdx);
    a.bt(value, number);
    a.setc(x86::al);
    a.movzx(eax, x86::al);
    finish(rax);
}

void IntegerEmitter::shift_add() {
    const Gp to = e_.define(i_.dst, rax);
    const Gp index = e_.use(i_.a, rax);
    if (i_.b == ir::kNone && fits_32(i_.imm)) {
        a.lea(to, x86::ptr(0, index, i_.scale, 0));
        a.add(to, Imm(i_.imm));
    } else {
        a.lea(to, x86::ptr(second(rcx), index, i_.scale));
    }
    finish(to);
}

void IntegerEmitter::inverted(Op op) {
    if (op == Op::bit_and) {
        const Gp inverse = second(rcx);
        const Gp to = e_.define(i_.dst, rax);
        a.andn(to, inverse, e_.use(i_.a, rdx));
        finish(to);
        return;
    }
    move_value(rcx, i_.b);
    a.not_(rcx);
    const Gp left = e_.use(i_.a, rax);
    op == Op::bit_or ? a.or_(rcx, left) : a.xor_(rcx, left);
    finish(rcx);
}

void IntegerEmitter::extend(std::uint32_t id, unsigned bytes) {
    const Gp to = e_.define(i_.dst, rax);
    const Gp target = id == ids::kIdMovzx ? Gp(to.r32()) : to;
    if (i_.a == ir::kZero) {
        e_.load_constant(to, 0);
    } else if (e_.resident(i_.a)) {
        const Gp from = e_.gp(i_.a);
        a.emit(
            id,
            target,
            bytes == 1   ? Gp(from.r8())
            : bytes == 2 ? Gp(from.r16())
                         : Gp(from.r32())
        );
    } else {
        a.emit(id, target, e_.home(i_.a, bytes));
    }
    e_.defined(i_.dst, to);
}

void IntegerEmitter::unary(std::uint32_t id) {
    const Gp to = e_.define(i_.dst, rax);
    if (i_.a == ir::kZero) {
        e_.load_constant(rcx, 0);
        a.emit(id, sized(to), sized(rcx));
    } else {
        // Some hosts make the result wait for its old value; reading it costs nothing more.
        a.emit(id, sized(to), source(i_.a));
    }
    // Counts are small: the 32-bit form has cleared the upper half.
    e_.defined(i_.dst, to);
}

void IntegerEmitter::or_combine_bytes() {
    move(rax, i_.a);
    a.movq(x86::xmm0, rax);
    a.pxor(x86::xmm1, x86::xmm1);
    a.pcmpeqb(x86::xmm0, x86::xmm1);
    a.movq(rax, x86::xmm0);
    a.not_(rax);
    finish(rax);
}

void IntegerEmitter::page_address() {
    const Gp to = e_.define(i_.dst, rax);
    if (fits_32(i_.imm)) {
        a.mov(to, Emitter::state(offsetof(HartState, page_base)));
        if (i_.imm != 0) {
            a.add(to, Imm(i_.imm));
        }
    } else {
        e_.load_constant(to, i_.imm);
        a.add(to, Emitter::state(offsetof(HartState, page_base)));
    }
    finish(to);
}

void IntegerEmitter::constant_or_copy() {
    const Gp to = e_.define(i_.dst, rax);
    if (i_.a == ir::kNone) {
        e_.load_constant(to, i_.imm);
    } else {
        move(to, i_.a);
    }
    finish(to);
}

void emit_integer(Emitter& e, const ir::Inst& inst) {
    if (inst.dst == ir::kNone || inst.dst == ir::kZero) {
        return;
    }
    IntegerEmitter(e, inst).emit();
}

void IntegerEmitter::emit() {
    switch (i_.op) {
    case Op::mov:
        return constant_or_copy();
    case Op::add:
        return add();
    case Op::sub:
        return binary(ids::kIdSub, false);
    case Op::bit_and:
        return binary(ids::kIdAnd, true);
    case Op::bit_or:
        return binary(ids::kIdOr, true);
    case Op::bit_xor:
        return binary(ids::kIdXor, true);
    case Op::and_not:
        return inverted(Op::bit_and);
    case Op::or_not:
        return inverted(Op::bit_or);
    case Op::xor_not:
        return inverted(Op::bit_xor);
    case Op::shl:
        return shift(ids::kIdShl, ids::kIdShlx);
    case Op::shr:
        return shift(ids::kIdShr, ids::kIdShrx);
    case Op::sar:
        return shift(ids::kIdSar, ids::kIdSarx);
    case Op::rotate_left:
        return rotate(ids::kIdRol);
    case Op::rotate_right:
        return rotate(ids::kIdRor);
    case Op::set_less:
        return set_if(CondCode::kL);
    case Op::set_less_unsigned:
        return set_if(CondCode::kB);
    case Op::mul:
        return binary(ids::kIdImul, true);
    case Op::mul_high:
        return multiply_high(ids::kIdImul);
    case Op::mul_high_unsigned:
        return multiply_high(ids::kIdMul);
    case Op::mul_high_mixed:
        return multiply_high_mixed();
    case Op::div:
        return divide(true, false);
    case Op::div_unsigned:
        return divide(false, false);
    case Op::rem:
        return divide(true, true);
    case Op::rem_unsigned:
        return divide(false, true);
    case Op::min:
        return choose(CondCode::kL);
    case Op::max:
        return choose(CondCode::kG);
    case Op::min_unsigned:
        return choose(CondCode::kB);
    case Op::max_unsigned:
        return choose(CondCode::kA);
    case Op::zero_if_zero:
        return zero_if(CondCode::kZ);
    case Op::zero_if_not_zero:
        return zero_if(CondCode::kNZ);
    case Op::bit_set:
        return bit_operation(ids::kIdBts);
    case Op::bit_clear:
        return bit_operation(ids::kIdBtr);
    case Op::bit_invert:
        return bit_operation(ids::kIdBtc);
    case Op::bit_extract:
        return bit_extract();
    case Op::shift_add:
        return shift_add();
    case Op::sign_extend_8:
        return extend(ids::kIdMovsx, 1);
    case Op::sign_extend_16:
        return extend(ids::kIdMovsx, 2);
    case Op::sign_extend_32:
        return extend(ids::kIdMovsxd, 4);
    case Op::zero_extend_16:
        return extend(ids::kIdMovzx, 2);
    case Op::zero_extend_32:
        return zero_extend_32();
    case Op::count_leading_zeros:
        return unary(ids::kIdLzcnt);
    case Op::count_trailing_zeros:
        return unary(ids::kIdTzcnt);
    case Op::count_ones:
        return unary(ids::kIdPopcnt);
    case Op::byte_swap: {
        move(rax, i_.a);
        a.bswap(rax);
        return finish(rax);
    }
    case Op::or_combine_bytes:
        return or_combine_bytes();
    case Op::page_address:
        return page_address();
    default:
        a.ud2();  // not an operation of this kind
        return;
    }
}

void IntegerEmitter::zero_extend_32() {
    const Gp to = e_.define(i_.dst, rax);
    if (i_.a == ir::kZero) {
        e_.load_constant(to, 0);
    } else if (e_.resident(i_.a)) {
        a.mov(to.r32(), e_.gp(i_.a).r32());
    } else {
        a.mov(to.r32(), e_.home(i_.a, 4));
    }
    e_.defined(i_.dst, to);
}

}  // namespace vmm::dbt
