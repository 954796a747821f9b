// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cops/error.hpp>

#include <kernel_abi/user_abi.h>

#include <chrono>
#include <cstdint>

namespace cops {

/// What a process may have of its hart: the most urgent level that it may claim, its weight among
/// processes of one level, and the percentage that it gets whatever others claim.
using ProcessLimits = cops_process_limits;

/// Starts another process from an ELF file of the initrd or a grant. Vectors end with null. Gives
/// its pid. Without limits it has the caller's, up to weight 100 and share 5; wider ones than the
/// caller's are refused with EPERM.
Result<int> spawn_process(
    const char* path,
    const char* const* argv,
    const char* const* envp,
    const ProcessLimits* limits = nullptr
) noexcept;

/// Waits until a process has ended; gives its exit status (0..255). Blocks the hart that
/// calls.
Result<int> wait_process(int pid) noexcept;

/// What the kernel counted for this process.
Result<cops_kernel_counters> kernel_counters() noexcept;

/// True when completions interrupt in user mode (N extension), false when the kernel upcalls.
bool has_user_interrupts() noexcept;

/// Harts that the guest has, and the one the caller runs on now.
unsigned harts() noexcept;
unsigned hart() noexcept;

/// Lets this process run on `count` of the guest's harts, or on all when there are fewer; gives how
/// many it has. Coroutines go where a hart is free, most urgent first. It begins with one, that
/// stays. With fewer than before, a hart that is taken back gets no more work: its coroutines go on
/// there until they suspend, and then elsewhere. Errors: EINVAL count is 0.
Result<unsigned> alloc_cpu(unsigned count) noexcept;

/// The least urgent coroutine that is ready on a hart has a turn within `window`, plus a slice (5
/// ms) and a tick (5 ms; 10 ms without user interrupts), whatever is more urgent in this process:
/// until it suspends, a slice at most. 0, as at the start: never. Other processes are the kernel's
/// business.
void set_window(std::chrono::nanoseconds window) noexcept;

/// Guest time in ticks of the timebase (1 ns by default).
std::uint64_t time_now() noexcept;

}  // namespace cops
