// SPDX-License-Identifier: Apache-2.0
#include "run/session.hpp"

#include "console/escape.hpp"
#include "console/line_prefixer.hpp"
#include "console/live_view.hpp"
#include "console/message.hpp"
#include "console/output.hpp"
#include "console/terminal.hpp"
#include "control/request.hpp"
#include "control/server.hpp"
#include "report/engine.hpp"
#include "report/json.hpp"
#include "report/table.hpp"
#include "run/exit_code.hpp"
#include "support/atomic_file.hpp"
#include "support/failure.hpp"

#include <fmt/format.h>

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace tools {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kKeys =
    "\n[Ctrl-A x: end the guest and cops; Ctrl-A Ctrl-A: send Ctrl-A; Ctrl-A h: this]\n";

/// An eventfd that any thread rings to make the session look around.
class Bell {
public:
    Bell()
        : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
    ~Bell() { ::close(fd_); }
    Bell(const Bell&) = delete;
    Bell& operator=(const Bell&) = delete;

    int fd() const noexcept { return fd_; }
    void ring() const noexcept {
        const std::uint64_t one = 1;
        (void)!::write(fd_, &one, sizeof one);
    }
    void silence() const noexcept {
        std::uint64_t count = 0;
        (void)!::read(fd_, &count, sizeof count);
    }

private:
    int fd_;
};

/// What to say of a guest's end; nothing of a good one.
std::string ending_text(const vmm::GuestOutcome& outcome) {
    const std::string why = outcome.message.empty() ? "" : ": " + outcome.message;
    switch (outcome.ending) {
    case vmm::Ending::powered_off:
        return outcome.status == 0
                   ? ""
                   : fmt::format("the application ended with status {}", outcome.status);
    case vmm::Ending::reset:
        return "the guest asked for a reset" + why;
    case vmm::Ending::crashed:
        return "the guest crashed" + why;
    case vmm::Ending::panicked:
        return "the guest's kernel panicked" + why;
    case vmm::Ending::running:
    case vmm::Ending::failed:
        return "the guest cannot go on" + why;
    case vmm::Ending::stopped:
        break;
    }
    return "";
}

class Session {
public:
    Session(
        vmm::FleetConfig config,
        const SessionOptions& options,
        const FleetFactory& factory,
        Signals& signals
    );
    ~Session() { signals_.stop_delivery(); }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    int run();

private:
    void console_output(std::size_t guest, std::span<const char> bytes);
    void attend();
    void show();
    int patience() const;
    void end(bool ask);
    void read_input();
    void give_input();
    int finish();
    int code_of(const vmm::FleetReport& report) const;
    void tell_debuggers() const;
    void tell_metrics() const;
    bool stopped_by_control(const vmm::FleetReport& report) const;
    void tell(const vmm::FleetReport& report) const;
    void write_json(const vmm::FleetReport& report, int code);

    vmm::FleetConfig config_;
    const SessionOptions& options_;
    Signals& signals_;
    Bell bell_;  // rung when one of the next four changes
    std::atomic<bool> ended_{false};
    std::atomic<bool> asked_{false};  // what goes on (SIGUSR1)
    std::atomic<int> output_error_{0};
    std::atomic<bool> reader_stuck_{false};      // a guest could not leave until output was dropped
    bool quit_ = false;                          // Ctrl-A x
    bool stopped_ = false;                       // the end was asked for
    std::optional<Clock::time_point> force_at_;  // guests that were asked to power off must have
    Output output_;
    std::optional<LiveView> view_;  // of a fleet, on a terminal
    vmm::FleetReport shown_;
    Clock::time_point show_at_ = Clock::now();
    std::vector<LinePrefixer> prefixers_;
    std::optional<AtomicFile> json_;
    std::vector<std::unique_ptr<AtomicFile>> device_trees_;
    EscapeFilter escape_;
    bool reading_ = false;
    bool raw_ = false;
    std::string typed_;  // for the guest, not yet taken by it
    std::unique_ptr<FleetHandle> fleet_;
    std::optional<Server> server_;  // none without control socket and metrics
};

Session::Session(
    vmm::FleetConfig config,
    const SessionOptions& options,
    const FleetFactory& factory,
    Signals& signals
)
    : config_(std::move(config))
    , options_(options)
    , signals_(signals)
    , output_(options.output, [this](int error) {
        output_error_ = error;
        bell_.ring();
    }) {
    if (!options.json.empty()) {
        json_.emplace(options.json);
    }
    std::size_t width = 0;
    for (vmm::GuestConfig& guest : config_.guests) {
        width = std::max(width, guest.name.size());
        if (!guest.dump_dtb.empty()) {
            device_trees_.push_back(std::make_unique<AtomicFile>(guest.dump_dtb));
            guest.dump_dtb = device_trees_.back()->temporary();
        }
    }
    for (const vmm::GuestConfig& guest : config_.guests) {
        prefixers_.emplace_back(guest.name, width);
    }
    if (!options.console && LiveView::is_possible(options.output)) {
        view_.emplace(output_);
    }
    if (!options.control.empty() || options.metrics) {
        server_.emplace(ServerOptions{
            .control = options.control,
            .metrics = options.metrics,
            .command = options.console ? "run" : "up",
        });
    }
    fleet_ =
        value_or_failure(factory(config_, [this](std::size_t guest, std::span<const char> bytes) {
            console_output(guest, bytes);
        }));
}

/// Workers call this, for one guest at a time.
void Session::console_output(std::size_t guest, std::span<const char> bytes) {
    if (options_.console) {
        output_.write({bytes.data(), bytes.size()});
    } else if (const auto lines = prefixers_.at(guest).feed(bytes); !lines.empty()) {
        view_ ? view_->write(lines) : output_.write(lines);
    }
}

/// The live table, a few times a second.
void Session::show() {
    constexpr std::chrono::milliseconds kInterval{500};
    if (!view_ || Clock::now() < show_at_) {
        return;
    }
    show_at_ = Clock::now() + kInterval;
    // In the background the terminal is another's.
    if (const pid_t front = ::tcgetpgrp(options_.output); front != -1 && front != ::getpgrp()) {
        return;
    }
    vmm::FleetReport now = fleet_->report();
    view_->draw(live_table(now, shown_, LiveView::size_of(options_.output)));
    shown_ = std::move(now);
}

int Session::run() {
    std::optional<RawTerminal> terminal;
    if (options_.console
        // What people type, and when, is no two times the same.
        && (!config_.seed || !config_.record_input.empty())) {
        const bool is_terminal = ::isatty(options_.input) != 0;
        if (is_terminal && options_.input == STDIN_FILENO) {
            terminal.emplace();
        }
        raw_ = terminal && terminal->active();
        // A terminal that isn't ours to use (background job) would stop us when read.
        reading_ = raw_ || !is_terminal;
    }
    signals_.deliver_to([this](int number) {
        asked_ = asked_ || number == SIGUSR1;
        bell_.ring();
    });
    value_or_failure(fleet_->start());
    for (const auto& file : device_trees_) {
        file->commit();
    }
    tell_debuggers();
    if (server_) {
        server_->start(*fleet_, [this] {
            if (output_.release_waiting()) {
                reader_stuck_ = true;
            }
        });
        tell_metrics();
    }
    std::thread waiter([this] {
        ::pthread_setname_np(::pthread_self(), "cops-wait");
        fleet_->wait();
        ended_ = true;
        bell_.ring();
    });
    attend();
    waiter.join();
    server_.reset();
    terminal.reset();
    return finish();
}

/// Until every guest has ended.
void Session::attend() {
    while (!ended_) {
        // While it is stopped, or in the background, keys are another job's.
        const bool can_read = reading_ && typed_.empty() && (!raw_ || RawTerminal::is_raw());
        std::array<::pollfd, 2> waits{
            {{bell_.fd(), POLLIN, 0}, {can_read ? options_.input : -1, POLLIN, 0}}
        };
        ::poll(waits.data(), waits.size(), patience());
        bell_.silence();
        if (waits[1].revents != 0) {
            read_input();
        }
        give_input();
        show();
        if (asked_.exchange(false)) {
            say(options_.messages, fleet_->describe());
        }
        const bool asked_to_end = signals_.received() == SIGTERM && !quit_ && output_error_ == 0;
        if (!stopped_ && (signals_.received() != 0 || quit_ || output_error_ != 0)) {
            end(asked_to_end);
        }
        if (force_at_ && Clock::now() >= *force_at_) {
            force_at_.reset();
            fleet_->stop();
        }
    }
}

/// Milliseconds until something is to be done though nobody rings; -1: never.
int Session::patience() const {
    constexpr int kRetryMilliseconds = 5;
    if (!typed_.empty()) {
        return kRetryMilliseconds;  // a guest has no way to tell when it reads its console
    }
    if (!force_at_ && !view_) {
        return -1;
    }
    auto next = view_ ? show_at_ : Clock::time_point::max();
    next = std::min(next, force_at_.value_or(next));
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now());
    return static_cast<int>(std::max(left, std::chrono::milliseconds(0)).count());
}

