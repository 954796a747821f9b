// SPDX-License-Identifier: Apache-2.0
// Integer computation: RV64I, M, Zba, Zbb, Zbs and Zicond.
#include "cpu/dbt/frontend/translate.hpp"

namespace vmm::dbt::frontend {
namespace {

using riscv::Format;

/// How an instruction maps to one operation of the representation.
struct Form {
    ir::Op op = ir::Op::mov;
    bool word = false;
    bool known = false;
};

constexpr Form whole(ir::Op op) {
    return {.op = op, .word = false, .known = true};
}
constexpr Form word(ir::Op op) {
    return {.op = op, .word = true, .known = true};
}

// clang-format off
constexpr Form form_of(riscv::Op op) {
    using enum riscv::Op;
    using Ir = ir::Op;
    switch (op) {
    case addi: case add:    return whole(Ir::add);
    case sub:               return whole(Ir::sub);
    case slti: case slt:    return whole(Ir::set_less);
    case sltiu: case sltu:  return whole(Ir::set_less_unsigned);
    case xori: case xor_rr: return whole(Ir::bit_xor);
    case ori: case or_rr:   return whole(Ir::bit_or);
    case andi: case and_rr: return whole(Ir::bit_and);
    case slli: case sll:    return whole(Ir::shl);
    case srli: case srl:    return whole(Ir::shr);
    case srai: case sra:    return whole(Ir::sar);
    case addiw: case addw:  return word(Ir::add);
    case subw:              return word(Ir::sub);
    case slliw: case sllw:  return word(Ir::shl);
    case srliw: case srlw:  return word(Ir::shr);
    case sraiw: case sraw:  return word(Ir::sar);
    case mul:               return whole(Ir::mul);
    case mulh:              return whole(Ir::mul_high);
    case mulhsu:            return whole(Ir::mul_high_mixed);
    case mulhu:             return whole(Ir::mul_high_unsigned);
    case div:               return whole(Ir::div);
    case divu:              return whole(Ir::div_unsigned);
    case rem:               return whole(Ir::rem);
    case remu:              return whole(Ir::rem_unsigned);
    case mulw:              return word(Ir::mul);
    case divw:              return word(Ir::div);
    case divuw:             return word(Ir::div_unsigned);
    case remw:              return word(Ir::rem);
    case remuw:             return word(Ir::rem_unsigned);
    case andn:              return whole(Ir::and_not);
    case orn:               return whole(Ir::or_not);
    case xnor:              return whole(Ir::xor_not);
    case clz:               return whole(Ir::count_leading_zeros);
    case ctz:               return whole(Ir::count_trailing_zeros);
    case cpop:              return whole(Ir::count_ones);
    case clzw:              return word(Ir::count_leading_zeros);
    case ctzw:              return word(Ir::count_trailing_zeros);
    case cpopw:             return word(Ir::count_ones);
    case max:               return whole(Ir::max);
    case maxu:              return whole(Ir::max_unsigned);
    case min:               return whole(Ir::min);
    case minu:              return whole(Ir::min_unsigned);
    case sext_b:            return whole(Ir::sign_extend_8);
    case sext_h:            return whole(Ir::sign_extend_16);
    case zext_h:            return whole(Ir::zero_extend_16);
    case rol:               return whole(Ir::rotate_left);
    case rori: case ror:    return whole(Ir::rotate_right);
    case rolw:              return word(Ir::rotate_left);
    case roriw: case rorw:  return word(Ir::rotate_right);
    case orc_b:             return whole(Ir::or_combine_bytes);
    case rev8:              return whole(Ir::byte_swap);
    case bclri: case bclr:  return whole(Ir::bit_clear);
    case bexti: case bext:  return whole(Ir::bit_extract);
    case binvi: case binv:  return whole(Ir::bit_invert);
    case bseti: case bset:  return whole(Ir::bit_set);
    case czero_eqz:         return whole(Ir::zero_if_zero);
    case czero_nez:         return whole(Ir::zero_if_not_zero);
    default:                return {};
    }
}

/// What the instructions of Zba are made of: the first operand zero-extended from 32 bits or not,
/// shifted, and then the second added or not.
struct AddressForm {
    bool known = false;
    bool zero_extends = false;
    std::uint8_t scale = 0;
};

constexpr AddressForm address_form_of(riscv::Op op) {
    using enum riscv::Op;
    switch (op) {
    case add_uw:    return {.known = true, .zero_extends = true, .scale = 0};
    case sh1add:    return {.known = true, .zero_extends = false, .scale = 1};
    case sh2add:    return {.known = true, .zero_extends = false, .scale = 2};
    case sh3add:    return {.known = true, .zero_extends = false, .scale = 3};
    case sh1add_uw: return {.known = true, .zero_extends = true, .scale = 1};
    case sh2add_uw: return {.known = true, .zero_extends = true, .scale = 2};
    case sh3add_uw: return {.known = true, .zero_extends = true, .scale = 3};
    default:        return {};
    }
}
// clang-format on

bool has_immediate(riscv::Op op) {
    const Format format = riscv::instruction_table()[static_cast<std::size_t>(op) - 1].format;
    return format == Format::i || format == Format::shift5 || format == Format::shift6;
}

bool has_one_operand(ir::Op op) {
    return op >= ir::Op::sign_extend_8 && op <= ir::Op::or_combine_bytes;
}

}  // namespace

bool Translator::integer(const Guest& guest) {
    const riscv::Decoded& d = guest.decoded;
    const Form form = form_of(d.op);
    const AddressForm address = address_form_of(d.op);
    const bool is_upper = d.op == riscv::Op::lui || d.op == riscv::Op::auipc;
    if (!form.known && !address.known && !is_upper && d.op != riscv::Op::slli_uw) {
        return false;
    }
    if (d.rd == 0) {
        return true;  // a hint
    }
    if (is_upper) {
        const bool is_auipc = d.op == riscv::Op::auipc;
        ir::Inst& inst = emit(is_auipc ? ir::Op::page_address : ir::Op::mov);
        inst.dst = d.rd;
        inst.imm = is_auipc ? guest.target() : d.imm;
        return true;
    }
    ir::Var a = d.rs1;
    if (address.zero_extends || d.op == riscv::Op::slli_uw) {
        a = temporary();
        ir::Inst& inst = emit(ir::Op::zero_extend_32);
        inst.dst = a;
        inst.a = d.rs1;
    }
    if (address.known) {
        ir::Inst& inst = emit(address.scale == 0 ? ir::Op::add : ir::Op::shift_add);
        inst.dst = d.rd;
        inst.a = a;
        inst.b = d.rs2;
        inst.scale = address.scale;
        return true;
    }
    ir::Inst& inst = emit(form.known ? form.op : ir::Op::shl);
    inst.dst = d.rd;
    inst.a = a;
    inst.word = form.word;
    if (has_immediate(d.op)) {
        inst.imm = d.imm;
    } else if (!has_one_operand(form.op)) {
        inst.b = d.rs2;
    }
    return true;
}

}  // namespace vmm::dbt::frontend
