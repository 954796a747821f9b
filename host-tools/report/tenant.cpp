// SPDX-License-Identifier: Apache-2.0
#include "report/tenant.hpp"

#include <cstdint>

namespace tools {
namespace {

using Json = nlohmann::ordered_json;

Json unless_zero(std::uint64_t value) {
    return value == 0 ? Json(nullptr) : Json(value);
}

}  // namespace

Json tenant_json(const vmm::Tenant& tenant) {
    const vmm::Nanos burst = tenant.budget_rate != 0 && tenant.budget_burst_ns == 0
                                 ? vmm::kDefaultBudgetBurst
                                 : tenant.budget_burst_ns;
    return {
        {"base-level", tenant.base_level},
        {"ceiling", tenant.ceiling},
        {"weight", tenant.weight},
        {"budget-rate", unless_zero(tenant.budget_rate)},
        {"budget-burst", unless_zero(burst / 1000)},
        {"share", unless_zero(tenant.share)},
    };
}

}  // namespace tools
