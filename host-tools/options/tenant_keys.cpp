// SPDX-License-Identifier: Apache-2.0
#include "options/tenant_keys.hpp"

#include "options/options.hpp"
#include "options/values.hpp"
#include "support/suggest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace tools {
namespace {

constexpr std::array<std::string_view, 6> kKeys{
    "base-level", "ceiling", "weight", "budget-rate", "budget-burst", "share"
};

bool take_away(vmm::Tenant& tenant, std::string_view key) {
    if (key == "share") {
        tenant.share = 0;
    } else if (key == "budget-rate") {
        tenant.budget_rate = 0;
        tenant.budget_burst_ns = 0;
    } else if (key == "budget-burst") {
        tenant.budget_burst_ns = 0;
    } else {
        return false;
    }
    return true;
}

}  // namespace

std::span<const std::string_view> tenant_keys() {
    return kKeys;
}

void set_tenant_key(vmm::Tenant& tenant, std::string_view key, std::string_view value) {
    if (std::ranges::find(kKeys, key) == kKeys.end()) {
        throw BadValue(fmt::format(
            "the key '{}' is not one of a tenant; accepted: {}{}",
            key,
            enumerate(kKeys),
            did_you_mean(key, kKeys)
        ));
    }
    if (value == kNoLimit && take_away(tenant, key)) {
        return;
    }
    const auto option = std::ranges::find(guest_options(), key, &GuestOption::name);
    GuestOptions guest;
    guest.config.tenant = tenant;
    const Catalogue catalogue;
    try {
        option->set(guest, value, ValueContext{catalogue, {}});
    } catch (const BadValue& bad) {
        throw BadValue(fmt::format("{}: {}", key, bad.what()));
    }
    tenant = guest.config.tenant;
}

}  // namespace tools