/// How to reach the guests that wait for a debugger.
void Session::tell_debuggers() const {
    for (std::size_t i = 0; i < config_.guests.size(); ++i) {
        if (const std::string at = fleet_->debugger_address(i); !at.empty()) {
            say(options_.messages,
                fmt::format(
                    "cops: guest {} is held before its first instruction until a debugger lets it "
                    "go: gdb-multiarch -ex 'target remote {}'\n",
                    config_.guests[i].name,
                    at
                ));
        }
    }
}

/// `ask`: those guests that can be asked get time to power off.
void Session::end(bool ask) {
    stopped_ = true;
    reading_ = false;
    typed_.clear();
    output_.stop_waiting();
    if (!ask) {
        fleet_->stop();
        return;
    }
    force_at_ = Clock::now() + kPowerOffTime;
    for (std::size_t i = 0; i < config_.guests.size(); ++i) {
        if (!fleet_->ask_power_off(i)) {
            fleet_->stop(i);
        }
    }
}

/// Where the metrics are, when the host has chosen that.
void Session::tell_metrics() const {
    if (options_.metrics && options_.metrics->path.empty() && options_.metrics->port == 0) {
        say(options_.messages,
            fmt::format("cops: metrics at http://{}/metrics\n", server_->metrics_address()));
    }
}

