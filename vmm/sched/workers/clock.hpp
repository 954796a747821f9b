// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/types.hpp>

#include <ctime>

namespace vmm::sched {

/// The workers' clock: host monotonic time, the same that RunContext and Vcpu::timer_deadline()
/// use.
inline Nanos monotonic_now() noexcept {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<Nanos>(now.tv_sec) * 1'000'000'000 + static_cast<Nanos>(now.tv_nsec);
}

/// CPU time that the calling thread has used.
inline Nanos thread_cpu_time() noexcept {
    timespec used{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return static_cast<Nanos>(used.tv_sec) * 1'000'000'000 + static_cast<Nanos>(used.tv_nsec);
}

}  // namespace vmm::sched
