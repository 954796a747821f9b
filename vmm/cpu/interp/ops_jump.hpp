// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/interp/alu.hpp"
#include "cpu/interp/ops.hpp"

/// What plain and fused branches share.
namespace vmm::interp {

/// Where a linked near jump at `ip` goes: its imm is the distance in bytes.
inline Insn* linked_target(Insn* ip) {
    return reinterpret_cast<Insn*>(reinterpret_cast<std::byte*>(ip) + ip->imm);
}

/// A branch that has been taken before and knows its target.
template <class Condition>
COPS_OP(branch_linked) {
    if (Condition::of(cpu->x[ip->rs1], cpu->x[ip->rs2])) {
        budget = retire(budget, ip);
        ip = linked_target(ip);
        if (budget < 0) [[unlikely]] {
            COPS_TAIL(op_poll);
        }
        COPS_DISPATCH();
    }
    COPS_NEXT();
}

}  // namespace vmm::interp
