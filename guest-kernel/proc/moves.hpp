// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "arch/riscv64/cpu.hpp"

namespace kernel {

/// Threads of a hart that the host grants and revokes move to its stand-in with all that they have
/// (line, slots, executor's context) while it is away, and back.

/// On the hart, with no coroutine running: its threads are its stand-in's from here on. False: that
/// is just giving them back; ask again when the switching coroutine was woken.
bool hand_threads_over(Cpu& cpu);
/// On the hart, which has begun again: its stand-in gives its threads back, soon.
void want_threads_back(Cpu& cpu);
/// On a stand-in, while it runs no thread.
void give_threads_back(Cpu& cpu);

}  // namespace kernel
