// SPDX-License-Identifier: Apache-2.0
// How a vCPU runs in virtual time: by exact numbers of instructions, which are what time is made
// of (docs/design/deterministic.md).
#include "cpu/clock.hpp"
#include "fleet/guest.hpp"

#include <algorithm>

namespace vmm {
namespace {

/// In one go; a timer that the guest sets by itself meanwhile is late by no more.
constexpr Nanos kLongestStretch = 100'000;
/// Of host time, for one stretch. Only traps that lead into each other and execute nothing take as
/// long.
constexpr Nanos kPatience = 5'000'000'000;

}  // namespace

/// Nothing that happens in here depends on where an engine looks around: whatever reaches the vCPU
/// from outside has reached it before, and what it does to itself through the machine (stores to
/// devices, SBI) engines look at after that very instruction. So the deadline of `context` is a
/// number of instructions, and rings are not looked at.
ExitKind Guest::Port::run_in_virtual_time(const RunContext& context) {
    VirtualTime& time = *guest_.pool_.virtual_time();
    Machine& machine = *guest_.machine_;
    VcpuDebug& exact = *vcpu().debug();
    for (;;) {
        const Nanos now = time.now();
        Nanos end = std::min(context.deadline, now + kLongestStretch);
        if (const Nanos timer = vcpu().timer_deadline(); timer > now) {
            end = std::min(end, timer);
        }
        const std::uint64_t count = end > now ? (end - now + VirtualTime::kPerInstruction - 1)
                                                    / VirtualTime::kPerInstruction
                                              : 1;
        const std::uint64_t before = vcpu().counters().instructions;
        exact.set_instruction_limit(count);
        const Nanos patience = monotonic_now() + kPatience;
        const ExitKind exit = machine.run(hart_, {.deadline = patience});
        const std::uint64_t retired = vcpu().counters().instructions - before;
        time.advance(retired * VirtualTime::kPerInstruction);
        if (exit == ExitKind::interrupted && retired < count && monotonic_now() >= patience) {
            if (retired == 0) {
                machine.end({Ending::crashed, 0, "a hart traps without end and executes nothing"});
                return ExitKind::ended;
            }
            continue;  // the process was stopped, or its output was: nothing that the guest did
        }
        if (exit != ExitKind::counted) {
            return exit;
        }
        if (time.now() >= context.deadline) {
            return ExitKind::interrupted;
        }
    }
}

}  // namespace vmm
