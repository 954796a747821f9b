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
    std::uint8_t claim = 64;
    bool awaited = false;
    bool ready = false;
    std::optional<std::uint32_t> worker;  // running there
    std::uint64_t started = 0;
    std::uint64_t ran = 0;
};

/// Terms of a guest in the middle: no ceiling, base level 32.
inline constexpr TenantTerms kPlainTerms{.base_level = 32};

/// Drives a policy step by step, with an invented clock, and keeps what happened.
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
    const TenantTerms& terms(VcpuId id) const { return terms_.at(id.of_guest()); }
    std::optional<VcpuId> running(unsigned worker) const { return running_[worker]; }
    const std::string& trace() const { return trace_; }

    bool runnable(VcpuId id) const { return at(id).ready || at(id).worker; }
    /// Effective level of the vCPU by its own claim, while its guest has budget.
    std::uint8_t own_level(VcpuId id) const {
        const std::uint8_t claim = at(id).claim;
        return claim >= 64 ? terms(id).base_level : std::max(claim, terms(id).ceiling);
    }
    /// Effective level of the vCPU while its guest has budget.
    std::uint8_t effective(VcpuId id) const {
        std::uint8_t level = own_level(id);
        for (const auto& [other, vcpu] : vcpus_) {
            if (at(id).awaited && runnable(id) && runnable(other)
                && other.of_guest() == id.of_guest()) {
                level = std::min(level, own_level(other));
            }
        }
        return level;
    }

    void advance(std::uint64_t by) { now_ += by; }

    void add(VcpuId id, const TenantTerms& terms = kPlainTerms) {
        vcpus_[id] = {};
        terms_[id.of_guest()] = terms;
        policy_->apply({.kind = EventKind::add, .time_ns = now_, .id = id, .terms = terms});
    }
    void set_terms(VcpuId id, const TenantTerms& terms) {
        terms_[id.of_guest()] = terms;
        policy_->apply({.kind = EventKind::tenant, .time_ns = now_, .id = id, .terms = terms});
    }
    void wake(VcpuId id, std::uint8_t level, bool awaited = false) {
        SimulatedVcpu& vcpu = vcpus_.at(id);
        if (vcpu.ready || vcpu.worker) {
            return;
        }
        vcpu.ready = true;
        vcpu.claim = level;
        vcpu.awaited = awaited;
        apply_claim(EventKind::ready, id);
    }
    void claim(VcpuId id, std::uint8_t level, bool awaited = false) {
        vcpus_.at(id).claim = level;
        vcpus_.at(id).awaited = awaited;
        apply_claim(EventKind::claim, id);
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
        event.awaited = vcpu.awaited;
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
                      + "@" + std::to_string(decision->level) + (decision->due ? "!" : "");
            vcpu.ready = false;
            vcpu.worker = worker;
            vcpu.started = now_;
            running_[worker] = decision->id;
        }
        trace_ += ";";
        return decision;
    }
    /// Picks for worker 0, which lets the vCPU run its whole slice and become ready again.
    Decision turn() {
        const auto decision = pick(0);
        advance(decision.value().slice_ns);
        leave(0, false);
        return *decision;
    }

    /// Most urgent effective level that is ready, 64 when nothing is. For guests without budgets.
    std::uint8_t best_ready() const {
        std::uint8_t best = 64;
        for (const auto& [id, vcpu] : vcpus_) {
            best = vcpu.ready ? std::min(best, effective(id)) : best;
        }
        return best;
    }

private:
    void apply_claim(EventKind kind, VcpuId id) {
        Event event{.kind = kind, .time_ns = now_, .id = id, .level = at(id).claim};
        event.awaited = at(id).awaited;
        policy_->apply(event);
    }

    std::unique_ptr<Policy> policy_;
    std::map<VcpuId, SimulatedVcpu> vcpus_;
    std::map<GuestId, TenantTerms> terms_;
    std::vector<std::optional<VcpuId>> running_;
    std::uint64_t now_ = 1;
    std::string trace_;
};

}  // namespace vmm::sched::test
