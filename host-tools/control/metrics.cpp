// SPDX-License-Identifier: Apache-2.0
#include "control/metrics.hpp"

#include "report/levels.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <iterator>
#include <string_view>

namespace tools {
namespace {

/// Text of the exposition format, family by family.
class Exposition {
public:
    /// Begins a family: what follows are its samples.
    void family(std::string_view name, std::string_view type, std::string_view help) {
        name_ = name;
        fmt::format_to(out(), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
    }

    /// `labels` without braces.
    void sample(std::string_view labels, std::uint64_t value) {
        fmt::format_to(out(), "{}{{{}}} {}\n", name_, labels, value);
    }
    void seconds(std::string_view labels, vmm::Nanos value) {
        constexpr vmm::Nanos kSecond = 1'000'000'000;
        fmt::format_to(
            out(), "{}{{{}}} {}.{:09}\n", name_, labels, value / kSecond, value % kSecond
        );
    }

    std::string take() { return std::move(text_); }

private:
    std::back_insert_iterator<std::string> out() { return std::back_inserter(text_); }

    std::string text_;
    std::string_view name_;
};

std::string escaped(std::string_view value) {
    std::string text;
    for (const char c : value) {
        if (c == '\n') {
            text += "\\n";
            continue;
        }
        if (c == '"' || c == '\\') {
            text += '\\';
        }
        text += c;
    }
    return text;
}

std::string vm_label(const vmm::GuestReport& guest) {
    return fmt::format("vm=\"{}\"", escaped(guest.outcome.name));
}

/// One number of each vCPU.
template <class Type>
struct OfVcpu {
    std::string_view name;
    Type vmm::VcpuReport::* value;
    std::string_view help;
};

constexpr std::array kVcpuTimes{
    OfVcpu<vmm::Nanos>{
        "cops_vcpu_run_seconds_total", &vmm::VcpuReport::run_ns, "Time on a worker."
    },
    OfVcpu<vmm::Nanos>{
        "cops_vcpu_wait_seconds_total",
        &vmm::VcpuReport::wait_ns,
        "Time runnable but not running, as the host counts it."
    },
    OfVcpu<vmm::Nanos>{
        "cops_vcpu_steal_seconds_total",
        &vmm::VcpuReport::steal_ns,
        "Time runnable but not running, as the guest was told (SBI STA)."
    },
};

constexpr std::array kVcpuCounters{
    OfVcpu<std::uint64_t>{
        "cops_vcpu_switches_total",
        &vmm::VcpuReport::switches,
        "Turns that began on a worker which ran another vCPU before."
    },
    OfVcpu<std::uint64_t>{
        "cops_vcpu_preemptions_total", &vmm::VcpuReport::preemptions, "Turns that ended by force."
    },
    OfVcpu<std::uint64_t>{
        "cops_vcpu_instructions_total", &vmm::VcpuReport::instructions, "Instructions retired."
    },
};

/// One number of each level of a guest.
struct OfLevel {
    std::string_view name;
    std::uint64_t vmm::LevelReport::* value;
    std::string_view help;
};

constexpr std::array kLevelCounters{
    OfLevel{
        "cops_requests_total", &vmm::LevelReport::requests, "Requests taken from the guest's queue."
    },
    OfLevel{
        "cops_request_bytes_total", &vmm::LevelReport::bytes, "Bytes that completed requests moved."
    },
    OfLevel{"cops_completions_total", &vmm::LevelReport::completions, "Requests completed."},
};

struct WakePath {
    std::string_view name;
    std::uint64_t vmm::LevelReport::* value;
};

constexpr std::array kWakePaths{
    WakePath{"ring", &vmm::LevelReport::wakes_ring},
    WakePath{"user_interrupt", &vmm::LevelReport::wakes_user_interrupt},
    WakePath{"kernel", &vmm::LevelReport::wakes_kernel},
};

/// Calls `each(labels, level)` for every level of every guest at which something happened.
template <class Each>
void for_levels(const vmm::FleetReport& report, Each each) {
    for (const vmm::GuestReport& guest : report.guests) {
        for (std::size_t i = 0; i < guest.levels.size(); ++i) {
            if (is_active(guest.levels.at(i))) {
                const std::string level = i == vmm::kNoLevel ? "none" : std::to_string(i);
                each(fmt::format("{},level=\"{}\"", vm_label(guest), level), guest.levels.at(i));
            }
        }
    }
}

template <class Each>
void for_vcpus(const vmm::FleetReport& report, Each each) {
    for (const vmm::GuestReport& guest : report.guests) {
        for (std::size_t i = 0; i < guest.vcpus.size(); ++i) {
            each(fmt::format("{},vcpu=\"{}\"", vm_label(guest), i), guest.vcpus[i]);
        }
    }
}

void add_guests(Exposition& text, const vmm::FleetReport& report) {
    text.family("cops_guest_up", "gauge", "1 until the guest has ended.");
    for (const vmm::GuestReport& guest : report.guests) {
        text.sample(vm_label(guest), guest.state == vmm::GuestState::ended ? 0 : 1);
    }
    text.family("cops_guest_paused", "gauge", "1 while the guest is paused.");
    for (const vmm::GuestReport& guest : report.guests) {
        text.sample(vm_label(guest), guest.state == vmm::GuestState::paused ? 1 : 0);
    }
    text.family("cops_requests_in_flight", "gauge", "Requests taken and not completed.");
    for (const vmm::GuestReport& guest : report.guests) {
        text.sample(vm_label(guest), guest.in_flight);
    }
    text.family("cops_bad_requests_total", "counter", "What was refused as malformed.");
    for (const vmm::GuestReport& guest : report.guests) {
        text.sample(vm_label(guest), guest.bad_requests);
    }
}

void add_vcpus(Exposition& text, const vmm::FleetReport& report) {
    for (const auto& metric : kVcpuTimes) {
        text.family(metric.name, "counter", metric.help);
        for_vcpus(report, [&](const std::string& labels, const vmm::VcpuReport& vcpu) {
            text.seconds(labels, vcpu.*metric.value);
        });
    }
    for (const auto& metric : kVcpuCounters) {
        text.family(metric.name, "counter", metric.help);
        for_vcpus(report, [&](const std::string& labels, const vmm::VcpuReport& vcpu) {
            text.sample(labels, vcpu.*metric.value);
        });
    }
}

void add_levels(Exposition& text, const vmm::FleetReport& report) {
    for (const OfLevel& metric : kLevelCounters) {
        text.family(metric.name, "counter", metric.help);
        for_levels(report, [&](const std::string& labels, const vmm::LevelReport& level) {
            text.sample(labels, level.*metric.value);
        });
    }
    text.family("cops_wakeups_total", "counter", "Completions by how they woke their coroutine.");
    for_levels(report, [&](const std::string& labels, const vmm::LevelReport& level) {
        for (const WakePath& path : kWakePaths) {
            text.sample(fmt::format("{},path=\"{}\"", labels, path.name), level.*path.value);
        }
    });
}

void add_workers(Exposition& text, const vmm::FleetReport& report) {
    const auto label = [](std::size_t worker) { return fmt::format("worker=\"{}\"", worker); };
    text.family("cops_worker_busy_seconds_total", "counter", "Time with a vCPU on the worker.");
    for (std::size_t i = 0; i < report.worker_times.size(); ++i) {
        text.seconds(label(i), report.worker_times[i].busy_ns);
    }
    text.family(
        "cops_worker_poll_seconds_total", "counter", "Time looking for work before sleeping."
    );
    for (std::size_t i = 0; i < report.worker_times.size(); ++i) {
        text.seconds(label(i), report.worker_times[i].poll_ns);
    }
    text.family("cops_worker_sleeps_total", "counter", "How often the worker slept.");
    for (std::size_t i = 0; i < report.worker_times.size(); ++i) {
        text.sample(label(i), report.worker_times[i].sleeps);
    }
}

}  // namespace

std::string metrics_text(const vmm::FleetReport& report) {
    Exposition text;
    text.family("cops_info", "gauge", "What runs here; always 1.");
    text.sample(
        fmt::format("version=\"{}\",policy=\"{}\"", COPS_VERSION, escaped(report.policy)), 1
    );
    add_guests(text, report);
    add_vcpus(text, report);
    add_levels(text, report);
    add_workers(text, report);
    return text.take();
}

}  // namespace tools
