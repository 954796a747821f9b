// SPDX-License-Identifier: Apache-2.0
// fair: guests by weight, blind to levels. What priority is compared with.
//
// A guest whose vCPU wakes takes a worker over from a vCPU that ran ahead of it by more than a
// slice. Nothing is published to guests: no level waits in the sense of the policy. preempt() looks
// at each worker.
#include "sched/policy/tenant_policy.hpp"

namespace vmm::sched {
namespace {

class FairPolicy final : public TenantPolicy {
public:
    FairPolicy()
        : TenantPolicy(Rules{}) {}
    std::string_view name() const noexcept override { return "fair"; }
    std::optional<Preemption> preempt(std::uint64_t now_ns) override;

private:
    std::uint8_t rank(const TenantTerms& /*terms*/, std::uint8_t /*level*/) const override {
        return 0;
    }
};

std::optional<Preemption> FairPolicy::preempt(std::uint64_t now_ns) {
    if (const auto due = TenantPolicy::preempt(now_ns)) {
        return due;
    }
    const std::uint64_t waiting = first_waiting_time();
    const auto [furthest, time] = furthest_running(now_ns);
    if (waiting == kNever || furthest == nullptr
        || waiting + virtual_cost(kSliceNs, weight_of(*furthest)) >= time) {
        return std::nullopt;
    }
    return Preemption{
        .worker = furthest->worker, .victim = furthest->id, .level = first_waiting_level()
    };
}

}  // namespace

std::unique_ptr<Policy> make_fair_policy(const PolicyOptions& /*options*/) {
    return std::make_unique<FairPolicy>();
}

}  // namespace vmm::sched
