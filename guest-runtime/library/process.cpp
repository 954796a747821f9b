// SPDX-License-Identifier: Apache-2.0
#include "system_call.hpp"

#include <cops/process.hpp>

namespace cops {

using detail::system_call;

Result<int>
spawn_process(const char* path, const char* const* argv, const char* const* envp) noexcept {
    return to_result<int>(system_call(
        COPS_SYS_SPAWN_PROCESS,
        reinterpret_cast<long>(path),
        reinterpret_cast<long>(argv),
        reinterpret_cast<long>(envp)
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

}  // namespace cops
