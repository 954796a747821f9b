// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/config.hpp>

#include <nlohmann/json.hpp>

namespace tools {

/// A tenant under the keys and in the units of a fleet file; a limit that it has not is null.
nlohmann::ordered_json tenant_json(const vmm::Tenant& tenant);

}  // namespace tools
