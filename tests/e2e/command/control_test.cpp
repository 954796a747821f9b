// SPDX-License-Identifier: Apache-2.0
// Control socket, its verbs, and metrics, as people use them, on every engine.
#include "running_command.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <sstream>

namespace {

using command::guest;
using command::RunningCommand;
using command::Words;
using ::testing::HasSubstr;
using Json = nlohmann::json;

std::vector<std::string> engines() {
    std::vector<std::string> found;
    for (const char* name : {"interp", "dbt"}) {
        if (command::run({"run", "--engine", name, "--no-reboot", "--kernel", guest("bare-reset")})
                .exit_code
            == 32) {
            found.emplace_back(name);
        }
    }
    return found;
}

class Control : public ::testing::TestWithParam<std::string> {
protected:
    RunningCommand start(Words words) {
        Words all{words.front(), "--control", socket_};
        all.insert(all.end(), words.begin() + 1, words.end());
        return {all, directory_ / "output"};
    }
    RunningCommand start_application(const std::string& program) {
        return start({"run", "--engine", GetParam(), "--cpus", "2", guest(program)});
    }
    /// A verb's exit code, stdout and stderr.
    test_support::ProcessResult ask(Words words) {
        words.insert(words.begin() + 1, {"--control", socket_});
        return command::run(words);
    }
    Json ps() {
        const auto result = ask({"ps", "--json"});
        EXPECT_EQ(result.exit_code, 0) << result.err;
        return Json::parse(result.out, nullptr, false)["guests"];
    }
    Json vcpus() { return ps()[0]["vcpus"]; }

