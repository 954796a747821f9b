// SPDX-License-Identifier: Apache-2.0
#include "sched/policy/policy.hpp"

#include "sched/policy/tenant_policy.hpp"

#include <array>

namespace vmm::sched {
namespace {

struct Maker {
    std::string_view name;
    std::unique_ptr<Policy> (*make)(const PolicyOptions& options);
};

// One line a policy.
constexpr std::array kMakers{
    Maker{"priority", make_priority_policy},
    Maker{"fair", make_fair_policy},
    Maker{"rr", make_round_robin_policy},
    Maker{"pvsched", make_pvsched_policy},
};

constexpr auto kNames = [] {
    std::array<std::string_view, kMakers.size()> names;
    for (std::size_t i = 0; i < names.size(); ++i) {
        names[i] = kMakers[i].name;
    }
    return names;
}();

}  // namespace

std::unique_ptr<Policy> make_policy(std::string_view name, const PolicyOptions& options) {
    for (const Maker& maker : kMakers) {
        if (maker.name == name) {
            return maker.make(options);
        }
    }
    return nullptr;
}

std::span<const std::string_view> policy_names() noexcept {
    return kNames;
}

}  // namespace vmm::sched
