// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cops/error.hpp>

#include <kernel_abi/user_abi.h>

#include <cstdint>

namespace cops {

/// Starts another process from an ELF file of the initrd or a grant. Vectors end with null. Gives
/// its pid.
Result<int>
spawn_process(const char* path, const char* const* argv, const char* const* envp) noexcept;

/// Waits until a process has ended; gives its exit status (0..255). Blocks this whole process.
Result<int> wait_process(int pid) noexcept;

/// What the kernel counted for this process.
Result<cops_kernel_counters> kernel_counters() noexcept;

/// True when completions interrupt in user mode (N extension), false when the kernel upcalls.
bool has_user_interrupts() noexcept;

/// Harts this process may use, and the one it runs on.
unsigned harts() noexcept;
unsigned hart() noexcept;

/// Guest time in ticks of the timebase (1 ns by default).
std::uint64_t time_now() noexcept;

}  // namespace cops
