// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "arch/riscv64/cpu.hpp"

namespace kernel {

struct Thread;

/// Does what the trap that ended enter_user() asks for.
void handle_trap(Cpu& cpu, Thread& thread);
/// Puts the thread's floating-point registers on the hart.
void load_thread_float(Cpu& cpu, Thread& thread);

}  // namespace kernel
