// SPDX-License-Identifier: Apache-2.0
// A host thread for each virtual CPU, left to the host's scheduler; and workers that keep to CPUs.
#include "command.hpp"
#include "running_command.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <thread>
#include <vector>

namespace {

using command::guest;
using command::run;
using command::RunningCommand;
using command::Words;
using test_support::read_file;
using test_support::write_file;
using ::testing::AllOf;
using ::testing::HasSubstr;
using Json = nlohmann::json;

/// Whether commands that we start may have SCHED_FIFO.
bool fifo_permitted() {
    bool permitted = false;
    std::thread([&permitted] {
        const sched_param parameters{.sched_priority = 64};
        permitted = ::sched_setscheduler(0, SCHED_FIFO, &parameters) == 0;
    }).join();
    return permitted;
}

constexpr const char* kNoFifo =
    "this process may not have SCHED_FIFO: neither CAP_SYS_NICE nor RLIMIT_RTPRIO";

struct Setting {
    const char* engine;
    const char* policy;
};

class EveryEngine : public ::testing::TestWithParam<Setting> {
protected:
    void SetUp() override {
        const Words probe{
            "run", "--engine", GetParam().engine, "--no-reboot", "--kernel", guest("bare-reset")
        };
        if (run(probe).exit_code == 4) {
            GTEST_SKIP() << "this host has no engine " << GetParam().engine;
        }
        if (std::string(GetParam().policy) == "linux-fifo" && !fifo_permitted()) {
            GTEST_SKIP() << kNoFifo;
        }
        if (std::string(GetParam().policy) == "linux-nice" && ::getpriority(PRIO_PROCESS, 0) > 0) {
            GTEST_SKIP() << "runs at a nice value above 0 itself, and cannot go below";
        }
    }
    test_support::TemporaryDirectory directory_;
};

TEST_P(EveryEngine, an_application_runs_on_threads_of_its_harts) {
    const auto result = run(
        {"run", "--engine", GetParam().engine, "--policy", GetParam().policy, "--cpus", "3", "hello"
        }
    );
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(result.out, run({"run", "--cpus", "3", "hello"}).out);
}

TEST_P(EveryEngine, guests_with_files_go_on_side_by_side) {
    write_file(directory_ / "data", std::string(1 << 20, 'x'));
    std::string text = std::string("policy = \"") + GetParam().policy + "\"\n";
    for (const char* name : {"a", "b"}) {
        text += std::string("[[guest]]\nname = \"") + name + "\"\nengine = \"" + GetParam().engine
                + "\"\ncpus = 2\napp = \"sha256sum\"\nargs = [\"/host/f\"]\n"
                  "grant = [\"f=file:data\"]\n";
    }
    write_file(directory_ / "fleet.toml", text);
    const auto result =
        run({"up", "--json", directory_ / "report.json", directory_ / "fleet.toml"});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    const auto alone = run(
        {"run", "--grant", "f=file:" + (directory_ / "data").string(), "--", "sha256sum", "/host/f"}
    );
    EXPECT_THAT(result.out, AllOf(HasSubstr("a | " + alone.out), HasSubstr("b | " + alone.out)));
    const Json report = Json::parse(read_file(directory_ / "report.json"));
    EXPECT_EQ(report["policy"], GetParam().policy);
    for (const Json& one : report["guests"]) {
        EXPECT_EQ(one["ending"], "powered_off");
        EXPECT_EQ(one["in_flight"], 0);
    }
}

INSTANTIATE_TEST_SUITE_P(
    HostThreads,
    EveryEngine,
    ::testing::Values(
        Setting{"interp", "linux"},
        Setting{"interp", "linux-nice"},
        Setting{"interp", "linux-fifo"},
        Setting{"dbt", "linux"},
        Setting{"dbt", "linux-nice"},
        Setting{"dbt", "linux-fifo"}
    ),
    [](const auto& parameter) {
        std::string name = std::string(parameter.param.engine) + "_" + parameter.param.policy;
        std::ranges::replace(name, '-', '_');
        return name;
    }
);

/// What the host knows of a thread.
struct Seen {
    std::vector<int> cpus;
    int nice = 0;
    int policy = 0;
    int priority = 0;
};

/// A command that runs guests that print "ready" and compute for ever; its threads by name.
class Threads : public ::testing::Test {
protected:
    std::map<std::string, Seen>
    of(const std::string& fleet, const Words& options, std::size_t guests) {
        write_file(directory_ / "fleet.toml", fleet);
        Words words{"up"};
        words.insert(words.end(), options.begin(), options.end());
        words.push_back(directory_ / "fleet.toml");
        RunningCommand up(words, directory_ / "output");
        EXPECT_TRUE(RunningCommand::eventually([&] {
            return command::count(up.output(), "| ready") >= guests;
        })) << up.output();
        std::map<std::string, Seen> threads = threads_of(up.pid());
        ::kill(up.pid(), SIGTERM);
        EXPECT_EQ(up.wait(), 128 + SIGTERM) << up.output();
        return threads;
    }

