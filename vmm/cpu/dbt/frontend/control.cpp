// SPDX-License-Identifier: Apache-2.0
// Branches and jumps.
#include "cpu/dbt/frontend/translate.hpp"

namespace vmm::dbt::frontend {
namespace {

/// Registers that calls leave the return address in, by convention (unprivileged specification,
/// "Unconditional Jumps").
constexpr bool is_link(std::uint8_t number) {
    return number == 1 || number == 5;
}

constexpr ir::Condition condition_of(riscv::Op op) {
    using enum riscv::Op;
    switch (op) {
    case bne:
        return ir::Condition::ne;
    case blt:
        return ir::Condition::lt;
    case bge:
        return ir::Condition::ge;
    case bltu:
        return ir::Condition::ltu;
    case bgeu:
        return ir::Condition::geu;
    default:
        return ir::Condition::eq;
    }
}

}  // namespace

bool Translator::control(const Guest& guest, const ir::Target& target) {
    const riscv::Decoded& d = guest.decoded;
    switch (d.op) {
    case riscv::Op::beq:
    case riscv::Op::bne:
    case riscv::Op::blt:
    case riscv::Op::bge:
    case riscv::Op::bltu:
    case riscv::Op::bgeu: {
        ir::Inst& inst = emit(ir::Op::branch);
        inst.condition = condition_of(d.op);
        inst.a = d.rs1;
        inst.b = d.rs2;
        inst.target = target;
        return true;
    }
    case riscv::Op::jal: {
        link(guest);
        ir::Inst& inst = emit(ir::Op::jump);
        inst.hint = is_link(d.rd) ? ir::Hint::call : ir::Hint::none;
        inst.target = target;
        return true;
    }
    case riscv::Op::jalr:
        indirect(guest);
        return true;
    default:
        return false;
    }
}

void Translator::link(const Guest& guest) {
    const std::uint8_t rd = guest.decoded.rd;
    if (rd == 0) {
        return;
    }
    ir::Inst& address = emit(ir::Op::page_address);
    address.dst = rd;
    address.imm = guest.next();
    if (is_link(rd)) {
        emit(ir::Op::push_return).imm = guest.next();
    }
}

void Translator::indirect(const Guest& guest) {
    const riscv::Decoded& d = guest.decoded;
    ir::Var base = d.rs1;
    if (d.rd == d.rs1 && d.rd != 0) {  // the link must not hide the target
        base = temporary();
        ir::Inst& copy = emit(ir::Op::mov);
        copy.dst = base;
        copy.a = d.rs1;
    }
    link(guest);
    ir::Inst& jump = emit(ir::Op::jump_indirect);
    jump.a = base;
    jump.imm = d.imm;
    if (is_link(d.rd)) {
        jump.hint = ir::Hint::call;
    } else if (is_link(d.rs1)) {
        jump.hint = ir::Hint::ret;
    }
}

}  // namespace vmm::dbt::frontend
