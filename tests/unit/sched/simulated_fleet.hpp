// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sched/policy/policy.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace vmm::sched::test {

/// A vCPU as its simulation knows it, independent of what the policy remembers.
struct SimulatedVcpu {
    std::uint8_t base = 32;
    std::uint8_t ceiling = 0;
    std::uint8_t claim = 64;
    std::uint32_t weight = 100;
    bool ready = false;
    std::optional<std::uint32_t> worker;  // running there
    std::uint64_t started = 0;
    std::uint64_t ran = 0;

    std::uint8_t effective() const { return claim >= 64 ? base : std::max(claim, ceiling); }
};

/// Drives a policy as the workers do, with an invented clock, and keeps what happened.
class SimulatedFleet {
public:
    SimulatedFleet(std::string_view policy, unsigned workers)
        : policy_(make_policy(policy))
        , running_(workers) {}

    Policy& policy() { return *policy_; }
    std::uint64_t now() const { return now_; }
    unsigned workers() const { return static_cast<unsigned>(running_.size()); }
    const std::map<VcpuId, SimulatedVcpu>& vcpus() const { return vcpus_; }
    const SimulatedVcpu& at(VcpuId id) const { return vcpus_.at(id); }
    std::optional<VcpuId> running(unsigned worker) const { return running_[worker]; }
    const std::string& trace() const { return trace_; }

    void advance(std::uint64_t by) { now_ += by; }

    void add(VcpuId id, SimulatedVcpu vcpu) {
        vcpus_[id] = vcpu;
        Event event{.kind = EventKind::add, .time_ns = now_, .id = id};
        event.level = vcpu.base;
        event.ceiling = vcpu.ceiling;
        event.weight = vcpu.weight;
        policy_->apply(event);
    }
    void wake(VcpuId id, std::uint8_t level) {
        SimulatedVcpu& vcpu = vcpus_.at(id);
        if (vcpu.ready || vcpu.worker) {
            return;
        }
        vcpu.ready = true;
        vcpu.claim = level;
        policy_->apply({.kind = EventKind::ready, .time_ns = now_, .id = id, .level = level});
    }
    void claim(VcpuId id, std::uint8_t level) {
        vcpus_.at(id).claim = level;
        policy_->apply({.kind = EventKind::claim, .time_ns = now_, .id = id, .level = level});
    }
    void remove(VcpuId id) {
        if (vcpus_.at(id).worker) {
            running_[*vcpus_.at(id).worker].reset();
        }
        vcpus_.erase(id);
        policy_->apply({.kind = EventKind::remove, .time_ns = now_, .id = id});
    }
    /// Takes the vCPU off `worker`.
    void leave(unsigned worker, bool goes_idle) {
        if (!running_[worker]) {
            return;
        }
        SimulatedVcpu& vcpu = vcpus_.at(*running_[worker]);
        const std::uint64_t ran = now_ - vcpu.started;
        vcpu.ran += ran;
        vcpu.worker.reset();
        vcpu.ready = !goes_idle;
        Event event{.time_ns = now_, .id = *running_[worker]};
        event.kind = goes_idle ? EventKind::idle : EventKind::ran;
        event.level = vcpu.claim;
        event.worker = worker;
        event.ran_ns = ran;
        policy_->apply(event);
        running_[worker].reset();
    }
    std::optional<Decision> pick(unsigned worker) {
        if (running_[worker]) {
            return std::nullopt;
        }
        const auto decision = policy_->pick(worker, now_);
        trace_ += std::to_string(now_) + ":";
        if (decision) {
            SimulatedVcpu& vcpu = vcpus_.at(decision->id);
            trace_ += std::to_string(decision->id.guest) + "." + std::to_string(decision->id.vcpu)
                      + "@" + std::to_string(decision->level);
            vcpu.ready = false;
            vcpu.worker = worker;
            vcpu.started = now_;
            running_[worker] = decision->id;
        }
        trace_ += ";";
        return decision;
    }

    /// Most urgent effective level that is ready, 64 when nothing is.
    std::uint8_t best_ready() const {
        std::uint8_t best = 64;
        for (const auto& [id, vcpu] : vcpus_) {
            best = vcpu.ready ? std::min(best, vcpu.effective()) : best;
        }
        return best;
    }

private:
    std::unique_ptr<Policy> policy_;
    std::map<VcpuId, SimulatedVcpu> vcpus_;
    std::vector<std::optional<VcpuId>> running_;
    std::uint64_t now_ = 1;
    std::string trace_;
};

}  // namespace vmm::sched::test
