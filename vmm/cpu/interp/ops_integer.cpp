// SPDX-License-Identifier: Apache-2.0
// Integer computation: registers in, registers out.
#include "cpu/interp/alu.hpp"
#include "cpu/interp/ops.hpp"

namespace vmm::interp {

COPS_OP(op_nop) {
    COPS_NEXT();
}

COPS_OP(op_li) {
    cpu->x[ip->rd] = static_cast<std::uint64_t>(std::int64_t{ip->imm});
    COPS_NEXT();
}

COPS_OP(op_mv) {
    cpu->x[ip->rd] = cpu->x[ip->rs1];
    COPS_NEXT();
}

// lui is op_li with the shifted immediate.
COPS_OP(op_lui) {
    COPS_TAIL(op_li);
}

COPS_OP(op_auipc) {
    cpu->x[ip->rd] = base + static_cast<std::uint64_t>(std::int64_t{ip->imm});
    COPS_NEXT();
}

// clang-format off
#define COPS_REGISTERS(op, function)                                                               \
    COPS_OP(op_##op) {                                                                             \
        cpu->x[ip->rd] = alu::function::of(cpu->x[ip->rs1], cpu->x[ip->rs2]);                      \
        COPS_NEXT();                                                                               \
    }
#define COPS_IMMEDIATE(op, function)                                                               \
    COPS_OP(op_##op) {                                                                             \
        cpu->x[ip->rd] = alu::function::of(                                                        \
            cpu->x[ip->rs1], static_cast<std::uint64_t>(std::int64_t{ip->imm})                     \
        );                                                                                         \
        COPS_NEXT();                                                                               \
    }

COPS_REGISTERS(add, Add)
COPS_REGISTERS(sub, Sub)
COPS_REGISTERS(sll, Sll)
COPS_REGISTERS(slt, Slt)
COPS_REGISTERS(sltu, Sltu)
COPS_REGISTERS(xor_rr, Xor)
COPS_REGISTERS(srl, Srl)
COPS_REGISTERS(sra, Sra)
COPS_REGISTERS(or_rr, Or)
COPS_REGISTERS(and_rr, And)
COPS_REGISTERS(addw, Addw)
COPS_REGISTERS(subw, Subw)
COPS_REGISTERS(sllw, Sllw)
COPS_REGISTERS(srlw, Srlw)
COPS_REGISTERS(sraw, Sraw)
COPS_REGISTERS(mul, Mul)
COPS_REGISTERS(mulh, Mulh)
COPS_REGISTERS(mulhsu, Mulhsu)
COPS_REGISTERS(mulhu, Mulhu)
COPS_REGISTERS(div, Div)
COPS_REGISTERS(divu, Divu)
COPS_REGISTERS(rem, Rem)
COPS_REGISTERS(remu, Remu)
COPS_REGISTERS(mulw, Mulw)
COPS_REGISTERS(divw, Divw)
COPS_REGISTERS(divuw, Divuw)
COPS_REGISTERS(remw, Remw)
COPS_REGISTERS(remuw, Remuw)

COPS_IMMEDIATE(addi, Add)
COPS_IMMEDIATE(slti, Slt)
COPS_IMMEDIATE(sltiu, Sltu)
COPS_IMMEDIATE(xori, Xor)
COPS_IMMEDIATE(ori, Or)
COPS_IMMEDIATE(andi, And)
COPS_IMMEDIATE(slli, Sll)
COPS_IMMEDIATE(srli, Srl)
COPS_IMMEDIATE(srai, Sra)
COPS_IMMEDIATE(addiw, Addw)
COPS_IMMEDIATE(slliw, Sllw)
COPS_IMMEDIATE(srliw, Srlw)
COPS_IMMEDIATE(sraiw, Sraw)
// clang-format on

}  // namespace vmm::interp
