// SPDX-License-Identifier: Apache-2.0
// What the runtime executes: CSRs, privileged instructions, and whatever is illegal.
#include "cpu/dbt/frontend/translate.hpp"

namespace vmm::dbt::frontend {
namespace {

/// Whether code behind the instruction may run without looking anything up anew.
bool falls_through(riscv::Op op) {
    switch (op) {
    case riscv::Op::csrrw:
    case riscv::Op::csrrs:
    case riscv::Op::csrrc:
    case riscv::Op::csrrwi:
    case riscv::Op::csrrsi:
    case riscv::Op::csrrci:
    case riscv::Op::sfence_vma:
    case riscv::Op::sinval_vma:
    case riscv::Op::sfence_w_inval:
    case riscv::Op::sfence_inval_ir:
        return true;
    default:
        return false;
    }
}

bool always_in_runtime(riscv::Op op) {
    switch (op) {
    case riscv::Op::illegal:
    case riscv::Op::ecall:
    case riscv::Op::ebreak:
    case riscv::Op::sret:
    case riscv::Op::uret:
    case riscv::Op::wfi:
    case riscv::Op::fence_i:
        return true;
    default:
        return false;
    }
}

}  // namespace

bool ends_block(const Guest& guest, const ir::Mode& mode) {
    const riscv::Op op = guest.decoded.op;
    return op == riscv::Op::jal || op == riscv::Op::jalr || always_in_runtime(op)
           || is_illegal_in(guest.decoded, mode);
}

void Translator::system(const Guest& guest) {
    const riscv::Decoded& d = guest.decoded;
    const bool illegal = is_illegal_in(d, region_.mode);
    ir::Inst& inst = emit(ir::Op::system);
    inst.guest = illegal ? riscv::Op::illegal : d.op;
    inst.word_bits = guest.word_bits;
    inst.falls_through = !illegal && falls_through(d.op);
    is_float_dirty_ = false;
}

void Translator::append(const Guest& guest, const ir::Target& target) {
    block_.offsets.push_back(guest.offset);
    const bool done = !is_illegal_in(guest.decoded, region_.mode)
                      && (integer(guest) || memory(guest) || control(guest, target) || atomic(guest)
                          || float_memory(guest) || float_operation(guest));
    if (!done) {
        system(guest);
    }
    ++index_;
}

void Translator::jump(const ir::Target& target) {
    emit(ir::Op::jump).target = target;
}

void Translator::leave(std::int64_t offset, ir::Hint hint) {
    ir::Inst& inst = emit(ir::Op::leave);
    inst.hint = hint;
    inst.target.offset = offset;
}

ir::Inst& Translator::emit(ir::Op op) {
    ir::Inst& inst = block_.insts.emplace_back();
    inst.op = op;
    inst.index = index_;
    return inst;
}

}  // namespace vmm::dbt::frontend
