// SPDX-License-Identifier: Apache-2.0
#include "experiment/results.hpp"
#include "experiment/statistics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

namespace tools {
namespace {

/// What a table is about, in the order in which tables are printed.
struct Subject {
    std::size_t guest = 0;
    std::string kind;
    std::string name;
    std::string key;

    auto operator<=>(const Subject&) const = default;
};

/// Values by policy.
using Table = std::map<std::string, std::vector<double>>;

struct Shown {
    std::string_view kind;
    std::string_view key;
    std::string_view title;
    double scale;
};

// The rest is in figures.csv.
constexpr Shown kShown[] = {
    {"latency", "p50_ns", "p50, us", 1e-3},
    {"latency", "p99_ns", "p99, us", 1e-3},
    {"work", "per_second", "units a second", 1},
    {"cpu", "permille", "CPU time, permille of all workers", 1},
};

const Shown* shown(const Subject& subject) {
    const auto found = std::ranges::find_if(kShown, [&subject](const Shown& one) {
        return one.kind == subject.kind && one.key == subject.key;
    });
    return found == std::ranges::end(kShown) ? nullptr : found;
}

double cpu_permille(const vmm::FleetReport& report, const vmm::GuestReport& guest) {
    constexpr double kPermille = 1000;
    double run_ns = 0;
    for (const vmm::VcpuReport& vcpu : guest.vcpus) {
        run_ns += static_cast<double>(vcpu.run_ns);
    }
    const double all = static_cast<double>(report.wall_ns) * report.workers;
    return all == 0 ? 0 : kPermille * run_ns / all;
}

/// All figures of all runs that did not fail.
std::map<Subject, Table> tables_of(const std::vector<Run>& runs) {
    std::map<Subject, Table> tables;
    for (const Run& run : runs) {
        if (run.failed()) {
            continue;
        }
        for (std::size_t i = 0; i < run.report.guests.size(); ++i) {
            for (const Figure& one : run.figures[i]) {
                tables[{i, one.kind, one.name, one.key}][run.policy].push_back(one.value);
            }
            tables[{i, "cpu", "", "permille"}][run.policy].push_back(
                cpu_permille(run.report, run.report.guests[i])
            );
        }
    }
    return tables;
}

std::string head(const std::vector<std::string>& policies, const std::vector<Run>& runs) {
    std::string text = fmt::format(
        "{} run{} of {} polic{} in turns",
        runs.size(),
        runs.size() == 1 ? "" : "s",
        policies.size(),
        policies.size() == 1 ? "y" : "ies"
    );
    for (const std::string& policy : policies) {
        const auto failed = std::ranges::count_if(runs, [&policy](const Run& run) {
            return run.policy == policy && run.failed();
        });
        if (failed != 0) {
            text += fmt::format("; {} of {} FAILED and not counted below", failed, policy);
        }
    }
    return text + ". Median over runs [95 % interval] (least..most).\n";
}

}  // namespace

std::string summary_of(const std::vector<std::string>& policies, const std::vector<Run>& runs) {
    std::string text = head(policies, runs);
    std::size_t width = 0;
    for (const std::string& policy : policies) {
        width = std::max(width, policy.size());
    }
    for (const auto& [subject, table] : tables_of(runs)) {
        const Shown* const how = shown(subject);
        if (how == nullptr) {
            continue;
        }
        const auto& guests = std::ranges::find_if(runs, [&subject](const Run& run) {
                                 return run.report.guests.size() > subject.guest;
                             })->report.guests;
        text += fmt::format("\n{}", guests[subject.guest].outcome.name);
        if (!subject.name.empty()) {
            text += fmt::format(", {} {}", subject.kind, subject.name);
        }
        text += fmt::format(": {}\n", how->title);
        for (const std::string& policy : policies) {
            if (const auto found = table.find(policy); found != table.end()) {
                text += fmt::format(
                    "  {:{}}  {}\n", policy, width, text_of(spread_of(found->second), how->scale)
                );
            }
        }
    }
    return text;
}

}  // namespace tools