    test_support::TemporaryDirectory directory_;
    std::string socket_ = directory_ / "control.sock";
};

TEST_P(Control, a_guest_is_shown_paused_resumed_and_stopped) {
    RunningCommand run = start_application("compute");
    ASSERT_TRUE(run.says("ready"));
    const Json guest = ps()[0];
    EXPECT_EQ(guest["name"], "guest");
    EXPECT_EQ(guest["state"], "running");
    EXPECT_EQ(guest["engine"], GetParam());
    ASSERT_EQ(guest["vcpus"].size(), 2u);
    EXPECT_THAT(ask({"ps"}).out, HasSubstr("guest  running   " + GetParam()));

    ASSERT_EQ(ask({"pause"}).exit_code, 0);
    const Json before = vcpus();
    EXPECT_EQ(before[0]["state"], "off");
    EXPECT_EQ(ps()[0]["state"], "paused");
    EXPECT_EQ(vcpus(), before);  // its counters stand still

    ASSERT_EQ(ask({"resume", "guest"}).exit_code, 0);
    EXPECT_TRUE(RunningCommand::eventually([&] {
        return vcpus()[0]["instructions"] > before[0]["instructions"];
    }));

    const auto stopped = ask({"stop"});
    EXPECT_EQ(stopped.exit_code, 0) << stopped.err;
    EXPECT_EQ(stopped.out, "guest: powered off\n");
    EXPECT_EQ(run.wait(), 0);
    EXPECT_EQ(run.output(), "ready\n");
    EXPECT_FALSE(std::filesystem::exists(socket_));
    EXPECT_EQ(ask({"ps"}).exit_code, 3);
}

TEST_P(Control, a_guest_that_sleeps_or_is_paused_powers_off_when_asked) {
    RunningCommand run = start_application("asleep");
    ASSERT_TRUE(run.says("ready"));
    ASSERT_EQ(ask({"pause", "guest"}).exit_code, 0);
    EXPECT_EQ(ask({"stop", "guest"}).out, "guest: powered off\n");
    EXPECT_EQ(run.wait(), 0);
}

TEST_P(Control, stop_ends_what_cannot_be_asked_by_force) {
    RunningCommand run = start({"run", "--engine", GetParam(), "--kernel", guest("bare-spin")});
    ASSERT_TRUE(run.says("ready"));
    EXPECT_EQ(ask({"stop", "--timeout", "3600"}).out, "guest: ended by force\n");
    EXPECT_EQ(run.wait(), 0);
}

TEST_P(Control, stop_ends_whom_nobody_reads) {
    // A terminal that is stopped, or a pager: the guest waits for its output and cannot leave.
    const std::string fifo = directory_ / "fifo";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    const int reader = ::open(fifo.c_str(), O_RDONLY | O_NONBLOCK);
    RunningCommand run(
        {"run", "--control", socket_, "--engine", GetParam(), "--kernel", guest("bare-flood")}, fifo
    );
    const int writer = ::open(fifo.c_str(), O_WRONLY | O_NONBLOCK);
    ASSERT_GE(writer, 0);
    EXPECT_TRUE(RunningCommand::eventually([&] {
        ::pollfd room{writer, POLLOUT, 0};
        return ::poll(&room, 1, 0) == 0;  // full, however many bytes each of its pages has
    }));
    ::close(writer);
    EXPECT_EQ(ask({"stop"}).out, "guest: ended by force\n");
    EXPECT_EQ(run.wait(), 0);
    ::close(reader);
}

TEST_P(Control, a_tenant_changes_while_its_guest_runs) {
    RunningCommand run = start_application("compute");
    ASSERT_TRUE(run.says("ready"));
    const auto changed = ask({"tenant", "set", "guest", "base-level=20", "budget-rate=250"});
    EXPECT_EQ(changed.exit_code, 0) << changed.err;
    EXPECT_EQ(
        changed.out,
        "guest: base-level=20 ceiling=0 weight=100 budget-rate=250 budget-burst=10000 share=none\n"
    );
    EXPECT_EQ(ps()[0]["tenant"]["base-level"], 20);
    const auto refused = ask({"tenant", "set", "guest", "share=3000"});
    EXPECT_EQ(refused.exit_code, 1);
    EXPECT_THAT(refused.err, HasSubstr("share"));
    EXPECT_EQ(ask({"tenant", "set", "nobody", "weight=5"}).exit_code, 2);
    // What it claims counts from now on, where everybody sees it.
    EXPECT_EQ(ask({"tenant", "set", "guest", "base-level=50", "ceiling=50"}).exit_code, 0);
    EXPECT_TRUE(RunningCommand::eventually([&] { return vcpus()[0]["level"] == 50; }));
    EXPECT_EQ(ask({"stop"}).exit_code, 0);
    EXPECT_EQ(run.wait(), 0);
}

TEST_P(Control, stats_are_the_report_of_now) {
    RunningCommand run = start_application("compute");
    ASSERT_TRUE(run.says("ready"));
    const auto result = ask({"stats"});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    const Json first = Json::parse(result.out);
    EXPECT_EQ(first["command"], "run");
    EXPECT_TRUE(first["exit_code"].is_null());
    EXPECT_TRUE(RunningCommand::eventually([&] {
        const Json later = Json::parse(ask({"stats"}).out);
        return later["guests"][0]["vcpus"][0]["run_ns"] > first["guests"][0]["vcpus"][0]["run_ns"];
    }));
}

TEST_P(Control, sigterm_lets_a_guest_power_off) {
    const std::string report = directory_ / "report.json";
    RunningCommand run = start({"run", "--engine", GetParam(), "--json", report, guest("asleep")});
    ASSERT_TRUE(run.says("ready"));
    ::kill(run.pid(), SIGTERM);
    EXPECT_EQ(run.wait(), 128 + SIGTERM);
    EXPECT_EQ(run.output(), "ready\ncops: ended by SIGTERM\n");
    const Json guest = Json::parse(test_support::read_file(report))["guests"][0];
    EXPECT_EQ(guest["ending"], "stopped");
    EXPECT_EQ(guest["status"], 128 + SIGTERM);  // of an application that SIGTERM ended
    EXPECT_EQ(guest["in_flight"], 0);
    EXPECT_FALSE(std::filesystem::exists(socket_));
}

TEST_P(Control, guests_of_a_fleet_are_controlled_by_name) {
    test_support::write_file(
        directory_ / "fleet.toml",
        "control = \"control.sock\"\n[[guest]]\nname = \"a\"\nengine = \"" + GetParam()
            + "\"\napp = \"" + guest("compute") + "\"\n[[guest]]\nname = \"b\"\nengine = \""
            + GetParam() + "\"\nkernel = \"" + guest("bare-idle") + "\"\n"
    );
    RunningCommand up({"up", directory_ / "fleet.toml"}, directory_ / "output");
    ASSERT_TRUE(up.says("a | ready"));
    ASSERT_TRUE(up.says("b | ready"));
    ASSERT_EQ(ask({"pause", "b"}).exit_code, 0);
    EXPECT_EQ(ps()[0]["state"], "running");
    EXPECT_EQ(ps()[1]["state"], "paused");
    const auto wrong = ask({"pause", "c"});
    EXPECT_EQ(wrong.exit_code, 2);
    EXPECT_EQ(wrong.err, "cops: error: there is no guest 'c'; there are: a, b\n");
    EXPECT_EQ(ask({"stop", "a"}).out, "a: powered off\n");
    EXPECT_EQ(ps()[0]["state"], "ended");
    const auto late = ask({"resume", "a"});
    EXPECT_EQ(late.exit_code, 1);
    EXPECT_EQ(late.err, "cops: error: guest a has ended\n");
    EXPECT_EQ(ask({"stop"}).out, "b: ended by force\n");
    EXPECT_EQ(up.wait(), 0);
}

TEST_P(Control, a_socket_in_use_is_not_taken_and_one_of_the_dead_is_replaced) {
    RunningCommand first = start_application("asleep");
    ASSERT_TRUE(first.says("ready"));
    const auto second = command::run({"run", "--control", socket_, "hello"});
    EXPECT_EQ(second.exit_code, 3);
    EXPECT_THAT(second.err, HasSubstr("another process listens there"));
    ::kill(first.pid(), SIGKILL);
    EXPECT_EQ(first.wait(), -SIGKILL);
    EXPECT_TRUE(std::filesystem::exists(socket_));
    EXPECT_EQ(command::run({"run", "--control", socket_, "hello"}).exit_code, 0);
    EXPECT_FALSE(std::filesystem::exists(socket_));
}

/// What `GET /metrics` gives, as curl would ask.
std::string scrape(const std::string& address) {
    ::sockaddr_in to{};
    to.sin_family = AF_INET;
    ::inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    to.sin_port =
        htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::connect(fd, reinterpret_cast<const ::sockaddr*>(&to), sizeof to), 0);
    const std::string head =
        "GET /metrics HTTP/1.1\r\nHost: " + address + "\r\nAccept: */*\r\n\r\n";
    EXPECT_EQ(::send(fd, head.data(), head.size(), 0), std::ssize(head));
    std::string text;
    char buffer[4096];
    for (ssize_t count = 0; (count = ::recv(fd, buffer, sizeof buffer, 0)) > 0;) {
        text.append(buffer, static_cast<std::size_t>(count));
    }
    ::close(fd);
    return text;
}

