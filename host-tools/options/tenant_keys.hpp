// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/config.hpp>

#include <span>
#include <string_view>

namespace tools {

/// How a limit that a tenant need not have is taken away: `share=none`.
inline constexpr std::string_view kNoLimit = "none";

/// The keys of a fleet file that may change while their guest runs.
std::span<const std::string_view> tenant_keys();

/// Sets one of them as a fleet file would, or to kNoLimit. Throws BadValue, for an unknown key too.
void set_tenant_key(vmm::Tenant& tenant, std::string_view key, std::string_view value);

}  // namespace tools
