// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "arch/riscv64/cpu.hpp"
#include "base/types.hpp"

#include <virtio_cops/virtio_cops.h>

#include <cstdint>

namespace kernel {

struct Process;
struct Thread;

/// Of a thread without executor. That of main coroutines (cops::kMainLevel), so that a program is
/// as urgent while its C library starts as it is when it begins.
inline constexpr std::uint32_t kDefaultLevel = VIRTIO_COPS_LEVEL_DEFAULT;

/// Makes the boards' and kernel lines' memory.
Result<void> init_scheduler();
/// Makes each hart's switching coroutine.
Result<void> start_switching();

/// A thread that is blocked or parked wants its hart: its call has ended, or is given up. Any hart.
void make_runnable(Thread& thread);
/// A parked thread may have something to do. Any hart.
void unpark(Thread& thread);
/// A thread that is made begins. By its maker, once.
void start(Thread& thread);
/// The running thread waits for a kernel coroutine, which ends by finish_call().
void block(Thread& thread);
/// The running thread is no more. Its process's lock is held.
void retire(Thread& thread);
/// Result of a blocked thread's system call.
void finish_call(Thread& thread, std::int64_t result);
/// COPS_SYS_PARK. COPS_PARK_WFI, COPS_PARK_RETRY, or parked: then it returns when woken.
std::int64_t park(Thread& thread);

/// A completion for process `id` is in its list of that hart: the thread there may have to run.
void completion_arrived(Process& process, std::uint64_t id, unsigned hart);
/// COPS_SYS_KICK: the thread's sleep ends, or its next one does at once. Any hart.
void kick(Thread& thread);
/// The thread is about to block: another of its process may do what is ready on its hart.
void kick_another(Thread& thread);
/// An interrupt came while the thread had its hart. `at_wfi`: at its wfi, with nothing ready.
void interrupted(Thread& thread, bool at_wfi);
/// Was it kicked, and not yet told?
bool take_kick(Thread& thread);
/// The hart's switching coroutine looks at its threads, one of which may run at `level`. Any hart.
void wake_switcher(Cpu& cpu, std::uint32_t level);
/// Its hart chooses again at once.
void request_reschedule(Cpu& cpu);
/// The thread gives its turn away: others of its level come first, once.
void end_turn(Thread& thread);

/// Takes the current thread off the hart: saves its state; the board shows none.
void leave_thread(Cpu& cpu);
/// VIRTIO_COPS_BOARD_F_*. The kernel is a critical section: it may hold locks that others need.
void set_board_flags(Cpu& cpu, std::uint32_t flags);
/// The board of a hart that sleeps in the kernel.
void publish_idle(Cpu& cpu);

/// Level at which the thread competes now.
std::uint32_t level_of(const Thread& thread);

}  // namespace kernel
