// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/fleet.hpp>

#include <string_view>

namespace tools {

/// What people and machines read for a state.
std::string_view name_of(vmm::GuestState state);
std::string_view name_of(vmm::VcpuState state);

}  // namespace tools
