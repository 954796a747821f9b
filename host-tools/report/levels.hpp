// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/fleet.hpp>

namespace tools {

/// Whether anything happened at a level.
inline bool is_active(const vmm::LevelReport& level) {
    return level.cpu_ns != 0 || level.wait_ns != 0 || level.requests != 0 || level.completions != 0
           || level.wakes_ring != 0 || level.wakes_user_interrupt != 0 || level.wakes_kernel != 0;
}

}  // namespace tools
