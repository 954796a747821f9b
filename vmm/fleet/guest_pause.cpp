// SPDX-License-Identifier: Apache-2.0
// What the operator asks of a guest while it runs: pause, resume, power off.
#include "fleet/guest.hpp"

#include <fmt/format.h>

namespace vmm {

/// As for a debugger, but nobody looks inside.
void Guest::advance_pause() {
    const bool wanted = pause_wanted_.load(std::memory_order_acquire);
    if (phase_ == Phase::running && wanted && !machine_->ended()) {
        phase_ = Phase::pausing;
        take_out_of_pool();
    }
    if (phase_ == Phase::pausing && left()) {
        phase_ = Phase::paused;
        machine_->clock().pause();
    }
    if (phase_ != Phase::paused) {
        return;
    }
    if (machine_->ended()) {
        machine_->clock().resume();
        phase_ = Phase::leaving;
    } else if (!wanted) {
        machine_->clock().resume();
        put_into_pool();
    }
}

Result<void> Guest::set_paused(bool paused) {
    {
        const std::lock_guard lock(outcome_mutex_);
        if (ended_ != 0) {
            return fail(ErrorKind::usage, fmt::format("guest {} has ended", config_.name));
        }
        pause_wanted_.store(paused, std::memory_order_release);
    }
    changed_();
    return {};
}

bool Guest::ask_power_off() {
    const std::lock_guard one_at_a_time(ask_mutex_);
    // First: it may have powered off before the device returns.
    const bool before = power_off_asked_.exchange(true, std::memory_order_acq_rel);
    const bool asked = state() != GuestState::held && device_->ask_power_off();
    if (!asked) {
        power_off_asked_.store(before, std::memory_order_release);
        return false;
    }
    return set_paused(false).has_value();
}

}  // namespace vmm
