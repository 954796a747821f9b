// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sched/record/record_file.hpp"
#include "sched/record/recorder.hpp"

#include <vmm/error.hpp>

#include <map>
#include <memory>
#include <string>

namespace vmm::sched {

/// Of the format of recorded decisions; a change of what a field means raises it.
inline constexpr unsigned kDecisionsVersion = 1;

/// Writes recorded decisions as lines of JSON; docs/design/tracing.md has the format.
/// ErrorKind::configuration: the file cannot be written.
Result<std::unique_ptr<RecordSink>> make_decision_writer(const std::string& path);

}  // namespace vmm::sched
