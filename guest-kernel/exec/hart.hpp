// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "arch/riscv64/cpu.hpp"

#include <executor/executor.h>

namespace kernel {

/// The kernel's side of the shared executor: one group, a context per hart.
cops_executor_group& executor_group();
/// Contexts of harts 0..hart_limit-1; those without a hart get one that never runs.
Result<void> init_executor();

/// IPIs to harts that the executor wants woken.
void send_kicks();
/// Takes what is pending: timer, IPIs, devices. The kernel polls; user mode traps.
void poll_interrupts();
/// The loop of a hart; ends with the machine.
[[noreturn]] void run_hart();

/// No IPIs go to the hart until it runs again.
void forget_hart(const Cpu& cpu);
/// Starts a hart that does not run. False: it can't be.
bool start_hart(Cpu& cpu);
/// Brings up the harts that the device tree names, but for this one.
void start_secondary_harts();

}  // namespace kernel
