// SPDX-License-Identifier: Apache-2.0
// The state of the pool in words.
#include "sched/workers/clock.hpp"
#include "sched/workers/worker.hpp"

#include <fmt/format.h>

namespace vmm::sched {
namespace {

using State = VcpuEntry::State;

std::string_view name_of(State state) {
    switch (state) {
    case State::idle:
        return "idle";
    case State::ready:
        return "ready";
    case State::running:
        return "running";
    case State::stopped:
        return "stopped";
    case State::ended:
        return "ended";
    }
    return "?";
}

std::string level_text(Level level) {
    return level < kLevels ? fmt::format("{}", level) : "none";
}

/// "0.003 s ago" or "in 1.250 s".
std::string relative(Nanos time, Nanos now) {
    const auto seconds = [](Nanos span) { return static_cast<double>(span) / 1e9; };
    return time > now ? fmt::format("in {:.3f} s", seconds(time - now))
                      : fmt::format("{:.3f} s ago", seconds(now - time));
}

}  // namespace

std::string WorkerPool::describe(Handle vcpu) const {
    const std::lock_guard guard(lock_);
    const VcpuEntry& entry = *vcpu;
    const Nanos now = time_now();
    std::string text = fmt::format(
        "{}, claims level {}{}, runs level {}, last on worker {}",
        name_of(entry.state),
        level_text(entry.sample.level),
        entry.provisional ? " (since its wake-up)" : "",
        level_text(entry.sample.running),
        entry.last_worker
    );
    if (entry.state == State::ready) {
        text += fmt::format(", ready since {}", relative(entry.since, now));
    } else if (entry.state == State::running) {
        text += fmt::format(", last out of the guest {}", relative(entry.since_run, now));
    }
    if (entry.timer) {
        text += fmt::format(", timer {}", relative(*entry.timer, now));
    }
    const std::pair<bool, std::string_view> flags[] = {
        {entry.woken, "woken"},
        {entry.leaving, "leaving"},
        {entry.kicked, "asked to come out"},
        {entry.asked, "asked to yield"},
    };
    for (const auto& [set, what] : flags) {
        if (set) {
            text += fmt::format(", {}", what);
        }
    }
    return text;
}

std::string WorkerPool::describe_worker(unsigned worker) const {
    const std::lock_guard guard(lock_);
    const Worker& one = *workers_.at(worker);
    const std::string what =
        one.current != nullptr
            ? fmt::format("runs vCPU {} of guest {}", one.current->id.vcpu, one.current->id.guest)
        : sleeping_.contains(worker) ? "sleeps"
                                     : "looks for work";
    return fmt::format(
        "{}, {} tasks posted, slept {} times{}",
        what,
        one.tasks.size(),
        one.times.sleeps,
        timekeeper_ == &one ? ", keeps the timers" : ""
    );
}

}  // namespace vmm::sched
