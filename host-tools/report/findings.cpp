// SPDX-License-Identifier: Apache-2.0
#include "report/findings.hpp"

#include "report/table.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace tools {
namespace {

std::string text_of(const vmm::PropertyFinding& finding, double value) {
    return finding.is_time ? human_time(static_cast<vmm::Nanos>(value))
                           : fmt::format("{:.0f} wrong", value);
}

}  // namespace

bool all_hold(const vmm::DecisionFindings& findings) {
    return std::ranges::all_of(findings.properties, &vmm::PropertyFinding::holds);
}

std::string findings_table(const vmm::DecisionFindings& findings) {
    std::size_t width = 0;
    for (const vmm::PropertyFinding& finding : findings.properties) {
        width = std::max(width, finding.property.size());
    }
    std::string text = fmt::format(
        "policy {}, {} worker{}, {} records of {}{}\n\n",
        findings.policy,
        findings.workers,
        findings.workers == 1 ? "" : "s",
        findings.records,
        human_time(findings.span_ns),
        findings.complete ? "" : "; the run was cut off"
    );
    text += fmt::format(
        "{:<{}}  {:>9}  {:>9}  {:>9}\n", "property", width, "checked", "worst", "bound"
    );
    for (const vmm::PropertyFinding& finding : findings.properties) {
        text += fmt::format(
            "{:<{}}  {:>9}  {:>9}  {:>9}  {}{}{}\n",
            finding.property,
            width,
            finding.checked,
            text_of(finding, finding.worst),
            text_of(finding, finding.bound),
            finding.holds() ? "holds" : "DOES NOT HOLD",
            finding.where.empty() ? "" : "; ",
            finding.where
        );
    }
    return text;
}

std::string findings_json(const vmm::DecisionFindings& findings) {
    nlohmann::ordered_json json{
        {"schema", 1},
        {"policy", findings.policy},
        {"workers", findings.workers},
        {"records", findings.records},
        {"span_ns", findings.span_ns},
        {"complete", findings.complete},
        {"holds", all_hold(findings)},
    };
    for (const vmm::PropertyFinding& finding : findings.properties) {
        json["properties"].push_back({
            {"property", finding.property},
            {"checked", finding.checked},
            {"unit", finding.is_time ? "ns" : "decisions"},
            {"worst", finding.worst},
            {"bound", finding.bound},
            {"holds", finding.holds()},
            {"where", finding.where},
        });
    }
    return json.dump() + "\n";
}

}  // namespace tools
