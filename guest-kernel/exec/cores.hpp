// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "arch/riscv64/cpu.hpp"

namespace kernel {

/// Harts that are the guest's while the host grants them (virtio-cops, section 16). While one is
/// away, another hart runs its threads (proc/moves.hpp).

/// Boot only, before the executor: harts from `own` on come and go.
void set_own_harts(unsigned own);
/// Harts 0..own_harts()-1 are the guest's for good.
unsigned own_harts();
/// The hart is there, or may be started.
bool is_granted(const Cpu& cpu);
/// Starts what was granted; tells harts that they are revoked. Any hart.
void look_at_cores();

/// The host wants this hart back. On that hart.
bool must_leave(const Cpu& cpu);
/// Gives the hart back, in the loop of run_hart(). Returns when it cannot yet.
void leave_hart(Cpu& cpu);
/// At the begin of run_hart().
void hart_begins(Cpu& cpu);

}  // namespace kernel