    static std::map<std::string, Seen> threads_of(pid_t process) {
        std::map<std::string, Seen> threads;
        const std::string tasks = "/proc/" + std::to_string(process) + "/task";
        for (const auto& task : std::filesystem::directory_iterator(tasks)) {
            std::string name = read_file(task.path() / "comm");
            name.pop_back();
            threads[name] = look_at(std::stoi(task.path().filename()));
        }
        return threads;
    }

    static Seen look_at(pid_t thread) {
        Seen seen;
        cpu_set_t set;
        CPU_ZERO(&set);
        EXPECT_EQ(::sched_getaffinity(thread, sizeof set, &set), 0);
        for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
            if (CPU_ISSET(cpu, &set)) {
                seen.cpus.push_back(cpu);
            }
        }
        seen.nice = ::getpriority(PRIO_PROCESS, static_cast<id_t>(thread));
        seen.policy = ::sched_getscheduler(thread);
        sched_param parameters{};
        ::sched_getparam(thread, &parameters);
        seen.priority = parameters.sched_priority;
        return seen;
    }

    static std::string spinning(const std::string& name, const std::string& more) {
        return "[[guest]]\nname = \"" + name + "\"\nkernel = \"" + guest("bare-spin") + "\"\n"
               + more;
    }

    const std::vector<int> own_ = look_at(0).cpus;
    test_support::TemporaryDirectory directory_;
};

TEST_F(Threads, each_virtual_cpu_has_one_on_the_cpus_of_the_workers) {
    auto threads =
        of("policy = \"linux\"\n" + spinning("north", "cpus = 2\n") + spinning("south", ""), {}, 2);
    for (const char* name : {"north/0", "north/1", "south/0"}) {
        ASSERT_TRUE(threads.contains(name)) << name;
        EXPECT_EQ(threads[name].cpus, std::vector{own_[0]});
        EXPECT_EQ(threads[name].policy, SCHED_OTHER);
    }
    EXPECT_FALSE(threads.contains("cops-w0"));
    EXPECT_EQ(threads["cops-fleet"].cpus, own_);
}

TEST_F(Threads, nice_values_are_the_guests) {
    // Less urgent than this process is allowed to everybody.
    const int own = look_at(0).nice;
    const int given = std::min(own + 3, 19);
    const int of_level = std::min(own + 2, 19);
    auto threads =
        of(spinning("given", "nice = " + std::to_string(given) + "\n")
               + spinning("level", "base-level = " + std::to_string(16 + of_level) + "\n"),
           {"--policy", "linux-nice"},
           2);
    EXPECT_EQ(threads["given/0"].nice, given);
    EXPECT_EQ(threads["level/0"].nice, of_level);
    EXPECT_EQ(threads["cops-fleet"].nice, own);
}

