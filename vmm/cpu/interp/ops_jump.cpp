// SPDX-License-Identifier: Apache-2.0
// Jumps, branches and the ways from block to block.
//
// A jump within its page is linked to its target's Insn when first taken: the page of code is the
// same whatever it is mapped at, and a page's blocks disappear together. A jump to another page
// goes through the jump cache, which knows translations.
#include "cpu/interp/ops_jump.hpp"

#include "cpu/interp/fuse.hpp"

namespace vmm::interp {

COPS_OP(op_enter) {
    do {
        if (budget < 0) {
            const PollResult found = cpu->poll(budget);
            if (found == PollResult::leave) {
                cpu->saved_budget = budget;
                return;
            }
            if (found == PollResult::step) {
                COPS_TAIL(op_step);
            }
        }
        ip = cpu->look_up();
        if (ip == nullptr) {
            // A trap was taken instead. It counts against the budget, so that a handler that can't
            // be fetched doesn't keep us here, and not as an instruction.
            --budget;
            --cpu->retired_base;
        }
    } while (ip == nullptr);
    base = cpu->pc & ~kPageOffsetMask;
    tlb = cpu->tlb;
    COPS_DISPATCH();
}

COPS_OP(op_poll) {
    cpu->pc = base + block_of(ip)->offset;
    switch (cpu->poll(budget)) {
    case PollResult::leave:
        cpu->saved_budget = budget;
        return;
    case PollResult::changed:
        COPS_TAIL(op_enter);
    case PollResult::step:
        COPS_TAIL(op_step);
    case PollResult::nothing:
        break;
    }
    COPS_DISPATCH();
}

COPS_OP(op_step) {
    ip = cpu->look_up_step();
    if (ip == nullptr) {
        // As in op_enter.
        --budget;
        --cpu->retired_base;
        COPS_TAIL(op_enter);
    }
    base = cpu->pc & ~kPageOffsetMask;
    tlb = cpu->tlb;
    COPS_DISPATCH();
}

COPS_OP(op_breakpoint) {
    cpu->pc = base + cpu->offset_of(ip);
    budget -= ip->index;
    if (cpu->breakpoints.contains(cpu->pc)) {
        cpu->exit = ExitKind::breakpoint;
        cpu->saved_budget = budget;
        return;
    }
    // Code is decoded by page, breakpoints are virtual addresses: this one is in another page.
    cpu->step_insns = 1;
    cpu->step_past_breakpoint = true;
    cpu->set_budget(budget, 0);
    COPS_TAIL(op_step);
}

COPS_OP(op_leave_block) {
    cpu->pc = base + cpu->offset_after(ip);
    budget = retire(budget, ip);
    if (cpu->leave_block) {
        // Served or about to be: op_enter looks up anew anyway, and polls at once.
        cpu->leave_block = false;
        cpu->set_budget(budget, -1);
    }
    COPS_TAIL(op_enter);
}

namespace {

/// Goes to cpu->pc through the jump cache.
COPS_OP(jump) {
    const std::uint64_t pc = cpu->pc;
    const JumpEntry& entry = cpu->jumps[jump_index(pc)];
    if (entry.pc != pc || budget < 0) [[unlikely]] {
        COPS_TAIL(op_enter);
    }
    ip = entry.code;
    base = pc & ~kPageOffsetMask;
    COPS_DISPATCH();
}

std::uint64_t target_of(const Insn* ip, std::uint64_t base) {
    return base + static_cast<std::uint64_t>(std::int64_t{ip->imm});
}

/// Links a near jump at `ip` and takes it. The budget has been charged.
template <Handler linked>
COPS_OP(link_near) {
    const std::int32_t offset = ip->imm;
    Insn* target = cpu->resolve_near(ip, offset, linked);
    if (target == nullptr) {
        cpu->pc = base + static_cast<std::uint64_t>(std::int64_t{offset});
        COPS_TAIL(op_enter);
    }
    fuse_branch(ip);
    ip = target;
    if (budget < 0) {
        COPS_TAIL(op_poll);
    }
    COPS_DISPATCH();
}

template <class Condition>
COPS_OP(branch_near) {
    if (Condition::of(cpu->x[ip->rs1], cpu->x[ip->rs2])) {
        budget = retire(budget, ip);
        COPS_TAIL(link_near<branch_linked<Condition>>);
    }
    COPS_NEXT();
}

template <class Condition>
COPS_OP(branch_far) {
    if (Condition::of(cpu->x[ip->rs1], cpu->x[ip->rs2])) {
        budget = retire(budget, ip);
        cpu->pc = target_of(ip, base);
        COPS_TAIL(jump);
    }
    COPS_NEXT();
}

COPS_OP(jal_linked) {
    cpu->x[ip->rd] = base + link_offset(ip);
    budget = retire(budget, ip);
    ip = linked_target(ip);
    if (budget < 0) [[unlikely]] {
        COPS_TAIL(op_poll);
    }
    COPS_DISPATCH();
}

COPS_OP(end_linked) {
    budget -= ip->index;
    ip = linked_target(ip);
    if (budget < 0) [[unlikely]] {
        COPS_TAIL(op_poll);
    }
    COPS_DISPATCH();
}

}  // namespace

// clang-format off
#define COPS_BRANCH(op, condition)                                                                 \
    COPS_OP(op_##op) { COPS_TAIL(branch_near<alu::condition>); }                                   \
    COPS_OP(op_##op##_far) { COPS_TAIL(branch_far<alu::condition>); }

COPS_BRANCH(beq, Eq)
COPS_BRANCH(bne, Ne)
COPS_BRANCH(blt, Lt)
COPS_BRANCH(bge, Ge)
COPS_BRANCH(bltu, Ltu)
COPS_BRANCH(bgeu, Geu)
// clang-format on

COPS_OP(op_jal) {
    cpu->x[ip->rd] = base + link_offset(ip);
    budget = retire(budget, ip);
    COPS_TAIL(link_near<jal_linked>);
}

COPS_OP(op_jal_far) {
    cpu->x[ip->rd] = base + link_offset(ip);
    budget = retire(budget, ip);
    cpu->pc = target_of(ip, base);
    COPS_TAIL(jump);
}

COPS_OP(op_jalr) {
    const std::uint64_t target =
        (cpu->x[ip->rs1] + static_cast<std::uint64_t>(jalr_imm(ip))) & ~std::uint64_t{1};
    cpu->x[ip->rd] = base + jalr_link(ip);
    budget = retire(budget, ip);
    cpu->pc = target;
    COPS_TAIL(jump);
}

COPS_OP(op_end_near) {
    budget -= ip->index;
    COPS_TAIL(link_near<end_linked>);
}

COPS_OP(op_end_far) {
    budget -= ip->index;
    cpu->pc = target_of(ip, base);
    COPS_TAIL(jump);
}

}  // namespace vmm::interp
