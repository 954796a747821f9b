// SPDX-License-Identifier: Apache-2.0
// CSRs and the privileged instructions, on the hart's state.
#include "cpu/dbt/runtime/cpu.hpp"
#include "cpu/riscv/decode.hpp"

namespace vmm::dbt {

using riscv::Cause;
using riscv::CsrEffect;
using riscv::Op;

namespace {

constexpr unsigned rd_of(std::uint32_t word) {
    return word >> 7 & 31;
}
constexpr unsigned rs1_of(std::uint32_t word) {
    return word >> 15 & 31;
}

}  // namespace

std::uint32_t Cpu::execute_system(const SystemInfo& info, std::uint32_t word) {
    const std::uint64_t here = state.page_base + info.offset;
    const std::uint64_t next = state.page_base + info.next_offset;
    state.pc = next;
    state.reason = next_by();
    switch (system_instruction(info, word)) {
    case After::next:
        return 0;
    case After::fault:
        state.pc = here;
        state.budget += info.give_back;
        raise(fault_cause, fault_value);
        // An exception has to cost budget too: code that does nothing else must still be polled.
        --state.budget;
        --retired_base;
        return 1;
    case After::resume:
        break;
    case After::leave:
        state.budget += info.give_back - 1;
        state.reason = LeaveReason::end;
        return 1;
    }
    state.budget += info.give_back - 1;
    if (leave_block) {
        set_budget(-1);  // poll now
    }
    refresh_mode();
    if (state.budget >= 0 && retired() != limit) {
        take_pending_interrupt();
    }  // else the poll does, after it has looked at the instruction limit
    return 1;
}

Cpu::After Cpu::system_instruction(const SystemInfo& info, std::uint32_t word) {
    const auto op = static_cast<Op>(info.guest);
    switch (op) {
    case Op::csrrw:
    case Op::csrrs:
    case Op::csrrc:
    case Op::csrrwi:
    case Op::csrrsi:
    case Op::csrrci:
        return csr(op, word, retired() - info.give_back);
    case Op::ecall:
        return ecall();
    case Op::ebreak:
        fault_cause = Cause::breakpoint;
        fault_value = state.page_base + info.offset;
        return After::fault;
    case Op::sret:
        if (hart.user()) {
            return illegal(word);
        }
        state.pc = hart.return_from_supervisor();
        return After::resume;
    case Op::uret:
        if (!hart.may_return_from_user()) {
            return illegal(word);
        }
        state.pc = hart.return_from_user();
        return After::resume;
    case Op::wfi:
        if (!hart.may_wait()) {
            return illegal(word);
        }
        if (!hart.is_awake()) {
            exit = ExitKind::idle;
            return After::leave;
        }
        return After::resume;
    case Op::sfence_vma:
    case Op::sinval_vma:
        return sfence_vma(word);
    case Op::sfence_w_inval:
    case Op::sfence_inval_ir:
        // An invalidation is done at once: what orders several has nothing left to do.
        return hart.user() ? illegal(word) : After::next;
    case Op::fence_i:
        fence_i();
        return After::resume;
    default:
        return illegal(word);
    }
}

Cpu::After Cpu::illegal(std::uint32_t word) {
    fault_cause = Cause::illegal_instruction;
    fault_value = word;
    return After::fault;
}

Cpu::After Cpu::csr(Op op, std::uint32_t word, std::uint64_t retired_before) {
    hart.state.instret = retired_before;
    collect_float_flags();
    const unsigned rs1 = rs1_of(word);
    const auto result =
        hart.execute_csr({.op = op, .number = word >> 20, .rs1 = rs1, .rs1_value = state.x[rs1]});
    if (!result) {
        return illegal(word);
    }
    const auto [old, effect] = *result;
    if (rd_of(word) != 0) {
        state.x[rd_of(word)] = old;
    }
    if (effect == CsrEffect::none) {
        return After::next;
    }
    if (has(effect, CsrEffect::translation)) {
        caches.flush();
        return After::resume;
    }
    if (has(effect, CsrEffect::interrupts)) {
        hart.update_timers();
        if (hart.interrupt_to_take(hart.pending_cached())) {
            return After::resume;
        }
    }
    const ir::Mode before = mode;
    refresh_mode();
    return before == mode ? After::next : After::resume;
}

Cpu::After Cpu::ecall() {
    if (hart.user()) {
        fault_cause = Cause::user_ecall;
        fault_value = 0;
        return After::fault;
    }
    const bool leaves = call_machine(state.x);
    leave_block = !leaves;  // poll now
    return leaves ? After::leave : After::resume;
}

Cpu::After Cpu::sfence_vma(std::uint32_t word) {
    if (hart.user()) {
        return illegal(word);
    }
    // The caches don't tell address spaces apart, so rs2 makes no difference.
    if (rs1_of(word) == 0) {
        caches.flush();
        return After::resume;
    }
    const std::uint64_t address = state.x[rs1_of(word)];
    const bool is_code = caches.is_code_page(address);
    const bool all = caches.flush_page(address);
    return is_code || all ? After::resume : After::next;
}

}  // namespace vmm::dbt