TEST_F(Threads, fifo_priorities_follow_from_base_levels) {
    if (!fifo_permitted()) {
        GTEST_SKIP() << kNoFifo;
    }
    auto threads = of(spinning("only", "base-level = 30\n"), {"--policy", "linux-fifo"}, 1);
    EXPECT_EQ(threads["only/0"].policy, SCHED_FIFO);
    EXPECT_EQ(threads["only/0"].priority, 34);
    EXPECT_EQ(threads["cops-fleet"].policy, SCHED_OTHER);
}

TEST_F(Threads, workers_keep_to_the_cpus_of_the_list) {
    if (own_.size() < 2) {
        GTEST_SKIP() << "needs two CPUs, this process may use one";
    }
    const std::string backwards = std::to_string(own_[1]) + "," + std::to_string(own_[0]);
    auto threads = of("workers = 2\npin = \"" + backwards + "\"\n" + spinning("one", ""), {}, 1);
    EXPECT_EQ(threads["cops-w0"].cpus, std::vector{own_[1]});
    EXPECT_EQ(threads["cops-w1"].cpus, std::vector{own_[0]});

    const Words last{"--policy", "linux", "--workers", "1", "--pin", std::to_string(own_[1])};
    threads = of("workers = 2\npin = \"" + backwards + "\"\n" + spinning("one", ""), last, 1);
    EXPECT_EQ(threads["one/0"].cpus, std::vector{own_[1]});
}

TEST(HostThreads, what_the_host_refuses_is_exit_code_4_and_names_the_limit) {
    const Words refused{
        "prlimit",
        "--rtprio=0:",
        "--nice=0:",
        "setpriv",
        "--bounding-set=-sys_nice",
        "--inh-caps=-sys_nice"
    };
    Words words = ::geteuid() == 0 ? refused : Words(refused.begin(), refused.begin() + 3);
    const Words fifo = command::cops({"run", "--policy", "linux-fifo", "hello"});
    words.insert(words.end(), fifo.begin(), fifo.end());
    const auto result = test_support::run_process(words);
    EXPECT_EQ(result.exit_code, 4) << result.err;
    EXPECT_EQ(command::count(result.err, "\n"), 1U) << result.err;
    EXPECT_THAT(
        result.err,
        AllOf(
            HasSubstr("cops: error: thread guest/0 cannot have SCHED_FIFO priority 48"),
            HasSubstr("CAP_SYS_NICE"),
            HasSubstr("RLIMIT_RTPRIO")
        )
    );
}

TEST(HostThreads, cpus_that_cannot_be_are_exit_code_3_and_name_those_that_can) {
    const auto result = run({"run", "--pin", "8191", "hello"});
    EXPECT_EQ(result.exit_code, 3);
    EXPECT_THAT(result.err, AllOf(HasSubstr("CPU 8191"), HasSubstr("accepted: ")));
    const auto few = run({"run", "--workers", "2", "--pin", "0", "hello"});
    EXPECT_EQ(few.exit_code, 3);
    EXPECT_THAT(few.err, HasSubstr("2 workers need as many CPUs"));
}

TEST(Workers, more_than_there_are_cpus_run_with_a_warning) {
    cpu_set_t set;
    CPU_ZERO(&set);
    ASSERT_EQ(::sched_getaffinity(0, sizeof set, &set), 0);
    const std::string more = std::to_string(CPU_COUNT(&set) + 1);
    const auto result = run({"run", "--workers", more, "hello"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.err, HasSubstr(more + " workers share the "));
    const auto threads = run({"run", "--policy", "linux", "--workers", more, "hello"});
    EXPECT_EQ(threads.exit_code, 0) << threads.err;
    EXPECT_THAT(threads.err, HasSubstr("were to have " + more + " CPUs"));
    EXPECT_EQ(run({"run", "--workers", "1", "hello"}).err, "");
}

}  // namespace