/// Samples of counters, by name with labels.
std::map<std::string, double> counters(const std::string& text) {
    std::map<std::string, double> found;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (const std::size_t at = line.find("_total{"); at != std::string::npos) {
            const std::size_t blank = line.rfind(' ');
            found[line.substr(0, blank)] = std::stod(line.substr(blank + 1));
        }
    }
    return found;
}

TEST_P(Control, metrics_are_labelled_and_never_decrease) {
    RunningCommand run(
        {"run", "--engine", GetParam(), "--metrics", "127.0.0.1:0", guest("compute")},
        directory_ / "output"
    );
    ASSERT_TRUE(run.says("ready"));
    ASSERT_TRUE(run.says("/metrics\n"));
    const std::string said = run.output();
    const std::size_t at = said.find("127.0.0.1:");
    const std::string address = said.substr(at, said.find('/', at) - at);
    const std::string text = scrape(address);
    EXPECT_THAT(text, HasSubstr("HTTP/1.1 200 OK\r\n"));
    auto before = counters(text);
    for (const char* name :
         {"run_seconds", "wait_seconds", "steal_seconds", "switches", "preemptions"}) {
        EXPECT_EQ(
            before.count(std::string("cops_vcpu_") + name + "_total{vm=\"guest\",vcpu=\"0\"}"), 1u
        ) << name;
    }
    const std::string ran = "cops_vcpu_run_seconds_total{vm=\"guest\",vcpu=\"0\"}";
    const double first = before[ran];
    EXPECT_GT(first, 0);
    EXPECT_TRUE(RunningCommand::eventually([&] {
        auto now = counters(scrape(address));
        for (const auto& [name, value] : before) {
            EXPECT_GE(now[name], value) << name;
        }
        before = now;
        return now[ran] > first;
    }));
}

INSTANTIATE_TEST_SUITE_P(Engines, Control, ::testing::ValuesIn(engines()), [](const auto& test) {
    return test.param;
});

}  // namespace
