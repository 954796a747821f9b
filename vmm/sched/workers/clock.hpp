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

}  // namespace vmm::sched
