// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/types.hpp>

#include <time.h>

namespace vmm {

/// Host monotonic time: the clock of RunContext::deadline and Vcpu::timer_deadline().
inline Nanos monotonic_now() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<Nanos>(now.tv_sec) * 1'000'000'000 + static_cast<Nanos>(now.tv_nsec);
}

}  // namespace vmm
