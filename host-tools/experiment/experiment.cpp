// SPDX-License-Identifier: Apache-2.0
#include "experiment/experiment.hpp"

#include "console/message.hpp"
#include "experiment/results.hpp"
#include "report/json.hpp"
#include "report/table.hpp"
#include "run/exit_code.hpp"
#include "support/failure.hpp"

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>

namespace tools {
namespace {

constexpr std::string_view kSamplesGrant = "samples";

/// Which guest failed how; empty when none did.
std::string failure_text(const vmm::FleetReport& report) {
    for (const vmm::GuestReport& guest : report.guests) {
        if (exit_code(guest.outcome) != kExitOk) {
            const vmm::GuestOutcome& outcome = guest.outcome;
            return fmt::format(
                "{} {} with status {}{}{}",
                outcome.name,
                ending_name(outcome.ending),
                outcome.status,
                outcome.message.empty() ? "" : ": ",
                outcome.message
            );
        }
    }
    return {};
}

void write_whole(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t count = ::write(fd, text.data(), text.size());
        if (count < 0 && errno != EINTR) {
            throw Failure(
                vmm::ErrorKind::internal,
                fmt::format("cannot write to stdout: {}", std::strerror(errno))
            );
        }
        text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    }
}

class Experiment {
public:
    Experiment(
        const FleetOptions& fleet,
        const ExperimentOptions& options,
        const Preparation& prepare,
        const FleetFactory& factory,
        Signals& signals
    );
    ~Experiment() { signals_.stop_delivery(); }
    Experiment(const Experiment&) = delete;
    Experiment& operator=(const Experiment&) = delete;
    int run();

private:
    void on_signal(int number);
    FleetOptions options_of(const std::string& policy);
    Run run_once(const std::string& policy, unsigned round);
    void execute(Run& run, std::vector<GuestOutput>& outputs);
    void tell_start(const Run& run) const;
    void tell_end(const Run& run, const std::vector<GuestOutput>& outputs) const;

