// SPDX-License-Identifier: Apache-2.0
#include "fleet/guest.hpp"

#include <fmt/format.h>

#include <bit>
#include <string_view>

namespace vmm {
namespace {

VcpuState state_of(sched::VcpuEntry::State state) {
    using State = sched::VcpuEntry::State;
    switch (state) {
    case State::idle:
        return VcpuState::idle;
    case State::ready:
        return VcpuState::ready;
    case State::running:
        return VcpuState::running;
    case State::stopped:
        return VcpuState::stopped;
    case State::ended:
        break;
    }
    return VcpuState::off;
}

}  // namespace

GuestState Guest::state() const noexcept {
    switch (phase_.load(std::memory_order_relaxed)) {
    case Phase::created:
        return GuestState::created;
    case Phase::running:
    case Phase::pausing:
        return power_off_asked_.load(std::memory_order_relaxed) ? GuestState::ending
                                                                : GuestState::running;
    case Phase::saving:
        return GuestState::saving;
    case Phase::holding:
    case Phase::held:
        return GuestState::held;
    case Phase::paused:
        return GuestState::paused;
    case Phase::leaving:
    case Phase::draining:
        return GuestState::ending;
    case Phase::ended:
        break;
    }
    return GuestState::ended;
}

GuestReport Guest::report(Nanos fleet_started) const {
    GuestReport report;
    const auto since_start = [&](Nanos time) {
        return time > fleet_started ? time - fleet_started : 0;
    };
    {
        const std::lock_guard lock(outcome_mutex_);
        report.outcome = {
            .name = config_.name,
            .ending = outcome_.ending,
            .status = outcome_.status,
            .message = outcome_.message,
        };
        report.started_ns = since_start(started_);
        report.ended_ns = since_start(ended_);
        // Ended and the outcome are one: who sees that it has ended knows how.
        const GuestState now = state();
        report.state = now == GuestState::ended && ended_ == 0 ? GuestState::ending : now;
    }
    report.engine = machine_->vcpu(0).engine_name();
    const sched::CoreSets cores = pool_.cores({.guest = index_});
    report.own_vcpus = config_.cpus;
    report.granted_vcpus = static_cast<unsigned>(std::popcount(cores.granted));
    for (unsigned hart = 0; hart < machine_cpus(config_); ++hart) {
        const sched::VcpuTimes times = pool_.times(vcpus_[hart]);
        const sched::VcpuStatus status = pool_.status(vcpus_[hart]);
        const VcpuCounters counters = ports_[hart]->counters();
        report.vcpus.push_back({
            .state = state_of(status.state),
            .level = status.level,
            .run_ns = times.run_ns,
            .wait_ns = times.wait_ns,
            .steal_ns = ports_[hart]->steal_time(),
            .switches = times.switches,
            .preemptions = times.preemptions,
            .grants = times.grants,
            .revocations = times.revocations,
            .instructions = counters.instructions,
            .supervisor_traps = counters.supervisor_traps,
            .user_interrupts = counters.user_interrupts,
            .sbi_calls = counters.sbi_calls,
            .mmio_exits = counters.mmio_exits,
            .engine = ports_[hart]->stats(),
        });
        for (unsigned level = 0; level <= kLevels; ++level) {
            report.levels[level].cpu_ns += times.run_at[level];
            report.levels[level].wait_ns += times.wait_at[level];
        }
    }
    for (unsigned level = 0; level <= kLevels; ++level) {
        LevelReport& to = report.levels[level];
        const CopsLevelReport from = device_->level_report(level);
        to.requests = from.counters.requests;
        to.bytes = from.counters.bytes;
        to.completions = from.counters.completions;
        to.wakes_ring = from.counters.wakes_ring;
        to.wakes_user_interrupt = from.counters.wakes_user_interrupt;
        to.wakes_kernel = from.counters.wakes_kernel;
        to.latency_p50_ns = from.latency_p50;
        to.latency_p99_ns = from.latency_p99;
        to.last_completion_ns = since_start(from.last_completion);
    }
    report.bad_requests = device_->bad_requests();
    report.in_flight = device_->in_flight();
    return report;
}

std::string Guest::describe() const {
    const auto phase_name = [](Phase phase) -> std::string_view {
        switch (phase) {
        case Phase::created:
            return "not started";
        case Phase::running:
            return "running";
        case Phase::saving:
            return "being saved";
        case Phase::holding:
        case Phase::held:
            return "held by a debugger";
        case Phase::pausing:
            return "to be paused, vCPUs leave their workers";
        case Phase::paused:
            return "paused";
        case Phase::leaving:
            return "ended, vCPUs leave their workers";
        case Phase::draining:
            return "ended, requests drain";
        case Phase::ended:
            return "ended";
        }
        return "?";
    };
    std::string text = fmt::format(
        "  guest {} ({}): {}{}, {} of {} vCPUs in the pool, {} requests in flight\n",
        index_,
        config_.name,
        phase_name(phase_.load(std::memory_order_relaxed)),
        machine_->ended() ? ", machine off" : "",
        in_pool_.load(std::memory_order_relaxed),
        machine_cpus(config_),
        device_->in_flight()
    );
    for (unsigned hart = 0; hart < machine_cpus(config_); ++hart) {
        text += fmt::format(
            "    vCPU {}: {}{}, {} instructions\n",
            hart,
            pool_.describe(vcpus_[hart]),
            device_->has_post(hart) ? ", user interrupt posted" : "",
            ports_[hart]->counters().instructions
        );
    }
    return text;
}

}  // namespace vmm
