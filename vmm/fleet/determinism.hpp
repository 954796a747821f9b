// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "io/input_tape.hpp"

#include <vmm/config.hpp>
#include <vmm/error.hpp>

#include <memory>

namespace vmm {

/// What the scheduler does not see of what a deterministic run can't have, and of what only such a
/// run can have. ErrorKind::configuration.
Result<void> check_determinism(const FleetConfig& config);

/// Where input goes to or comes from; null: nowhere. After check_determinism().
Result<std::unique_ptr<io::InputTape>> make_tape(const FleetConfig& config);

}  // namespace vmm
