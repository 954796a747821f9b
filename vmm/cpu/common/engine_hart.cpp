// SPDX-License-Identifier: Apache-2.0
#include "cpu/common/engine_hart.hpp"

#include "cpu/clock.hpp"
#include "cpu/common/float_environment.hpp"

#include <algorithm>
#include <iterator>

namespace vmm {

std::uint64_t MachineClock::guest_time() {
    const HostFloatScope scope;
    return host_.guest_time();
}

std::uint64_t MachineClock::guest_time_at(std::uint64_t retired) {
    const HostFloatScope scope;
    return host_.guest_time_at(retired);
}

EngineHart::EngineHart(
    GuestMemory& guest_memory,
    VcpuHost& vcpu_host,
    unsigned hart_id,
    const EngineOptions& options,
    unsigned polls_per_clock
)
    : clock(vcpu_host)
    , hart(clock, options.user_interrupts)
    , memory(guest_memory)
    , host(vcpu_host)
    , id(hart_id)
    , polls_per_clock_(polls_per_clock) {
    hart.state.stopped = 1;
}

void EngineHart::begin_turn(const RunContext& run_context) {
    context = run_context;
    // Even when the deadline has passed, the guest gets as far as the next look at the clock.
    polls_until_clock_ = polls_per_clock_;
}

bool EngineHart::turn_ends(std::uint32_t asked) {
    exit = ExitKind::interrupted;
    if ((asked & Mailbox::kExit) != 0 || ring_waits(context)) {
        return true;
    }
    if (polls_until_clock_-- != 0) {
        return false;
    }
    polls_until_clock_ = polls_per_clock_;
    hart.update_timers();
    return context.deadline != ~Nanos{0} && monotonic_now() >= context.deadline;
}

bool EngineHart::call_machine(std::uint64_t* x) {
    SbiCall call{};
    std::copy_n(x + 10, std::size(call.args), call.args);
    call.function = x[16];
    call.extension = x[17];
    ++sbi_calls;
    SbiReply reply;
    {
        const HostFloatScope scope;
        reply = host.sbi_call(id, call);
    }
    x[10] = static_cast<std::uint64_t>(reply.error);
    if (!reply.legacy) {
        x[11] = reply.value;
    }
    if (reply.exit) {
        if (reply.exit_kind == ExitKind::stopped) {
            hart.state.stopped = 1;
        }
        exit = reply.exit_kind;
        return true;
    }
    hart.update_timers();
    return false;
}

}  // namespace vmm
