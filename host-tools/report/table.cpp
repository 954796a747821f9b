// SPDX-License-Identifier: Apache-2.0
#include "report/table.hpp"

#include "report/levels.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <set>
#include <string_view>
#include <vector>

namespace tools {
namespace {

constexpr std::size_t kColumns = 13;
using Row = std::array<std::string, kColumns>;

std::string three_digits(double value) {
    if (value >= 99.95) {
        return fmt::format("{:.0f}", value);
    }
    return fmt::format("{:.{}f}", value, value >= 9.995 ? 1 : 2);
}

Row row_of(std::string guest, std::string level, const vmm::LevelReport& l) {
    return {
        std::move(guest),
        std::move(level),
        human_time(l.cpu_ns),
        human_time(l.wait_ns),
        std::to_string(l.requests),
        human_bytes(l.bytes),
        std::to_string(l.completions),
        std::to_string(l.wakes_ring),
        std::to_string(l.wakes_user_interrupt),
        std::to_string(l.wakes_kernel),
        l.completions == 0 ? "-" : human_time(l.latency_p50_ns),
        l.completions == 0 ? "-" : human_time(l.latency_p99_ns),
        l.completions == 0 ? "-" : human_time(l.last_completion_ns),
    };
}

/// Sums over all levels. Percentiles have no sum.
Row total_row(const vmm::GuestReport& guest) {
    vmm::LevelReport sum;
    for (const vmm::LevelReport& level : guest.levels) {
        sum.cpu_ns += level.cpu_ns;
        sum.wait_ns += level.wait_ns;
        sum.requests += level.requests;
        sum.bytes += level.bytes;
        sum.completions += level.completions;
        sum.wakes_ring += level.wakes_ring;
        sum.wakes_user_interrupt += level.wakes_user_interrupt;
        sum.wakes_kernel += level.wakes_kernel;
        sum.last_completion_ns = std::max(sum.last_completion_ns, level.last_completion_ns);
    }
    Row row = row_of(guest.outcome.name, "all", sum);
    row[10] = row[11] = "-";
    return row;
}

std::string render(const std::vector<Row>& rows) {
    std::array<std::size_t, kColumns> widths{};
    for (const Row& row : rows) {
        for (std::size_t i = 0; i < kColumns; ++i) {
            widths.at(i) = std::max(widths.at(i), row.at(i).size());
        }
    }
    std::string text;
    for (const Row& row : rows) {
        std::string line = fmt::format("{:<{}}", row[0], widths[0]);
        for (std::size_t i = 1; i < kColumns; ++i) {
            line += fmt::format("  {:>{}}", row.at(i), widths.at(i));
        }
        text += line + "\n";
    }
    return text;
}

}  // namespace

std::string human_time(vmm::Nanos nanoseconds) {
    const auto value = static_cast<double>(nanoseconds);
    if (nanoseconds == 0) {
        return "0";
    }
    if (value < 1e3) {
        return fmt::format("{} ns", nanoseconds);
    }
    if (value < 1e6) {
        return three_digits(value / 1e3) + " us";
    }
    return value < 1e9 ? three_digits(value / 1e6) + " ms" : three_digits(value / 1e9) + " s";
}

std::string human_bytes(std::uint64_t bytes) {
    constexpr std::array<const char*, 5> kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
    if (bytes < 1024) {
        return bytes == 0 ? "0" : fmt::format("{} B", bytes);
    }
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 1024 && unit + 1 < kUnits.size()) {
        value /= 1024;
        ++unit;
    }
    return fmt::format("{} {}", three_digits(value), kUnits.at(unit));
}

namespace {

/// ", engine dbt", or all that there are.
std::string engines(const vmm::FleetReport& report) {
    std::set<std::string_view> names;
    for (const vmm::GuestReport& guest : report.guests) {
        if (!guest.engine.empty()) {
            names.insert(guest.engine);
        }
    }
    if (names.empty()) {
        return {};
    }
    return fmt::format(", engine{} {}", names.size() == 1 ? "" : "s", fmt::join(names, " and "));
}

}  // namespace

std::string level_table(const vmm::FleetReport& report) {
    std::vector<Row> rows{
        {"guest",
         "level",
         "cpu",
         "wait",
         "requests",
         "bytes",
         "completed",
         "by ring",
         "by user irq",
         "by kernel",
         "median",
         "p99",
         "last at"}
    };
    for (const vmm::GuestReport& guest : report.guests) {
        for (std::size_t level = 0; level < guest.levels.size(); ++level) {
            if (is_active(guest.levels.at(level))) {
                const std::string name = level == vmm::kNoLevel ? "none" : std::to_string(level);
                rows.push_back(row_of(guest.outcome.name, name, guest.levels.at(level)));
            }
        }
        rows.push_back(total_row(guest));
    }
    return fmt::format(
        "\npolicy {}, {} worker{}, {}{}\n{}",
        report.policy,
        report.workers,
        report.workers == 1 ? "" : "s",
        human_time(report.wall_ns),
        engines(report),
        render(rows)
    );
}

}  // namespace tools
