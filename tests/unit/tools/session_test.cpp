// SPDX-License-Identifier: Apache-2.0
#include "process.hpp"
#include "run/session.hpp"
#include "support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <cstdio>
#include <mutex>

namespace tools {
namespace {

using test_support::read_file;
using ::testing::HasSubstr;

/// What a fake guest does when it starts, and how it ends.
struct Script {
    std::vector<std::string> prints;  // by guest
    std::vector<vmm::GuestOutcome> outcomes;
    std::string ends_on_input;  // goes on until it got this
    bool ends_on_stop = false;  // goes on until it is stopped
    bool can_be_asked = false;  // to power off, on which it does so or does nothing
    bool ends_when_asked = false;
    std::string debugger;  // where it waits for one
    int raises = 0;        // a signal, sent to ourselves once it runs
    bool fails_to_start = false;
};

class FakeFleet final : public FleetHandle {
public:
    FakeFleet(const Script& script, vmm::ConsoleSink console)
        : script_(script)
        , console_(std::move(console)) {}

    vmm::Result<void> start() override {
        if (script_.fails_to_start) {
            return vmm::fail(vmm::ErrorKind::unavailable, "no rings here");
        }
        for (std::size_t i = 0; i < script_.prints.size(); ++i) {
            console_(i, script_.prints[i]);
        }
        if (script_.raises != 0) {
            ::kill(::getpid(), script_.raises);
        }
        return {};
    }
    void wait() override {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] {
            return stopped_ || (!script_.ends_on_stop && got_ == script_.ends_on_input);
        });
    }
    void stop() override {
        const std::lock_guard lock(mutex_);
        stopped_ = true;
        changed_.notify_all();
    }
    void stop(std::size_t) override { stop(); }
    bool ask_power_off(std::size_t) override {
        if (script_.ends_when_asked) {
            stop();
        }
        return script_.can_be_asked;
    }
    vmm::GuestState state(std::size_t) const override { return vmm::GuestState::running; }
    vmm::Result<void> pause(std::size_t) override { return {}; }
    vmm::Result<void> resume(std::size_t) override { return {}; }
    vmm::Result<void> set_tenant(std::size_t, const vmm::Tenant&) override { return {}; }
    std::size_t console_input(std::size_t, std::span<const char> bytes) override {
        const std::lock_guard lock(mutex_);
        got_ += bytes.front();  // A narrow FIFO: the session has to come back.
        changed_.notify_all();
        return 1;
    }
    std::string debugger_address(std::size_t) const override { return script_.debugger; }
    vmm::FleetReport report() const override {
        vmm::FleetReport report{.policy = "fair", .workers = 1, .guests = {}};
        for (const auto& outcome : script_.outcomes) {
            report.guests.emplace_back().outcome = outcome;
        }
        if (stopped_) {
            report.guests.at(0).outcome.ending = vmm::Ending::stopped;
        }
        return report;
    }
    std::string describe() const override { return "all is well\n"; }

private:
    const Script& script_;
    vmm::ConsoleSink console_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::string got_;
    bool stopped_ = false;
};

vmm::GuestOutcome ended(vmm::Ending ending, std::uint32_t status = 0, std::string message = "") {
    return {.name = "g", .ending = ending, .status = status, .message = std::move(message)};
}