    const FleetOptions& fleet_options_;
    const ExperimentOptions& options_;
    const Preparation& prepare_;
    const FleetFactory& factory_;
    Signals& signals_;
    bool terminal_;
    std::optional<ResultFolder> folder_;
    std::vector<Run> runs_;
    std::mutex mutex_;  // guards the next, which signals stop from their own thread
    std::unique_ptr<FleetHandle> fleet_;
};

Experiment::Experiment(
    const FleetOptions& fleet,
    const ExperimentOptions& options,
    const Preparation& prepare,
    const FleetFactory& factory,
    Signals& signals
)
    : fleet_options_(fleet)
    , options_(options)
    , prepare_(prepare)
    , factory_(factory)
    , signals_(signals)
    , terminal_(::isatty(options.messages) != 0) {
    if (!options.csv.empty()) {
        folder_.emplace(options.csv);
    }
    signals_.deliver_to([this](int number) { on_signal(number); });
}

void Experiment::on_signal(int number) {
    const std::lock_guard lock(mutex_);
    if (fleet_ == nullptr) {
        return;
    }
    if (number == SIGUSR1) {
        say(options_.messages, fleet_->describe());
    } else if (signals_.received() != 0) {
        fleet_->stop();
    }
}

int Experiment::run() {
    int code = kExitOk;
    for (unsigned round = 1; round <= options_.repeat; ++round) {
        for (const std::string& policy : options_.policies) {
            if (signals_.received() != 0) {
                break;
            }
            runs_.push_back(run_once(policy, round));
            code = code == kExitOk ? runs_.back().exit_code : code;
        }
    }
    if (signals_.received() != 0) {
        say(options_.messages,
            fmt::format(
                "cops: ended by {}; what follows is of the runs before\n",
                Signals::name(signals_.received())
            ));
        std::erase_if(runs_, [](const Run& run) { return run.cut_short; });
        code = kExitSignal + signals_.received();
    }
    write_whole(options_.output, summary_of(options_.policies, runs_));
    return code;
}

/// The fleet as one run has it.
FleetOptions Experiment::options_of(const std::string& policy) {
    FleetOptions fleet = fleet_options_;
    fleet.policy = policy;
    fleet.quantum_ns = policy == "rr" ? fleet.quantum_ns : 0;
    for (GuestOptions& guest : fleet.guests) {
        if (folder_ && guest.samples) {
            guest.config.grants.push_back({
                .name = std::string(kSamplesGrant),
                .kind = vmm::Grant::Kind::file,
                .path = folder_->samples_file(guest.config.name),
                .writable = true,
            });
            guest.environment.push_back(fmt::format("COPS_SAMPLES=/host/{}", kSamplesGrant));
        }
    }
    return fleet;
}

Run Experiment::run_once(const std::string& policy, unsigned round) {
    Run run;
    run.number = static_cast<unsigned>(runs_.size()) + 1;
    run.round = round;
    run.policy = policy;
    run.report.policy = policy;
    tell_start(run);
    std::vector<GuestOutput> outputs(fleet_options_.guests.size());
    try {
        execute(run, outputs);
        run.exit_code = exit_code(run.report);
        run.message = failure_text(run.report);
    } catch (const Failure& failure) {
        run.exit_code = exit_code(failure.kind());
        run.message = failure.what();
    }
    for (GuestOutput& output : outputs) {
        output.finish();
        run.figures.push_back(output.figures());
    }
    run.cut_short = signals_.received() != 0;
    if (folder_ && !run.cut_short) {
        if (const std::string wrong = folder_->add(run); !wrong.empty()) {
            say(options_.messages, fmt::format("cops: warning: run {}: {}\n", run.number, wrong));
        }
    }
    tell_end(run, outputs);
    return run;
}

void Experiment::execute(Run& run, std::vector<GuestOutput>& outputs) {
    // Workers call the sink, for one guest at a time, and no more once wait() has returned.
    auto made = value_or_failure(factory_(
        prepare_(options_of(run.policy)),
        [&outputs](std::size_t guest, std::span<const char> bytes) {
            outputs.at(guest).feed(bytes);
        }
    ));
    {
        const std::lock_guard lock(mutex_);
        fleet_ = std::move(made);
        value_or_failure(fleet_->start());
        if (signals_.received() != 0) {
            fleet_->stop();
        }
    }
    fleet_->wait();
    run.report = fleet_->report();
    std::unique_ptr<FleetHandle> ended;
    const std::lock_guard lock(mutex_);
    ended = std::move(fleet_);
}

void Experiment::tell_start(const Run& run) const {
    if (terminal_) {
        say(options_.messages,
            fmt::format(
                "\r\033[Krun {} of {}: {}",
                run.number,
                options_.policies.size() * options_.repeat,
                run.policy
            ));
    }
}

void Experiment::tell_end(const Run& run, const std::vector<GuestOutput>& outputs) const {
    const std::string_view begin = terminal_ ? "\r\033[K" : "";
    const bool last = run.number == options_.policies.size() * options_.repeat;
    if (!run.failed()) {
        // On a terminal the next run takes the line.
        say(options_.messages,
            fmt::format(
                "{}run {} of {}: {}, {}{}",
                begin,
                run.number,
                options_.policies.size() * options_.repeat,
                run.policy,
                human_time(run.report.wall_ns),
                terminal_ && !last ? "" : "\n"
            ));
        return;
    }
    std::string text = fmt::format(
        "{}cops: error: run {} ({}, round {}) failed: {}\n",
        begin,
        run.number,
        run.policy,
        run.round,
        run.message
    );
    for (std::size_t i = 0; i < outputs.size() && i < run.report.guests.size(); ++i) {
        for (const std::string& line : outputs[i].last_lines()) {
            text += fmt::format("  {} | {}\n", fleet_options_.guests[i].config.name, line);
        }
    }
    say(options_.messages, text);
}

}  // namespace

int run_experiment(
    const FleetOptions& fleet,
    const ExperimentOptions& options,
    const Preparation& prepare,
    const FleetFactory& factory,
    Signals& signals
) {
    return Experiment(fleet, options, prepare, factory, signals).run();
}

}  // namespace tools
