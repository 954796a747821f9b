// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sched/record/recorder.hpp"

#include <vmm/config.hpp>
#include <vmm/error.hpp>

#include <memory>

namespace vmm {

/// Where the run is recorded to; null: nowhere.
Result<std::unique_ptr<sched::Recorder>> make_recorder(const FleetConfig& config);

/// After the last record. What went wrong is logged.
void finish_records(sched::Recorder& recorder);

}  // namespace vmm