class Session : public ::testing::Test {
protected:
    /// Runs a session; its output and messages are in out_ and err_ then.
    int run(const Script& script, bool console = true) {
        vmm::FleetConfig config;
        for (std::size_t i = 0; i < script.outcomes.size(); ++i) {
            config.guests.push_back({.name = std::string("g") + std::to_string(i)});
        }
        const int output = ::open((directory_ / "out").c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
        const int messages = ::open((directory_ / "err").c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
        const int code = run_session(
            config,
            {.console = console,
             .json = json_,
             .input = input_,
             .output = output_ >= 0 ? output_ : output,
             .messages = messages},
            [&script](const vmm::FleetConfig&, vmm::ConsoleSink sink) {
                return vmm::Result<std::unique_ptr<FleetHandle>>(
                    std::make_unique<FakeFleet>(script, std::move(sink))
                );
            },
            signals_
        );
        ::close(output);
        ::close(messages);
        out_ = read_file(directory_ / "out");
        err_ = read_file(directory_ / "err");
        return code;
    }

    test_support::TemporaryDirectory directory_;
    Signals signals_;
    int input_ = ::open("/dev/null", O_RDONLY);
    int output_ = -1;
    std::string json_;
    std::string out_;
    std::string err_;
};

TEST_F(Session, a_guests_console_is_the_output_and_nothing_else) {
    const Script script{.prints = {"hello\n$ "}, .outcomes = {ended(vmm::Ending::powered_off)}};
    EXPECT_EQ(run(script), 0);
    EXPECT_EQ(out_, "hello\n$ ");
    EXPECT_EQ(err_, "");
}

TEST_F(Session, a_guest_that_waits_for_a_debugger_says_where) {
    const Script script{
        .outcomes = {ended(vmm::Ending::powered_off)}, .debugger = "tcp:127.0.0.1:77"
    };
    EXPECT_EQ(run(script), 0);
    EXPECT_THAT(err_, HasSubstr("until a debugger lets it go"));
    EXPECT_THAT(err_, HasSubstr("'target remote tcp:127.0.0.1:77'"));
}

TEST_F(Session, a_failing_application_is_told_with_its_exact_status) {
    const Script script{.outcomes = {ended(vmm::Ending::powered_off, 200)}};
    EXPECT_EQ(run(script), 127);
    EXPECT_THAT(err_, HasSubstr("status 200"));
}

TEST_F(Session, a_crash_is_told_once) {
    const Script script{.outcomes = {ended(vmm::Ending::crashed, 0, "it jumped to 0")}};
    EXPECT_EQ(run(script), 33);
    EXPECT_EQ(err_, "cops: error: the guest crashed: it jumped to 0\n");
}

TEST_F(Session, input_reaches_the_guest_and_its_end_does_not_stop_it) {
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe(pipe.data()), 0);
    ASSERT_EQ(::write(pipe[1], "abc", 3), 3);
    ::close(pipe[1]);
    input_ = pipe[0];
    const Script script{.outcomes = {ended(vmm::Ending::powered_off)}, .ends_on_input = "abc"};
    EXPECT_EQ(run(script), 0);
}

TEST_F(Session, a_signal_ends_it_in_order) {
    json_ = directory_ / "report.json";
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        const Script script{
            .outcomes = {ended(vmm::Ending::running)}, .ends_on_stop = true, .raises = number
        };
        vmm::FleetConfig config;
        config.guests.push_back({.name = "g"});
        // A session has one signal in its life, so each gets its own watcher, in a child.
        const ::pid_t child = ::fork();
        if (child == 0) {
            Signals signals;
            const int code = run_session(
                config,
                {.json = json_, .input = input_},
                [&script](const vmm::FleetConfig&, vmm::ConsoleSink sink) {
                    return vmm::Result<std::unique_ptr<FleetHandle>>(
                        std::make_unique<FakeFleet>(script, std::move(sink))
                    );
                },
                signals
            );
            ::_exit(code);
        }
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        EXPECT_EQ(WEXITSTATUS(status), 128 + number);
        const auto report = nlohmann::json::parse(read_file(json_));
        EXPECT_EQ(report["signal"], number);
        EXPECT_EQ(report["exit_code"], 128 + number);
        EXPECT_EQ(report["guests"][0]["ending"], "stopped");
    }
}

TEST_F(Session, a_guest_that_powers_off_when_asked_is_not_stopped_by_force) {
    const Script script{
        .outcomes = {ended(vmm::Ending::running)},
        .ends_on_stop = true,
        .can_be_asked = true,
        .ends_when_asked = true,
        .raises = SIGTERM,
    };
    EXPECT_EQ(run(script), 128 + SIGTERM);
    EXPECT_EQ(err_, "cops: ended by SIGTERM\n");
}

TEST_F(Session, a_reader_that_went_away_ends_it_like_sigpipe) {
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe(pipe.data()), 0);
    ::close(pipe[0]);
    output_ = pipe[1];
    const Script script{
        .prints = {"x"}, .outcomes = {ended(vmm::Ending::running)}, .ends_on_stop = true
    };
    EXPECT_EQ(run(script), 128 + SIGPIPE);
    EXPECT_EQ(err_, "");
}

TEST_F(Session, a_full_disk_is_an_error_of_its_own) {
    output_ = ::open("/dev/full", O_WRONLY);
    const Script script{
        .prints = {"x"}, .outcomes = {ended(vmm::Ending::running)}, .ends_on_stop = true
    };
    EXPECT_EQ(run(script), 1);
    EXPECT_THAT(err_, HasSubstr("cannot write to stdout: No space left"));
}

TEST_F(Session, a_fleet_prints_whole_lines_with_names_and_a_table) {
    const Script script{
        .prints = {"one\ntwo", "three\n"},
        .outcomes = {ended(vmm::Ending::powered_off), ended(vmm::Ending::powered_off, 3)}
    };
    EXPECT_EQ(run(script, false), 67);
    EXPECT_THAT(out_, HasSubstr("g0 | one\ng1 | three\ng0 | two\n\npolicy fair"));
    EXPECT_THAT(err_, HasSubstr("status 3"));
}

TEST_F(Session, a_fleet_that_cannot_start_leaves_no_files) {
    json_ = directory_ / "report.json";
    const Script script{.outcomes = {ended(vmm::Ending::running)}, .fails_to_start = true};
    const auto message = test::failure_of(vmm::ErrorKind::unavailable, [&] { (void)run(script); });
    EXPECT_EQ(message, "no rings here");
    EXPECT_FALSE(std::filesystem::exists(json_));
}

}  // namespace
}  // namespace tools
