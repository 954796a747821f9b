// SPDX-License-Identifier: Apache-2.0
// rr: vCPUs take turns of one quantum in the order in which they became ready, whatever their level
// and guest. The shortest policy there is; what is left of tenants are guaranteed shares.
#include "sched/policy/tenant_policy.hpp"

namespace vmm::sched {
namespace {

class RoundRobinPolicy final : public TenantPolicy {
public:
    explicit RoundRobinPolicy(const PolicyOptions& options)
        : TenantPolicy({.slice_ns = options.quantum_ns, .order = Order::arrival}) {}
    std::string_view name() const noexcept override { return "rr"; }

private:
    std::uint8_t rank(const TenantTerms& /*terms*/, std::uint8_t /*level*/) const override {
        return 0;
    }
};

}  // namespace

std::unique_ptr<Policy> make_round_robin_policy(const PolicyOptions& options) {
    return std::make_unique<RoundRobinPolicy>(options);
}

}  // namespace vmm::sched
