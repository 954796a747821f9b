// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/interp/cpu.hpp"
#include "cpu/interp/insn.hpp"

/// The handlers: one for each line of instructions.inc (op_NAME) and some that no instruction has.
///
/// Each ends in a tail call: to the next instruction's handler, to a jump's target, or to one of
/// the slow ones below. Nothing lives on the host's stack from one guest instruction to the next;
/// leaving run() is an ordinary return.
// Macros, because only `return` in the handler itself can be a guaranteed tail call.
// AddressSanitizer can't lay out frames under this calling convention; what handlers call is
// checked.
#define COPS_OP(name)                                                                              \
    __attribute__((no_sanitize("address"))) COPS_PRESERVE_NONE void name(COPS_OP_PARAMETERS)
/// Goes on in another handler with the same arguments.
#define COPS_TAIL(handler) [[clang::musttail]] return handler(COPS_OP_ARGUMENTS)
/// Executes the Insn that `ip` points to now.
#define COPS_DISPATCH() [[clang::musttail]] return ip->run(COPS_OP_ARGUMENTS)
/// Executes the instruction after this one.
#define COPS_NEXT() [[clang::musttail]] return ip[1].run(ip + 1, cpu, base, budget, tlb)

namespace vmm::interp {

#define X(name, mnemonic, format, mask, match) COPS_OP(op_##name);
#include "cpu/riscv/instructions.inc"
#undef X

/// Looks cpu->pc up and executes there; polls first when the budget is used up.
COPS_OP(op_enter);
/// A near jump landed on `ip`, the first of its block, with the budget used up.
COPS_OP(op_poll);
/// Raises the exception that cpu->fault_* describe at `ip`.
COPS_OP(op_fault);
/// Raises an illegal-instruction exception at `ip`.
COPS_OP(op_illegal);
/// Goes on after `ip` by looking the next pc up.
COPS_OP(op_leave_block);

/// Executes at most cpu->step_insns instructions at cpu->pc. The budget is 0: the next jump polls.
COPS_OP(op_step);
/// A breakpoint at this page offset: leaves run() when it is one at this address.
COPS_OP(op_breakpoint);

/// Writes nothing: instructions whose only result would be in x0.
COPS_OP(op_nop);
/// rd = imm
COPS_OP(op_li);
/// rd = rs1
COPS_OP(op_mv);
/// The block's end without a jump. imm: page offset of what follows; below 4096 for the near one.
COPS_OP(op_end_near);
COPS_OP(op_end_far);

/// Branches whose target (imm, relative to the page) is in another page; the plain op_beq etc.
/// have theirs in their own page.
COPS_OP(op_beq_far);
COPS_OP(op_bne_far);
COPS_OP(op_blt_far);
COPS_OP(op_bge_far);
COPS_OP(op_bltu_far);
COPS_OP(op_bgeu_far);
/// jal: imm is the target relative to the page, link_offset() where it returns to.
COPS_OP(op_jal_far);

/// Page offset of the instruction after a jal, in the fields that jal has no other use for.
inline std::uint64_t link_offset(const Insn* ip) {
    return std::uint64_t{ip->rs1} | std::uint64_t{ip->rs2} << 8;
}

/// jalr packs two numbers into imm: its own immediate and the page offset it links.
inline std::int32_t pack_jalr(std::int32_t imm, std::uint32_t link) {
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(imm) << 16 | link);
}
inline std::int64_t jalr_imm(const Insn* ip) {
    return ip->imm >> 16;
}
inline std::uint64_t jalr_link(const Insn* ip) {
    return static_cast<std::uint32_t>(ip->imm) & 0xffff;
}

/// Retires the instructions of the block up to and including `ip`.
inline std::int64_t retire(std::int64_t budget, const Insn* ip) {
    return budget - ip->index - 1;
}

}  // namespace vmm::interp