void Session::read_input() {
    std::array<char, 4096> buffer;
    const ssize_t count = ::read(options_.input, buffer.data(), buffer.size());
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) {
        return;
    }
    if (count <= 0) {
        reading_ = false;  // The guest runs on without input.
        return;
    }
    const std::span<const char> bytes(buffer.data(), static_cast<std::size_t>(count));
    if (!raw_) {
        typed_.assign(bytes.begin(), bytes.end());
        return;
    }
    EscapeFilter::Result result = escape_.feed(bytes);
    typed_ = std::move(result.to_guest);
    quit_ = result.quit;
    if (result.help) {
        say(options_.messages, kKeys);
    }
}

void Session::give_input() {
    if (!typed_.empty()) {
        typed_.erase(0, fleet_->console_input(0, typed_));
    }
}

int Session::code_of(const vmm::FleetReport& report) const {
    if (signals_.received() != 0) {
        return kExitSignal + signals_.received();
    }
    if (output_error_ != 0) {
        return output_error_ == EPIPE ? kExitSignal + SIGPIPE : exit_code(vmm::ErrorKind::internal);
    }
    return exit_code(report);
}

/// As `cops stop` ends a guest, whose reader may be as stuck as when a signal ends all.
bool Session::stopped_by_control(const vmm::FleetReport& report) const {
    for (std::size_t i = 0; i < config_.guests.size(); ++i) {
        const bool stopped = report.guests.at(i).outcome.ending == vmm::Ending::stopped;
        if (stopped && !config_.guests[i].background) {
            return true;
        }
    }
    return false;
}

int Session::finish() {
    constexpr std::chrono::milliseconds kLastWords{500};
    const vmm::FleetReport report = fleet_->report();
    // From here on a signal ends the process at once: nothing that needs an orderly end is left.
    signals_.stop_delivery();
    if (view_) {
        view_->hide();
    }
    if (!options_.console) {
        for (LinePrefixer& prefixer : prefixers_) {
            output_.write(prefixer.finish());
        }
        output_.write(level_table(report));
    }
    if (!stopped_ && !reader_stuck_ && !stopped_by_control(report)) {
        output_.flush();
    } else {
        output_.flush_for(kLastWords);
    }
    const int code = code_of(report);
    write_json(report, code);
    if (options_.engine_stats) {
        say(options_.messages, engine_table(report));
    }
    tell(report);
    return code;
}

void Session::write_json(const vmm::FleetReport& report, int code) {
    if (json_) {
        const RunFacts facts{
            .command = options_.console ? "run" : "up",
            .exit_code = code,
            .signal = signals_.received(),
        };
        json_->write(json_report(report, facts));
        json_->commit();
    }
}

void Session::tell(const vmm::FleetReport& report) const {
    for (const vmm::GuestReport& guest : report.guests) {
        if (const std::string what = ending_text(guest.outcome); !what.empty()) {
            const std::string who = options_.console ? "" : guest.outcome.name + ": ";
            const bool is_error = guest.outcome.ending != vmm::Ending::powered_off
                                  && guest.outcome.ending != vmm::Ending::reset;
            const std::string_view kind = is_error ? "error: " : "";
            say(options_.messages, fmt::format("cops: {}{}{}\n", kind, who, what));
        }
    }
    if (signals_.received() != 0) {
        say(options_.messages,
            fmt::format("cops: ended by {}\n", Signals::name(signals_.received())));
    } else if (output_error_ != 0 && output_error_ != EPIPE) {
        say(options_.messages,
            fmt::format("cops: error: cannot write to stdout: {}\n", std::strerror(output_error_)));
    }
}

}  // namespace

int run_session(
    vmm::FleetConfig config,
    const SessionOptions& options,
    const FleetFactory& factory,
    Signals& signals
) {
    return Session(std::move(config), options, factory, signals).run();
}

}  // namespace tools
