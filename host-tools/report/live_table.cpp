// SPDX-License-Identifier: Apache-2.0
#include "report/live_table.hpp"

#include "report/names.hpp"
#include "report/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace tools {
namespace {

constexpr std::string_view kRow =
    "{:<{}}  {:>4}  {:<7}  {:>5}  {:>5}  {:>5}  {:>5}  {:>8}  {:>8}  {:>8}  {:>8}  {:>8}";

/// Wake-ups of a guest's coroutines, by the way that they took.
struct Wakes {
    std::uint64_t ring = 0;
    std::uint64_t user_interrupt = 0;
    std::uint64_t kernel = 0;
};

Wakes wakes_of(const vmm::GuestReport& guest) {
    Wakes sum;
    for (const vmm::LevelReport& level : guest.levels) {
        sum.ring += level.wakes_ring;
        sum.user_interrupt += level.wakes_user_interrupt;
        sum.kernel += level.wakes_kernel;
    }
    return sum;
}

/// What happened between two reports, a second.
class Interval {
public:
    explicit Interval(vmm::Nanos length)
        : length_(std::max<vmm::Nanos>(length, 1)) {}

    /// Of one CPU. A counter that went back, for the guest was booted again, counts from 0.
    std::string percent(vmm::Nanos now, vmm::Nanos before) const {
        return fmt::format("{:.0f}%", 100 * ratio(now, before));
    }
    std::string rate(std::uint64_t now, std::uint64_t before) const {
        const double each_second = 1e9 * ratio(now, before);
        if (each_second < 9999.5) {
            return fmt::format("{:.0f}", each_second);
        }
        return each_second < 9.9995e6 ? fmt::format("{:.0f}k", each_second / 1e3)
                                      : fmt::format("{:.0f}M", each_second / 1e6);
    }

private:
    double ratio(std::uint64_t now, std::uint64_t before) const {
        return static_cast<double>(now < before ? now : now - before)
               / static_cast<double>(length_);
    }

    vmm::Nanos length_;
};

std::string budget_text(const vmm::GuestReport& guest) {
    if (!guest.budget_left_ns) {
        return "-";
    }
    const std::int64_t left = *guest.budget_left_ns;
    const auto size = static_cast<vmm::Nanos>(left < 0 ? -left : left);
    return (left < 0 ? "-" : "") + human_time(size);
}

std::string level_text(const vmm::VcpuReport& vcpu) {
    const bool competes =
        vcpu.state == vmm::VcpuState::ready || vcpu.state == vmm::VcpuState::running;
    return competes && vcpu.level < vmm::kLevels ? std::to_string(vcpu.level) : "-";
}

/// The guest's name, wake-ups and budget stand in its first row only.
std::string vcpu_row(
    const vmm::GuestReport& now,
    const vmm::GuestReport& before,
    std::size_t vcpu,
    std::size_t width,
    const Interval& interval
) {
    const vmm::VcpuReport& one = now.vcpus[vcpu];
    const vmm::VcpuReport earlier =
        vcpu < before.vcpus.size() ? before.vcpus[vcpu] : vmm::VcpuReport{};
    const bool first = vcpu == 0;
    const Wakes wakes = wakes_of(now);
    const Wakes wakes_before = wakes_of(before);
    const auto of_guest = [&](std::uint64_t Wakes::* path) {
        return first ? interval.rate(wakes.*path, wakes_before.*path) : std::string();
    };
    return fmt::format(
        kRow,
        first ? now.outcome.name : "",
        width,
        vcpu,
        name_of(one.state),
        level_text(one),
        interval.percent(one.run_ns, earlier.run_ns),
        interval.percent(one.wait_ns, earlier.wait_ns),
        interval.percent(one.steal_ns, earlier.steal_ns),
        interval.rate(one.switches, earlier.switches),
        of_guest(&Wakes::ring),
        of_guest(&Wakes::user_interrupt),
        of_guest(&Wakes::kernel),
        first ? budget_text(now) : std::string()
    );
}

std::vector<std::string>
rows_of(const vmm::FleetReport& now, const vmm::FleetReport& before, std::size_t width) {
    const vmm::GuestReport none;
    const Interval interval(now.wall_ns - std::min(now.wall_ns, before.wall_ns));
    std::vector<std::string> rows;
    for (std::size_t i = 0; i < now.guests.size(); ++i) {
        const vmm::GuestReport& guest = now.guests[i];
        const vmm::GuestReport& earlier = i < before.guests.size() ? before.guests[i] : none;
        if (guest.state == vmm::GuestState::ended) {
            rows.push_back(fmt::format("{:<{}}  ended", guest.outcome.name, width));
            continue;
        }
        for (std::size_t vcpu = 0; vcpu < guest.vcpus.size(); ++vcpu) {
            rows.push_back(vcpu_row(guest, earlier, vcpu, width, interval));
        }
    }
    return rows;
}

std::string title(const vmm::FleetReport& now, const vmm::FleetReport& before) {
    const Interval interval(now.wall_ns - std::min(now.wall_ns, before.wall_ns));
    const auto busy = [](const vmm::FleetReport& report) {
        vmm::Nanos sum = 0;
        for (const vmm::WorkerReport& worker : report.worker_times) {
            sum += worker.busy_ns;
        }
        return sum;
    };
    return fmt::format(
        "policy {}, {} worker{} busy {}, {}",
        now.policy,
        now.workers,
        now.workers == 1 ? "" : "s",
        interval.percent(busy(now), busy(before)),
        human_time(now.wall_ns)
    );
}

}  // namespace

std::string
live_table(const vmm::FleetReport& now, const vmm::FleetReport& before, const TerminalSize& size) {
    std::size_t width = 5;
    for (const vmm::GuestReport& guest : now.guests) {
        width = std::max(width, guest.outcome.name.size());
    }
    std::vector<std::string> lines{
        title(now, before),
        fmt::format(
            kRow,
            "guest",
            width,
            "vcpu",
            "state",
            "level",
            "run",
            "wait",
            "steal",
            "switch/s",
            "ring/s",
            "user/s",
            "kernel/s",
            "budget"
        ),
    };
    std::vector<std::string> rows = rows_of(now, before, width);
    // The cursor needs a line too.
    const std::size_t room = std::max<std::size_t>(size.rows, 5) - lines.size() - 1;
    if (rows.size() > room) {
        const std::size_t left_out = rows.size() - (room - 1);
        rows.resize(room - 1);
        rows.push_back(fmt::format("... and {} more (cops ps shows all)", left_out));
    }
    lines.insert(lines.end(), rows.begin(), rows.end());
    std::string text;
    for (const std::string& line : lines) {
        text += line.substr(0, size.columns);
        text += '\n';
    }
    return text;
}

}  // namespace tools
