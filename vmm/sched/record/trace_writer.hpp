// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sched/record/recorder.hpp"

#include <vmm/error.hpp>

#include <memory>
#include <string>

namespace vmm::sched {

/// Writes a trace that Perfetto and chrome://tracing open (the trace-event format of Chrome):
/// workers and vCPUs as tracks, requests as flows; docs/design/tracing.md says what is where. The
/// file is complete after every write. Wants all records (RecorderOptions::everything).
/// ErrorKind::configuration: the file cannot be written.
Result<std::unique_ptr<RecordSink>> make_trace_writer(const std::string& path);

}  // namespace vmm::sched
