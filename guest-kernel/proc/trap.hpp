// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "arch/riscv64/cpu.hpp"

namespace kernel {

struct Process;

/// Does what the trap that ended enter_user() asks for.
void handle_trap(Cpu& cpu, Process& process);
/// Puts the process's floating-point registers on the hart.
void load_process_float(Cpu& cpu, Process& process);

}  // namespace kernel
