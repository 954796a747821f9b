// SPDX-License-Identifier: Apache-2.0
// pvsched: what the paravirtual scheduling proposed for Linux makes of the same claims. A vCPU says
// one bit, whether it wants to be boosted: its claim is more urgent than its guest's base level.
// Boosted vCPUs run ahead of all others, by weight among themselves. Running boosted makes a debt;
// when it has reached the guest's budget, boosts are refused until all of it is repaid, which time
// does at the budget's rate. Every guest has such a budget. Nothing is shown to guests, and nobody
// is asked to yield.
#include "sched/policy/tenant_policy.hpp"

namespace vmm::sched {
namespace {

/// For guests without a budget of their own.
constexpr std::uint32_t kDefaultRate = 500;
constexpr std::uint64_t kDefaultBurstNs = 10'000'000;

class PvschedPolicy final : public TenantPolicy {
public:
    PvschedPolicy()
        : TenantPolicy({.budgets_refill_whole = true}) {}
    std::string_view name() const noexcept override { return "pvsched"; }

private:
    std::uint8_t rank(const TenantTerms& terms, std::uint8_t level) const override {
        return level < terms.base_level ? 0 : 1;
    }
    TenantTerms grant(const TenantTerms& asked) const override {
        TenantTerms terms = asked;
        if (terms.budget_rate == 0) {
            terms.budget_rate = kDefaultRate;
            terms.budget_burst_ns = kDefaultBurstNs;
        }
        return terms;
    }
};

}  // namespace

std::unique_ptr<Policy> make_pvsched_policy(const PolicyOptions& /*options*/) {
    return std::make_unique<PvschedPolicy>();
}

}  // namespace vmm::sched
