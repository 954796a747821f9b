// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sched/policy/policy.hpp"
#include "sched/record/recorder.hpp"

#include <memory>

namespace vmm::sched {

/// `policy` as it is, with all that changes it and all that it decides given to `recorder`, which
/// outlives it. Workers count from `first_worker` in the records.
std::unique_ptr<Policy> make_recording_policy(
    std::unique_ptr<Policy> policy, Recorder& recorder, std::uint32_t first_worker = 0
);

}  // namespace vmm::sched
