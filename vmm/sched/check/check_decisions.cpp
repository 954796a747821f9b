// SPDX-License-Identifier: Apache-2.0
#include "sched/check/checker.hpp"
#include "sched/record/decision_reader.hpp"

#include <vmm/decisions.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <functional>
#include <utility>

namespace vmm {
namespace {

using sched::DecisionReader;
using sched::Record;

/// Reads the file from its begin to its end.
Result<DecisionReader>
read_all(const std::string& path, const std::function<void(DecisionReader&, const Record&)>& use) {
    auto reader = DecisionReader::open(path);
    while (reader) {
        auto record = reader->next();
        if (!record) {
            return std::unexpected(std::move(record.error()));
        }
        if (!*record) {
            break;
        }
        use(*reader, **record);
    }
    return reader;
}

}  // namespace

Result<DecisionFindings>
check_decisions(const std::string& path, const DecisionCheckOptions& options) {
    sched::HoldUps hold_ups;
    auto first =
        read_all(path, [&](DecisionReader&, const Record& record) { hold_ups.add(record); });
    if (!first) {
        return std::unexpected(std::move(first.error()));
    }
    if (first->lost() != 0) {
        return fail(
            ErrorKind::configuration,
            fmt::format(
                "{} lacks {} records, which came faster than they were written; record a run that "
                "does less, or write to a faster disk",
                path,
                first->lost()
            )
        );
    }
    const sched::RunFacts facts = first->facts();
    auto replay = sched::Replay::of(facts);
    if (!replay || facts.workers == 0) {
        return fail(
            ErrorKind::configuration,
            fmt::format(
                "{} is of policy {} on {} workers; accepted: {}",
                path,
                facts.policy,
                facts.workers,
                fmt::join(sched::policy_names(), ", ")
            )
        );
    }
    sched::DecisionChecker checker(facts, std::move(*replay), std::move(hold_ups), options);
    DecisionFindings findings{.policy = facts.policy, .workers = facts.workers, .properties = {}};
    Nanos begin = 0;
    auto second = read_all(path, [&](DecisionReader& reader, const Record& record) {
        const Nanos now = std::visit([](const auto& one) { return one.time_ns; }, record);
        begin = findings.records == 0 ? now : begin;
        findings.span_ns = now - begin;
        ++findings.records;
        checker.step(record, reader.line());
    });
    if (!second) {
        return std::unexpected(std::move(second.error()));
    }
    findings.complete = second->complete();
    findings.properties = checker.findings();
    return findings;
}

}  // namespace vmm
