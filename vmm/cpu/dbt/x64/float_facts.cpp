// SPDX-License-Identifier: Apache-2.0
#include "cpu/dbt/x64/float_facts.hpp"

namespace vmm::dbt {
namespace {

using riscv::Op;

/// Of float operations with an f result: whether it is a single.
bool gives_single(Op op) {
    switch (op) {
    case Op::fadd_d:
    case Op::fsub_d:
    case Op::fmul_d:
    case Op::fdiv_d:
    case Op::fsqrt_d:
    case Op::fmadd_d:
    case Op::fmsub_d:
    case Op::fnmsub_d:
    case Op::fnmadd_d:
    case Op::fsgnj_d:
    case Op::fsgnjn_d:
    case Op::fsgnjx_d:
    case Op::fmin_d:
    case Op::fmax_d:
    case Op::fcvt_d_s:
    case Op::fcvt_d_w:
    case Op::fcvt_d_wu:
    case Op::fcvt_d_l:
    case Op::fcvt_d_lu:
    case Op::fmv_d_x:
        return false;
    default:
        return true;
    }
}

/// Whether the result depends on no more of a quiet NaN operand than that it is one.
bool sees_only_that_it_is_nan(Op op) {
    switch (op) {
    case Op::fsgnj_s:
    case Op::fsgnjn_s:
    case Op::fsgnjx_s:
    case Op::fsgnj_d:
    case Op::fsgnjn_d:
    case Op::fsgnjx_d:
    case Op::fmv_x_w:
    case Op::fmv_x_d:
        return false;
    default:
        return true;
    }
}

/// Whether registers are seen from outside of the block while or after it executes.
bool shows_registers(const ir::Inst& inst, bool probed) {
    switch (inst.op) {
    case ir::Op::load:
    case ir::Op::store:
    case ir::Op::load_float:
    case ir::Op::store_float:
        return !probed || inst.c == ir::kNone;
    case ir::Op::load_reserved:
    case ir::Op::store_conditional:
    case ir::Op::amo_swap:
    case ir::Op::amo_add:
    case ir::Op::amo_and:
    case ir::Op::amo_or:
    case ir::Op::amo_xor:
    case ir::Op::amo_min:
    case ir::Op::amo_max:
    case ir::Op::amo_min_unsigned:
    case ir::Op::amo_max_unsigned:
    case ir::Op::probe:  // the copy for its failure goes on with them
    case ir::Op::branch:
    case ir::Op::jump:
    case ir::Op::jump_indirect:
    case ir::Op::system:
    case ir::Op::leave:
        return true;
    default:
        return false;
    }
}

bool jumps_within(const ir::Inst& inst) {
    return (inst.op == ir::Op::branch || inst.op == ir::Op::jump) && inst.target.internal;
}

}  // namespace

bool has_single_operands(Op op) {
    switch (op) {
#define COPS_SINGLE(name)                                                                          \
    case Op::name##_s:                                                                             \
        return true;
        COPS_SINGLE(fadd)
        COPS_SINGLE(fsub)
        COPS_SINGLE(fmul)
        COPS_SINGLE(fdiv)
        COPS_SINGLE(fsqrt)
        COPS_SINGLE(fmadd)
        COPS_SINGLE(fmsub)
        COPS_SINGLE(fnmsub)
        COPS_SINGLE(fnmadd)
        COPS_SINGLE(fsgnj)
        COPS_SINGLE(fsgnjn)
        COPS_SINGLE(fsgnjx)
        COPS_SINGLE(fmin)
        COPS_SINGLE(fmax)
        COPS_SINGLE(feq)
        COPS_SINGLE(flt)
        COPS_SINGLE(fle)
        COPS_SINGLE(fclass)
        COPS_SINGLE(fcvt_w)
        COPS_SINGLE(fcvt_wu)
        COPS_SINGLE(fcvt_l)
        COPS_SINGLE(fcvt_lu)
        COPS_SINGLE(fcvt_d)
#undef COPS_SINGLE
    case Op::fcvt_s_w:
    case Op::fcvt_s_wu:
    case Op::fcvt_s_l:
    case Op::fcvt_s_lu:
        return true;
    default:
        return false;
    }
}

std::uint32_t boxed_after(const ir::Inst& inst, std::uint32_t boxed) {
    if (!ir::is_float(inst.dst)) {
        return boxed;
    }
    const std::uint32_t bit = std::uint32_t{1} << (inst.dst - ir::kFirstFloat);
    bool is_boxed = false;
    if (inst.op == ir::Op::load_float) {
        is_boxed = inst.size == 4;
    } else if (inst.guest == Op::fsgnj_d && inst.a == inst.b) {
        is_boxed = (boxed >> (inst.a - ir::kFirstFloat) & 1) != 0;  // fmv.d copies all bits
    } else {
        is_boxed = inst.op == ir::Op::float_op && gives_single(inst.guest);
    }
    return is_boxed ? boxed | bit : boxed & ~bit;
}

std::vector<std::uint32_t> boxed_at_blocks(const ir::Region& region, std::uint32_t entry) {
    std::vector<std::uint32_t> at(region.blocks.size(), ~std::uint32_t{0});
    at[0] = entry;
    // From above to the greatest fixed point: each round removes at least one bit.
    for (bool changed = true; changed;) {
        changed = false;
        for (std::size_t n = 0; n < region.blocks.size(); ++n) {
            std::uint32_t boxed = at[n];
            for (const ir::Inst& inst : region.blocks[n].insts) {
                if (jumps_within(inst) && (at[inst.target.block] & ~boxed) != 0) {
                    at[inst.target.block] &= boxed;
                    changed = true;
                }
                boxed = boxed_after(inst, boxed);
            }
        }
    }
    return at;
}

std::uint32_t boxed_operands_at_entry(const ir::Region& region) {
    const auto without = boxed_at_blocks(region, 0);
    const auto with = boxed_at_blocks(region, ~std::uint32_t{0});
    std::uint32_t found = 0;
    for (std::size_t n = 0; n < region.blocks.size(); ++n) {
        std::uint32_t unknown = without[n];
        std::uint32_t known = with[n];
        for (const ir::Inst& inst : region.blocks[n].insts) {
            if (inst.op == ir::Op::float_op && has_single_operands(inst.guest)) {
                for (const ir::Var v : {inst.a, inst.b, inst.c}) {
                    if (v != ir::kNone && ir::is_float(v)) {
                        found |= (known & ~unknown) & std::uint32_t{1} << (v - ir::kFirstFloat);
                    }
                }
            }
            unknown = boxed_after(inst, unknown);
            known = boxed_after(inst, known);
        }
    }
    return found;
}

std::vector<bool> any_nan_will_do(const ir::Block& block, bool probed) {
    std::vector<bool> found(block.insts.size());
    std::uint32_t seen = ~std::uint32_t{0};  // registers whose bits matter from here on
    // Those that are read as singles: a double among them is no number unless its upper half says
    // that it is none, so all of a NaN's bits matter if it is a double's.
    std::uint32_t unboxed = 0;
    const auto bit = [](ir::Var v) {
        return v != ir::kNone && ir::is_float(v) ? std::uint32_t{1} << (v - ir::kFirstFloat) : 0;
    };
    for (std::size_t n = block.insts.size(); n-- > 0;) {
        const ir::Inst& inst = block.insts[n];
        if (inst.op == ir::Op::float_op) {
            const std::uint32_t matter = gives_single(inst.guest) ? seen : seen | unboxed;
            found[n] = (bit(inst.dst) & ~matter) != 0;
        }
        seen &= ~bit(inst.dst);
        unboxed &= ~bit(inst.dst);
        if (shows_registers(inst, probed)) {
            seen = ~std::uint32_t{0};  // before it writes
        }
        if (inst.op != ir::Op::float_op || !sees_only_that_it_is_nan(inst.guest)) {
            seen |= bit(inst.a) | bit(inst.b) | bit(inst.c);
        } else if (has_single_operands(inst.guest)) {
            unboxed |= bit(inst.a) | bit(inst.b) | bit(inst.c);
        }
    }
    return found;
}

}  // namespace vmm::dbt
