// SPDX-License-Identifier: Apache-2.0
#include "system_call.hpp"

#include <cops/process.hpp>
#include <cops/sync/detail/timers.hpp>

#include <ctime>

namespace cops {

using detail::system_call;

Result<int> spawn_process(
    const char* path, const char* const* argv, const char* const* envp, const ProcessLimits* limits
) noexcept {
    return to_result<int>(system_call(
        COPS_SYS_SPAWN_PROCESS,
        reinterpret_cast<long>(path),
        reinterpret_cast<long>(argv),
        reinterpret_cast<long>(envp),
        reinterpret_cast<long>(limits)
    ));
}

Result<int> wait_process(int pid) noexcept {
    return to_result<int>(system_call(COPS_SYS_WAIT_PROCESS, pid));
}

Result<cops_kernel_counters> kernel_counters() noexcept {
    cops_kernel_counters counters{};
    const long status = system_call(COPS_SYS_COUNTERS, reinterpret_cast<long>(&counters));
    if (status < 0) {
        return std::unexpected(Error(static_cast<int>(-status)));
    }
    return counters;
}

std::uint64_t time_now() noexcept {
    std::uint64_t ticks;
    __asm__ volatile("rdtime %0" : "=r"(ticks));
    return ticks;
}

std::uint64_t detail::monotonic_ns() noexcept {
    // Not time_now(): the kernel knows how long a tick of the timebase is.
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000
           + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace cops
