// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "arch/riscv64/cpu.hpp"
#include "base/types.hpp"

#include <virtio_cops/virtio_cops.h>

#include <cstdint>

namespace kernel {

struct Process;

/// Of a process without executor. That of main coroutines (cops::kMainLevel), so that a program is
/// as urgent while its C library starts as it is when it begins.
inline constexpr std::uint32_t kDefaultLevel = VIRTIO_COPS_LEVEL_DEFAULT;

/// cmdline ceiling=: most urgent level that a process may claim. Boot only.
void set_ceiling(std::uint32_t level);

/// Makes the boards' and kernel lines' memory.
Result<void> init_scheduler();
/// Makes each hart's switching coroutine.
Result<void> start_switching();

/// A starting, blocked or parked process wants its hart. Any hart.
void make_runnable(Process& process);
/// The running process waits for a kernel coroutine, which ends by finish_call().
void block(Process& process);
/// Result of a blocked process's system call.
void finish_call(Process& process, std::int64_t result);
/// COPS_SYS_PARK. COPS_PARK_WFI, COPS_PARK_RETRY, or parked: then it returns when woken.
std::int64_t park(Process& process);

/// A completion for process `id` is in its list: it may have to run.
void completion_arrived(Process& process, std::uint64_t id);
/// Its hart chooses again at once.
void request_reschedule(Cpu& cpu);
/// The process's turn is over: others of its level come first.
void end_turn(Process& process);

/// Takes the current process off the hart: saves its state; the board shows none.
void leave_process(Cpu& cpu);
/// The board of a hart that sleeps in the kernel.
void publish_idle(Cpu& cpu);

/// Level at which the process competes now.
std::uint32_t level_of(const Process& process);

}  // namespace kernel
