// SPDX-License-Identifier: Apache-2.0
// Ctrl-C and SIGTERM at any time: an orderly end, its exit code, nothing half-written.
#include "command.hpp"
#include "running_command.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <random>
#include <thread>

namespace {

using command::guest;
using command::RunningCommand;
using command::Words;
using test_support::read_file;
using ::testing::AnyOf;
using ::testing::HasSubstr;

/// What a run leaves: its output file, and a report that is whole if it is there at all.
void check_files(const std::filesystem::path& directory) {
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        const std::string name = entry.path().filename();
        if (name == "report.json") {
            EXPECT_TRUE(nlohmann::json::accept(read_file(entry.path()))) << read_file(entry.path());
        } else {
            EXPECT_THAT(name, AnyOf("output", "guest.dtb", "data", "fleet.toml"));
        }
    }
}

class AnyTime : public ::testing::TestWithParam<int> {
protected:
    /// Signals a run at random moments of its life, again and again. The run would end with
    /// `own_code` by itself.
    void storm(const Words& words, int own_code, int last_millisecond) {
        const auto seed = std::random_device{}();
        std::mt19937 random(seed);
        std::uniform_int_distribution<int> moment(0, last_millisecond * 1000);
        int signalled = 0;
        for (int round = 0; round < 30; ++round) {
            const int delay = moment(random);
            RunningCommand run(words, directory_ / "output");
            std::this_thread::sleep_for(std::chrono::microseconds(delay));
            ::kill(run.pid(), GetParam());
            const int code = run.wait();
            // Before the command could take charge of signals, they do what they always do.
            EXPECT_THAT(code, AnyOf(own_code, 128 + GetParam(), -GetParam()))
                << "seed " << seed << " after " << delay << " us:\n"
                << read_file(directory_ / "output");
            signalled += code != own_code ? 1 : 0;
            check_files(directory_.path());
            std::filesystem::remove(directory_ / "report.json");
        }
        EXPECT_GT(signalled, 0);
    }

    test_support::TemporaryDirectory directory_;
};

TEST_P(AnyTime, an_application_ends_in_order) {
    storm(
        {"run",
         "--json",
         directory_ / "report.json",
         "--dump-dtb",
         directory_ / "guest.dtb",
         "--cpus",
         "2",
         "hello"},
        0,
        100
    );
}

TEST_P(AnyTime, requests_in_flight_are_drained) {
    test_support::write_file(directory_ / "data", std::string(8 << 20, 'x'));
    storm(
        {"run",
         "--json",
         directory_ / "report.json",
         "--workers",
         "2",
         "--grant",
         "f=file:" + (directory_ / "data").string(),
         "--",
         "sha256sum",
         "/host/f",
         "/host/f"},
        0,
        500
    );
}

TEST_P(AnyTime, a_fleet_ends_in_order) {
    test_support::write_file(
        directory_ / "fleet.toml",
        "workers = 2\n[[guest]]\nkernel = \"" + guest("bare-spin") + "\"\n[[guest]]\nkernel = \""
            + guest("bare-idle") + "\"\n[[guest]]\nkernel = \"" + guest("bare-flood") + "\"\n"
    );
    storm({"up", "--json", directory_ / "report.json", directory_ / "fleet.toml"}, -1, 200);
}

INSTANTIATE_TEST_SUITE_P(
    Signal,
    AnyTime,
    ::testing::Values(SIGINT, SIGTERM),
    [](const auto& parameter) {
        return std::string(parameter.param == SIGINT ? "interrupt" : "terminate");
    }
);

TEST(Signal, a_run_says_what_ended_it) {
    const auto result = command::run(
        {"run", "--kernel", guest("bare-spin")},
        {.signal_when_output_contains = "ready", .signal_number = SIGTERM}
    );
    EXPECT_EQ(result.exit_code, 128 + SIGTERM);
    EXPECT_EQ(result.out, "ready\n");
    EXPECT_EQ(result.err, "cops: ended by SIGTERM\n");
}

TEST(Signal, user_signal_1_asks_what_goes_on_and_ends_nothing) {
    const test_support::TemporaryDirectory directory;
    const std::string output = directory / "output";
    RunningCommand run({"run", "--kernel", guest("bare-idle")}, output);
    EXPECT_TRUE(run.says("ready"));
    // Asked again until it has all started: a signal before that is no question to a fleet.
    EXPECT_TRUE(RunningCommand::eventually([&] {
        ::kill(run.pid(), SIGUSR1);
        return run.output().contains("vCPU 0: idle");
    }));
    ::kill(run.pid(), SIGTERM);
    EXPECT_EQ(run.wait(), 128 + SIGTERM);
    const std::string said = run.output();
    EXPECT_THAT(said, HasSubstr("fleet under policy priority: 1 of 1 guests have not ended"));
    EXPECT_THAT(said, HasSubstr("worker 0: sleeps"));
    EXPECT_THAT(said, HasSubstr("0 requests in flight"));
}

TEST(Signal, a_reader_that_does_not_read_cannot_hold_up_the_end) {
    // Nobody reads the pipe: the guest fills it, and what is behind it, and has to wait.
    const test_support::TemporaryDirectory directory;
    const std::string fifo = directory / "fifo";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    const int reader = ::open(fifo.c_str(), O_RDONLY | O_NONBLOCK);
    RunningCommand run({"run", "--kernel", guest("bare-flood")}, fifo);
    const int writer = ::open(fifo.c_str(), O_WRONLY | O_NONBLOCK);
    ASSERT_GE(writer, 0);
    ::pollfd room{writer, POLLOUT, 0};
    while (::poll(&room, 1, 0) != 0) {  // until it is full, however many bytes its pages have
    }
    ::close(writer);
    ::kill(run.pid(), SIGTERM);
    EXPECT_EQ(run.wait(), 128 + SIGTERM);
    ::close(reader);
}

}  // namespace
