// SPDX-License-Identifier: Apache-2.0
// The A extension on the host's locked instructions, which are full barriers: stronger than any
// combination of aq and rl.
#include "cpu/dbt/x64/region_emitter.hpp"

namespace vmm::dbt {

using namespace asmjit;
using ir::Op;
using x86::rax;
using x86::rcx;
using x86::rdx;

namespace {

/// The part of a register that an access of `size` bytes (4 or 8) uses.
x86::Gp sized(const x86::Gp& reg, unsigned size) {
    return size == 4 ? x86::Gp(reg.r32()) : x86::Gp(reg.r64());
}

}  // namespace

void RegionEmitter::write_result(const ir::Inst& inst, const Gp& value) {
    if (inst.dst == ir::kNone || inst.dst == ir::kZero) {
        return;
    }
    if (inst.size == 4) {
        const Gp to = e.define(inst.dst, value);
        a.movsxd(to, value.r32());
        e.defined(inst.dst, to);
    } else {
        e.defined(inst.dst, value);
    }
}

void RegionEmitter::load_reserved(const ir::Inst& inst) {
    const Label done = a.newLabel();
    count(offsetof(HartState, accesses));
    look_up(inst, false, done);
    if (inst.rl) {
        a.lock().or_(x86::dword_ptr(x86::rsp, -64), 0);
    }
    a.mov(sized(rcx, inst.size), x86::ptr(rax, 0, inst.size));
    a.mov(Emitter::state(offsetof(HartState, reservation_host)), rax);
    a.mov(Emitter::state(offsetof(HartState, reservation_value)), rcx);
    a.mov(Emitter::state(offsetof(HartState, reservation_size), 4), inst.size);
    write_result(inst, rcx);
    a.bind(done);
}

void RegionEmitter::store_conditional(const ir::Inst& inst) {
    const Label done = a.newLabel();
    const Label decided = a.newLabel();
    count(offsetof(HartState, accesses));
    look_up(inst, true, done);
    // The reservation holds while the bytes have the value that lr saw. Others may have written
    // the same value meanwhile; to the guest that order is as if they had not.
    const Mem held = Emitter::state(offsetof(HartState, reservation_host));
    a.mov(rdx, rax);
    a.cmp(rdx, held);
    a.mov(held, 0);
    a.jne(decided);
    a.cmp(Emitter::state(offsetof(HartState, reservation_size), 4), inst.size);
    a.jne(decided);
    a.mov(rax, Emitter::state(offsetof(HartState, reservation_value)));
    const Gp value = e.use(inst.b, rcx);
    a.lock().cmpxchg(x86::ptr(rdx, 0, inst.size), sized(value, inst.size));
    a.bind(decided);
    if (inst.dst != ir::kNone && inst.dst != ir::kZero) {
        a.setne(x86::al);
        const Gp to = e.define(inst.dst, rax);
        a.movzx(to.r32(), x86::al);
        e.defined(inst.dst, to);
    }
    a.bind(done);
}

void RegionEmitter::amo(const ir::Inst& inst) {
    const Label done = a.newLabel();
    count(offsetof(HartState, accesses));
    look_up(inst, true, done);
    const Mem at = x86::ptr(rax, 0, inst.size);
    const auto take_operand = [&] {
        const Gp value = e.use(inst.b, rcx);
        if (value != rcx) {
            a.mov(rcx, value);
        }
    };
    const bool dropped = inst.dst == ir::kNone || inst.dst == ir::kZero;
    switch (inst.op) {
    case Op::amo_swap:
        take_operand();
        a.xchg(at, sized(rcx, inst.size));
        write_result(inst, rcx);
        break;
    case Op::amo_add:
        take_operand();
        a.lock().xadd(at, sized(rcx, inst.size));
        write_result(inst, rcx);
        break;
    case Op::amo_and:
    case Op::amo_or:
    case Op::amo_xor:
        if (dropped) {
            const Gp value = sized(e.use(inst.b, rcx), inst.size);
            a.lock();
            a.emit(
                inst.op == Op::amo_and  ? x86::Inst::kIdAnd
                : inst.op == Op::amo_or ? x86::Inst::kIdOr
                                        : x86::Inst::kIdXor,
                at,
                value
            );
            break;
        }
        [[fallthrough]];
    default:
        amo_loop(inst);
        break;
    }
    a.bind(done);
}

void RegionEmitter::amo_loop(const ir::Inst& inst) {
    const Label again = a.newLabel();
    const Gp old = sized(rax, inst.size);
    const Gp wanted = sized(rcx, inst.size);
    a.mov(rdx, rax);
    a.mov(old, x86::ptr(rdx, 0, inst.size));
    a.bind(again);
    const Gp operand = e.use(inst.b, rcx);
    if (operand != rcx) {
        a.mov(rcx, operand);
    }
    const auto choose = [&](x86::CondCode keep_old) {
        a.cmp(old, wanted);
        a.cmov(keep_old, wanted, old);
    };
    switch (inst.op) {
    case Op::amo_and:
        a.and_(wanted, old);
        break;
    case Op::amo_or:
        a.or_(wanted, old);
        break;
    case Op::amo_xor:
        a.xor_(wanted, old);
        break;
    case Op::amo_min:
        choose(x86::CondCode::kL);
        break;
    case Op::amo_max:
        choose(x86::CondCode::kG);
        break;
    case Op::amo_min_unsigned:
        choose(x86::CondCode::kB);
        break;
    default:
        choose(x86::CondCode::kA);
        break;
    }
    a.lock().cmpxchg(x86::ptr(rdx, 0, inst.size), wanted);
    a.jne(again);
    write_result(inst, rax);
}

}  // namespace vmm::dbt
