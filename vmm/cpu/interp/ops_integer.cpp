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

#define COPS_UNARY(op, function)                                                                   \
    COPS_OP(op_##op) {                                                                             \
        cpu->x[ip->rd] = alu::function::of(cpu->x[ip->rs1], 0);                                    \
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

COPS_REGISTERS(add_uw, AddUw)
COPS_REGISTERS(sh1add, Sh1add)
COPS_REGISTERS(sh2add, Sh2add)
COPS_REGISTERS(sh3add, Sh3add)
COPS_REGISTERS(sh1add_uw, Sh1addUw)
COPS_REGISTERS(sh2add_uw, Sh2addUw)
COPS_REGISTERS(sh3add_uw, Sh3addUw)
COPS_IMMEDIATE(slli_uw, SlliUw)

COPS_REGISTERS(andn, Andn)
COPS_REGISTERS(orn, Orn)
COPS_REGISTERS(xnor, Xnor)
COPS_UNARY(clz, Clz)
COPS_UNARY(ctz, Ctz)
COPS_UNARY(cpop, Cpop)
COPS_UNARY(clzw, Clzw)
COPS_UNARY(ctzw, Ctzw)
COPS_UNARY(cpopw, Cpopw)
COPS_REGISTERS(max, Max)
COPS_REGISTERS(maxu, Maxu)
COPS_REGISTERS(min, Min)
COPS_REGISTERS(minu, Minu)
COPS_UNARY(sext_b, SextB)
COPS_UNARY(sext_h, SextH)
COPS_UNARY(zext_h, ZextH)
COPS_REGISTERS(rol, Rol)
COPS_REGISTERS(ror, Ror)
COPS_IMMEDIATE(rori, Ror)
COPS_REGISTERS(rolw, Rolw)
COPS_REGISTERS(rorw, Rorw)
COPS_IMMEDIATE(roriw, Rorw)
COPS_UNARY(orc_b, OrcB)
COPS_UNARY(rev8, Rev8)

COPS_REGISTERS(bclr, Bclr)
COPS_IMMEDIATE(bclri, Bclr)
COPS_REGISTERS(bext, Bext)
COPS_IMMEDIATE(bexti, Bext)
COPS_REGISTERS(binv, Binv)
COPS_IMMEDIATE(binvi, Binv)
COPS_REGISTERS(bset, Bset)
COPS_IMMEDIATE(bseti, Bset)

COPS_REGISTERS(czero_eqz, CzeroEqz)
COPS_REGISTERS(czero_nez, CzeroNez)
// clang-format on

}  // namespace vmm::interp
