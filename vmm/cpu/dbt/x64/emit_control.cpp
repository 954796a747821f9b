// SPDX-License-Identifier: Apache-2.0
// Branches, jumps, calls and returns.
//
// A guest call leaves two words on the host's stack: the guest's return address and, by a host
// call, where to go on in host code. The guest's return compares its target with the first and
// uses the second by a host return, which the host predicts as it would its own. Whenever they
// differ, or the runtime is entered, the stack starts empty again.
#include "cpu/dbt/x64/region_emitter.hpp"

#include <utility>

namespace vmm::dbt {

using namespace asmjit;
using ir::Condition;
using ir::Hint;
using x86::CondCode;
using x86::rax;
using x86::rcx;
using x86::rsp;

namespace {

bool in_page(std::int64_t offset) {
    return offset >= 0 && offset < 4096;
}

CondCode condition_code(Condition condition) {
    switch (condition) {
    case Condition::eq:
        return CondCode::kE;
    case Condition::ne:
        return CondCode::kNE;
    case Condition::lt:
        return CondCode::kL;
    case Condition::ge:
        return CondCode::kGE;
    case Condition::ltu:
        return CondCode::kB;
    case Condition::geu:
        return CondCode::kAE;
    }
    std::unreachable();
}

/// The same of exchanged operands.
CondCode exchanged(Condition condition) {
    switch (condition) {
    case Condition::lt:
        return CondCode::kG;
    case Condition::ge:
        return CondCode::kLE;
    case Condition::ltu:
        return CondCode::kA;
    case Condition::geu:
        return CondCode::kBE;
    default:
        return condition_code(condition);
    }
}

}  // namespace

CondCode RegionEmitter::compare(const ir::Inst& inst) {
    if (inst.b == ir::kNone) {
        const Gp left = e.use(inst.a, rax);
        a.cmp(left, Imm(inst.imm));
        return condition_code(inst.condition);
    }
    if (inst.b == ir::kZero) {
        const Gp left = e.use(inst.a, rax);
        a.test(left, left);
        return condition_code(inst.condition);
    }
    if (inst.a == ir::kZero) {
        const Gp right = e.use(inst.b, rax);
        a.test(right, right);
        return exchanged(inst.condition);
    }
    if (!e.resident(inst.a) && e.resident(inst.b)) {
        a.cmp(e.gp(inst.b), e.home(inst.a));
        return exchanged(inst.condition);
    }
    a.emit(x86::Inst::kIdCmp, e.use(inst.a, rax), e.operand(inst.b));
    return condition_code(inst.condition);
}

void RegionEmitter::branch(const ir::Inst& inst) {
    const auto unused = static_cast<std::int32_t>(block_->count() - inst.index - 1);
    const CondCode condition = compare(inst);
    if (inst.target.internal && unused == 0) {
        a.j(condition, labels_[inst.target.block]);
        return;
    }
    const Label taken = a.newLabel();
    a.j(condition, taken);
    e.cold([this, taken, unused, target = inst.target, dirty = dirty_] {
        a.bind(taken);
        if (unused != 0) {
            a.add(kBudget, unused);
        }
        if (target.internal) {
            a.jmp(labels_[target.block]);
            return;
        }
        store_registers(dirty);
        exit_to(target.offset);
    });
}

void RegionEmitter::jump(const ir::Inst& inst) {
    const bool is_call = std::exchange(has_return_, false);
    if (inst.target.internal) {
        if (is_call) {
            call(inst.target);
        } else if (inst.target.block != number_ + 1) {
            a.jmp(labels_[inst.target.block]);
        }
        return;
    }
    store_registers(dirty_);
    if (is_call) {
        call(inst.target);
    } else {
        exit_to(inst.target.offset);
    }
}

void RegionEmitter::exit_to(std::int64_t offset) {
    if (!in_page(offset)) {
        address_of(offset);
        look_up_and_jump(false);
        return;
    }
    // The runtime makes a jump of this call.
    a.call(Imm(routines_.link));
    add_site({.kind = Site::Kind::link, .offset = static_cast<std::uint16_t>(offset)});
}

void RegionEmitter::call(const ir::Target& target) {
    push_return_address();
    if (target.internal) {
        a.call(labels_[target.block]);
    } else if (in_page(target.offset)) {
        const Label stub = a.newLabel();
        a.call(stub);
        const auto call_end = static_cast<std::uint32_t>(a.offset());
        e.cold([this, stub, call_end, offset = target.offset] {
            a.bind(stub);
            a.call(Imm(routines_.link));
            add_site({
                .kind = Site::Kind::link,
                .offset = static_cast<std::uint16_t>(offset),
                .call_end = call_end,
            });
        });
    } else {
        address_of(target.offset);
        look_up_and_jump(true);
    }
    return_landing();
}

void RegionEmitter::jump_indirect(const ir::Inst& inst) {
    const bool is_call = std::exchange(has_return_, false);
    guest_address(inst);
    a.and_(rax, -2);
    store_registers(dirty_);
    if (is_call) {
        push_return_address();
        look_up_and_jump(true);
        return_landing();
        return;
    }
    if (inst.hint != Hint::ret) {
        look_up_and_jump(false);
        return;
    }
    const Label differs = a.newLabel();
    a.cmp(rax, x86::ptr(rsp, 8));
    a.jne(differs);
    a.and_(rax, -4096);
    a.mov(Emitter::state(offsetof(HartState, page_base)), rax);
    a.ret();
    e.cold([this, differs] {
        a.bind(differs);
        a.mov(rsp, Emitter::state(offsetof(HartState, stack_base)));
        look_up_and_jump(false);
    });
}

void RegionEmitter::leave(const ir::Inst& inst) {
    store_registers(dirty_);
    address_of(inst.target.offset);
    a.jmp(Imm(inst.hint == Hint::breakpoint ? routines_.breakpoint : routines_.dispatch));
}

void RegionEmitter::address_of(std::int64_t offset) {
    a.mov(rax, Emitter::state(offsetof(HartState, page_base)));
    if (offset != 0) {
        a.add(rax, Imm(offset));  // within 1 MiB or so: direct jumps reach no further
    }
}

void emit_jump_lookup(x86::Assembler& a, std::uint64_t unknown) {
    constexpr unsigned kEntryShift = 4;
    static_assert(sizeof(JumpEntry) == 1 << kEntryShift);
    static_assert(jump_index(2) == 1);
    a.lea(x86::ecx, x86::ptr(0, rax, kEntryShift - 1));  // (pc >> 1) << kEntryShift: pc is even
    a.and_(x86::ecx, static_cast<std::int32_t>((kJumpEntries - 1) << kEntryShift));
    a.add(rcx, Emitter::state(offsetof(HartState, jumps)));
    a.cmp(rax, x86::ptr(rcx, offsetof(JumpEntry, pc)));
    a.jne(Imm(unknown));
    a.and_(rax, -4096);
    a.mov(Emitter::state(offsetof(HartState, page_base)), rax);
}

void RegionEmitter::look_up_and_jump(bool is_call) {
    emit_jump_lookup(a, routines_.dispatch);
    if (is_call) {
        a.call(x86::ptr(rcx, offsetof(JumpEntry, code)));
    } else {
        a.jmp(x86::ptr(rcx, offsetof(JumpEntry, code)));
    }
}

void RegionEmitter::push_return_address() {
    const Label full = a.newLabel();
    const Label room = a.newLabel();
    a.cmp(rsp, Emitter::state(offsetof(HartState, stack_limit)));
    a.jbe(full);
    a.bind(room);
    a.mov(rcx, Emitter::state(offsetof(HartState, page_base)));
    a.add(rcx, Imm(return_offset_));
    a.push(rcx);
    e.cold([this, full, room] {
        a.bind(full);
        a.mov(rsp, Emitter::state(offsetof(HartState, stack_base)));
        a.jmp(room);
    });
}

void RegionEmitter::return_landing() {
    a.add(rsp, 8);
    if (in_page(return_offset_)) {
        exit_to(return_offset_);
        return;
    }
    // The return has made the next page the current one.
    address_of(return_offset_ & 4095);
    look_up_and_jump(false);
}

}  // namespace vmm::dbt
