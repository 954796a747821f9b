// SPDX-License-Identifier: Apache-2.0
#include "fleet/records.hpp"

#include "sched/record/decision_writer.hpp"
#include "sched/record/trace_writer.hpp"

#include <spdlog/spdlog.h>

#include <utility>
#include <vector>

namespace vmm {

Result<std::unique_ptr<sched::Recorder>> make_recorder(const FleetConfig& config) {
    std::vector<std::unique_ptr<sched::RecordSink>> sinks;
    if (!config.record_decisions.empty()) {
        auto sink = sched::make_decision_writer(config.record_decisions);
        if (!sink) {
            return std::unexpected(std::move(sink.error()));
        }
        sinks.push_back(std::move(*sink));
    }
    if (!config.trace.empty()) {
        auto sink = sched::make_trace_writer(config.trace);
        if (!sink) {
            return std::unexpected(std::move(sink.error()));
        }
        sinks.push_back(std::move(*sink));
    }
    if (sinks.empty()) {
        return nullptr;
    }
    sched::RecorderOptions options;
    options.everything = !config.trace.empty();
    options.wait_for_room = config.seed.has_value();  // so that the records are the same too
    return std::make_unique<sched::Recorder>(std::move(sinks), options);
}

void finish_records(sched::Recorder& recorder) {
    if (const auto finished = recorder.finish(); !finished) {
        spdlog::error("{}", finished.error().message);
    }
    if (recorder.lost() != 0) {
        spdlog::error(
            "{} records of what the scheduler did are lost: they came faster than they were "
            "written",
            recorder.lost()
        );
    }
}

}  // namespace vmm
