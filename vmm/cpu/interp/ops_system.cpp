// SPDX-License-Identifier: Apache-2.0
// Traps, CSRs and the privileged instructions.
#include "cpu/interp/ops.hpp"
#include "cpu/riscv/decode.hpp"

namespace vmm::interp {

using riscv::Cause;
using riscv::CsrEffect;

COPS_OP(op_fault) {
    cpu->pc = base + cpu->offset_of(ip);
    budget -= ip->index;
    cpu->raise(cpu->fault_cause, cpu->fault_value);
    // An exception has to cost budget too: code that does nothing else must still be polled.
    --budget;
    --cpu->retired_base;
    COPS_TAIL(op_enter);
}

COPS_OP(op_illegal) {
    cpu->fault_cause = Cause::illegal_instruction;
    cpu->fault_value = cpu->word_at(ip);
    COPS_TAIL(op_fault);
}

COPS_OP(op_ebreak) {
    cpu->fault_cause = Cause::breakpoint;
    cpu->fault_value = base + cpu->offset_of(ip);
    COPS_TAIL(op_fault);
}

namespace {

/// Ends a handler that changed privilege or control state: cpu->pc says where to go on.
COPS_OP(resume) {
    budget = retire(budget, ip);
    cpu->refresh_mode();
    if (budget >= 0) {
        cpu->take_pending_interrupt();
    }  // else the poll does, after it has looked at the instruction limit
    COPS_TAIL(op_enter);
}

enum class CsrOutcome : std::uint8_t { next, illegal, resume };

/// The CSR instruction at `ip`.
CsrOutcome execute_csr(Cpu& cpu, const Insn* ip, std::int64_t budget, riscv::Op op) {
    cpu.hart.state.instret = cpu.retired(budget) + ip->index;
    cpu.collect_float_flags();
    const auto result = cpu.hart.execute_csr({
        .op = op,
        .number = static_cast<unsigned>(ip->imm),
        .rs1 = ip->rs1,
        .rs1_value = cpu.x[ip->rs1],
    });
    if (!result) {
        return CsrOutcome::illegal;
    }
    const auto [old, effect] = *result;
    cpu.x[ip->rd] = old;
    if (effect == CsrEffect::none) {
        return CsrOutcome::next;
    }
    if (has(effect, CsrEffect::translation)) {
        cpu.caches.flush();
    }
    if (has(effect, CsrEffect::interrupts)) {
        cpu.hart.update_timers();
    }
    return CsrOutcome::resume;
}

template <riscv::Op op>
COPS_OP(csr) {
    switch (execute_csr(*cpu, ip, budget, op)) {
    case CsrOutcome::illegal:
        COPS_TAIL(op_illegal);
    case CsrOutcome::resume:
        cpu->pc = base + cpu->offset_after(ip);
        COPS_TAIL(resume);
    case CsrOutcome::next:
        break;
    }
    COPS_NEXT();
}

}  // namespace

COPS_OP(op_csrrw) {
    COPS_TAIL(csr<riscv::Op::csrrw>);
}
COPS_OP(op_csrrs) {
    COPS_TAIL(csr<riscv::Op::csrrs>);
}
COPS_OP(op_csrrc) {
    COPS_TAIL(csr<riscv::Op::csrrc>);
}
COPS_OP(op_csrrwi) {
    COPS_TAIL(csr<riscv::Op::csrrwi>);
}
COPS_OP(op_csrrsi) {
    COPS_TAIL(csr<riscv::Op::csrrsi>);
}
COPS_OP(op_csrrci) {
    COPS_TAIL(csr<riscv::Op::csrrci>);
}

COPS_OP(op_ecall) {
    if (cpu->hart.user()) {
        cpu->fault_cause = Cause::user_ecall;
        cpu->fault_value = 0;
        COPS_TAIL(op_fault);
    }
    cpu->pc = base + cpu->offset_after(ip);
    const bool leaves = cpu->call_machine(cpu->x.data());
    cpu->leave_block = false;  // `resume` looks up anew
    if (leaves) {
        cpu->saved_budget = retire(budget, ip);
        return;
    }
    cpu->set_budget(budget, ip->index);  // negative once retired: poll now
    COPS_TAIL(resume);
}

COPS_OP(op_sret) {
    if (cpu->hart.user()) {
        COPS_TAIL(op_illegal);
    }
    cpu->pc = cpu->hart.return_from_supervisor();
    COPS_TAIL(resume);
}

COPS_OP(op_uret) {
    if (!cpu->hart.may_return_from_user()) {
        COPS_TAIL(op_illegal);
    }
    cpu->pc = cpu->hart.return_from_user();
    COPS_TAIL(resume);
}

COPS_OP(op_wfi) {
    if (!cpu->hart.may_wait()) {
        COPS_TAIL(op_illegal);
    }
    cpu->pc = base + cpu->offset_after(ip);
    if (!cpu->hart.is_awake()) {
        cpu->exit = ExitKind::idle;
        cpu->saved_budget = retire(budget, ip);
        return;
    }
    COPS_TAIL(resume);
}

COPS_OP(op_sfence_vma) {
    if (cpu->hart.user()) {
        COPS_TAIL(op_illegal);
    }
    // The caches don't tell address spaces apart, so rs2 makes no difference.
    if (ip->rs1 == 0) {
        cpu->caches.flush();
    } else {
        cpu->caches.flush_page(cpu->x[ip->rs1]);
    }
    cpu->pc = base + cpu->offset_after(ip);
    COPS_TAIL(resume);
}

// Svinval: an invalidation is done at once, so that what orders several of them has nothing left to
// do.
COPS_OP(op_sinval_vma) {
    COPS_TAIL(op_sfence_vma);
}

COPS_OP(op_sfence_w_inval) {
    if (cpu->hart.user()) {
        COPS_TAIL(op_illegal);
    }
    COPS_NEXT();
}

COPS_OP(op_sfence_inval_ir) {
    COPS_TAIL(op_sfence_w_inval);
}

COPS_OP(op_fence_i) {
    cpu->fence_i();
    cpu->pc = base + cpu->offset_after(ip);
    COPS_TAIL(resume);
}

}  // namespace vmm::interp
