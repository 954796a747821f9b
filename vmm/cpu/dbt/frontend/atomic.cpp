// SPDX-License-Identifier: Apache-2.0
// The A extension.
#include "cpu/dbt/frontend/translate.hpp"

namespace vmm::dbt::frontend {
namespace {

struct Form {
    std::uint8_t size = 0;  ///< 0: not an atomic instruction.
    ir::Op op = ir::Op::load_reserved;
};

// clang-format off
constexpr Form form_of(riscv::Op op) {
    using enum riscv::Op;
    using Ir = ir::Op;
    switch (op) {
    case lr_w:      return {4, Ir::load_reserved};
    case lr_d:      return {8, Ir::load_reserved};
    case sc_w:      return {4, Ir::store_conditional};
    case sc_d:      return {8, Ir::store_conditional};
    case amoswap_w: return {4, Ir::amo_swap};
    case amoswap_d: return {8, Ir::amo_swap};
    case amoadd_w:  return {4, Ir::amo_add};
    case amoadd_d:  return {8, Ir::amo_add};
    case amoand_w:  return {4, Ir::amo_and};
    case amoand_d:  return {8, Ir::amo_and};
    case amoor_w:   return {4, Ir::amo_or};
    case amoor_d:   return {8, Ir::amo_or};
    case amoxor_w:  return {4, Ir::amo_xor};
    case amoxor_d:  return {8, Ir::amo_xor};
    case amomin_w:  return {4, Ir::amo_min};
    case amomin_d:  return {8, Ir::amo_min};
    case amomax_w:  return {4, Ir::amo_max};
    case amomax_d:  return {8, Ir::amo_max};
    case amominu_w: return {4, Ir::amo_min_unsigned};
    case amominu_d: return {8, Ir::amo_min_unsigned};
    case amomaxu_w: return {4, Ir::amo_max_unsigned};
    case amomaxu_d: return {8, Ir::amo_max_unsigned};
    default:        return {};
    }
}
// clang-format on

}  // namespace

bool Translator::atomic(const Guest& guest) {
    const riscv::Decoded& d = guest.decoded;
    const Form form = form_of(d.op);
    if (form.size == 0) {
        return false;
    }
    ir::Inst& inst = emit(form.op);
    inst.size = form.size;
    inst.sign = true;
    inst.aq = d.aq;
    inst.rl = d.rl;
    inst.a = d.rs1;
    if (form.op != ir::Op::load_reserved) {
        inst.b = d.rs2;
    }
    if (d.rd != 0) {
        inst.dst = d.rd;
    }
    return true;
}

}  // namespace vmm::dbt::frontend
