// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/types.hpp>

#include <algorithm>
#include <atomic>

namespace vmm {

/// The clock of a deterministic run: nanoseconds since its start, in place of the host's monotonic
/// time. It moves only when guest instructions have retired, and to the next event when no vCPU has
/// anything to do. While a vCPU is inside run() it stands still for everybody but the guest, whose
/// `time` counts its own instructions on top.
///
/// Any thread reads; the one worker of the run moves it.
class VirtualTime {
public:
    /// What an instruction takes, whatever it does (ADR 0014).
    static constexpr Nanos kPerInstruction = 1;

    Nanos now() const noexcept { return now_.load(std::memory_order_relaxed); }
    void advance(Nanos by) noexcept { now_.store(now() + by, std::memory_order_relaxed); }
    /// To `time`, unless that has passed.
    void advance_to(Nanos time) noexcept {
        now_.store(std::max(now(), time), std::memory_order_relaxed);
    }

private:
    std::atomic<Nanos> now_{0};
};

}  // namespace vmm
