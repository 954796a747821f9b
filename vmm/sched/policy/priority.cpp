// SPDX-License-Identifier: Apache-2.0
// priority: strictly by effective level, over all guests; within a level, guests by weight. The
// least urgent running vCPU is asked to make way as soon as something more urgent waits.
#include "sched/policy/tenant_policy.hpp"

namespace vmm::sched {
namespace {

class PriorityPolicy final : public TenantPolicy {
public:
    PriorityPolicy()
        : TenantPolicy({.shows_levels = true}) {}
    std::string_view name() const noexcept override { return "priority"; }

private:
    std::uint8_t rank(const TenantTerms& /*terms*/, std::uint8_t level) const override {
        return level;
    }
};

}  // namespace

std::unique_ptr<Policy> make_priority_policy(const PolicyOptions& /*options*/) {
    return std::make_unique<PriorityPolicy>();
}

}  // namespace vmm::sched
