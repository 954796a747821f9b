// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "arch/riscv64/cpu.hpp"
#include "base/types.hpp"

#include <virtio_cops/virtio_cops.h>

#include <cstdint>

namespace kernel {

struct Process;
struct Thread;

/// The page of kernel lines that processes read. Boot only.
void set_kernel_page(PhysAddr page);
PhysAddr kernel_page();

/// Makes the thread the one that user interrupts of this hart belong to, and the board say so.
void enter_user_interrupts(Cpu& cpu, Thread& thread);
/// Saves what it had pending; none reaches another.
void leave_user_interrupts(Cpu& cpu, Thread& thread);
/// Before each entry: completions that nobody has seen become a user interrupt, or an upcall where
/// the hart has no user interrupts.
void deliver_user_interrupt(Cpu& cpu, Thread& thread);
/// COPS_SYS_UPCALL_TAKE and _GIVE (user_abi.h).
std::int64_t take_upcall(Thread& thread);
std::int64_t give_upcall(Thread& thread, UserAddr pc);
/// The illegal instruction was the uret of an upcall: goes back to the interrupted pc.
bool finish_upcall(Thread& thread);

/// The kernel completes a slot itself and lets the process know. `request` names slot, generation,
/// hart, level, user data and process; what the process has broken of its own is left alone.
void complete_slot(Process& process, const virtio_cops_req& request, std::int64_t result);

}  // namespace kernel
