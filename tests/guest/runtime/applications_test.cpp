// SPDX-License-Identifier: Apache-2.0
// The runtime in real guests: each program asserts what it claims and ends with 0.
#include "process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <regex>

namespace {

using test_support::ProcessResult;
using test_support::TemporaryDirectory;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

/// Bytes 0, 1, 2 ... as the test programs expect them.
std::string pattern(std::size_t size) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i) {
        bytes[i] = static_cast<char>(i);
    }
    return bytes;
}

/// What executes the guest, and whether completions interrupt in user mode.
struct Cpu {
    const char* engine;
    const char* isa;
};

std::string name_of(const Cpu& cpu) {
    return std::string(cpu.engine) + (std::string(cpu.isa) == "n=off" ? "_by_upcall" : "");
}

const auto kCpus = ::testing::Values(
    Cpu{"dbt", "n=on"}, Cpu{"dbt", "n=off"}, Cpu{"interp", "n=on"}, Cpu{"interp", "n=off"}
);

class GuestRun {
protected:
    explicit GuestRun(const Cpu& cpu)
        : cpu_(cpu) {
        std::filesystem::create_directory(directory_ / "shared");
        test_support::write_file(directory_ / "shared" / "input", pattern(1000));
    }

    /// `cops run OPTIONS --grant d=dir:...:rw -- APP ARGUMENTS`.
    [[nodiscard]] ProcessResult
    run(const std::vector<std::string>& words,
        const std::vector<std::string>& options = {},
        const std::string& program = COPS_COMMAND) const {
        std::vector<std::string> command = {
            program, "run", "--engine", cpu_.engine, "--isa", cpu_.isa
        };
        command.insert(command.end(), options.begin(), options.end());
        command.insert(
            command.end(), {"--grant", "d=dir:" + (directory_ / "shared").string() + ":rw", "--"}
        );
        command.insert(command.end(), words.begin(), words.end());
        return test_support::run_process(command);
    }

    [[nodiscard]] bool by_upcall() const { return std::string(cpu_.isa) == "n=off"; }

    const Cpu cpu_;
    TemporaryDirectory directory_;
};

class Applications : public GuestRun, public ::testing::TestWithParam<Cpu> {
protected:
    Applications()
        : GuestRun(GetParam()) {}
};

#define EXPECT_ENDED_WELL(result)                                                                  \
    EXPECT_FALSE(result.timed_out);                                                                \
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err

unsigned long number_after(const std::string& text, const std::string& key) {
    std::smatch found;
    const std::regex pattern(key + "=([0-9]+)");
    return std::regex_search(text, found, pattern) ? std::stoul(found[1]) : 0;
}

TEST_P(Applications, hello_by_coroutines_in_the_order_of_levels) {
    const ProcessResult result = run({"hello-cops"});
    EXPECT_ENDED_WELL(result);
    EXPECT_EQ(
        result.out, "Hello from the coroutine of level 2.\nHello from the coroutine of level 20.\n"
    );
}

TEST_P(Applications, every_call_of_the_api_does_what_it_says) {
    const ProcessResult result = run({"test-api", "/host/d"});
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(result.out, HasSubstr("test-api: all passed"));
    EXPECT_EQ(
        test_support::read_file(directory_ / "shared" / "output").substr(0, 20000), pattern(20000)
    );
}

TEST_P(Applications, every_call_of_the_api_on_several_harts) {
    const ProcessResult result = run({"test-api", "/host/d"}, {"--cpus", "2"});
    EXPECT_ENDED_WELL(result);
}

TEST_P(Applications, every_call_of_the_api_without_boards) {
    const ProcessResult result = run({"test-api", "/host/d"}, {"--no-boards"});
    EXPECT_ENDED_WELL(result);
}

TEST_P(Applications, coroutines_wait_for_each_other_as_the_api_says) {
    const ProcessResult result = run({"test-sync"});
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(result.out, HasSubstr("test-sync: all passed"));
}

TEST_P(Applications, sha256sum_prints_what_coreutils_prints) {
    const auto shared = directory_ / "shared";
    test_support::write_file(shared / "empty", "");
    test_support::write_file(shared / "odd", pattern(123457));
    const ProcessResult result =
        run({"sha256sum", "/host/d/input", "/host/d/empty", "/host/d/odd", "/host/d/none"});
    EXPECT_EQ(result.exit_code, 64 + 1);
    const ProcessResult expected = test_support::run_process(
        {"sha256sum",
         (shared / "input").string(),
         (shared / "empty").string(),
         (shared / "odd").string()}
    );
    std::string text = expected.out;
    for (std::size_t at = 0; (at = text.find(shared.string(), at)) != std::string::npos;) {
        text.replace(at, shared.string().size(), "/host/d");
    }
    const std::string complaint = "sha256sum: /host/d/none: No such file or directory\n";
    // The console carries the guest's stdout and stderr alike.
    EXPECT_EQ(result.out, text + complaint);
}

TEST_P(Applications, digest_of_urgent_files_ends_before_that_of_patient_ones) {
    const auto shared = directory_ / "shared";
    for (const char* name : {"urgent-0", "urgent-1", "patient-0", "patient-1"}) {
        test_support::write_file(shared / name, pattern(300'000));
    }
    const ProcessResult result = run({"digest", "--urgent", "2", "--patient", "2", "/host/d"});
    EXPECT_ENDED_WELL(result);
    const ProcessResult expected =
        test_support::run_process({"sha256sum", (shared / "urgent-0").string()});
    const std::string sum = "sha256=" + expected.out.substr(0, 64) + " bytes=300000";
    std::size_t found = 0;
    for (std::size_t at = 0; (at = result.out.find(sum, at)) != std::string::npos; ++at) {
        ++found;
    }
    EXPECT_EQ(found, 4u) << result.out;
    const std::regex level("level level=(\\d+) files=2 bytes=600000 finished_ns=(\\d+)");
    std::map<std::string, unsigned long> finished;
    for (std::sregex_iterator it(result.out.begin(), result.out.end(), level), end; it != end;
         ++it) {
        finished[(*it)[1]] = std::stoul((*it)[2]);
    }
    ASSERT_EQ(finished.size(), 2u) << result.out;
    EXPECT_LT(finished["2"], finished["20"]);
}

TEST_P(Applications, completion_interrupts_a_spinning_coroutine_without_a_trap) {
    const ProcessResult result = run({"test-user-interrupt", "/host/d/input"});
    EXPECT_ENDED_WELL(result);
    EXPECT_GT(number_after(result.out, "interrupted"), 0u);
    if (by_upcall()) {
        EXPECT_THAT(result.out, HasSubstr("mode=upcall"));
    } else {
        EXPECT_THAT(result.out, HasSubstr("mode=hardware"));
        EXPECT_GT(number_after(result.out, "without_trap"), 0u);
    }
}

TEST_P(Applications, completions_come_by_all_three_paths) {
    const ProcessResult result = run({"test-wake-paths", "/host/d/input"});
    EXPECT_ENDED_WELL(result);
    EXPECT_GT(number_after(result.out, "ring"), 0u);
    EXPECT_GT(number_after(result.out, "user_interrupt"), 0u);
    EXPECT_GT(number_after(result.out, "kernel"), 0u);
}

TEST_P(Applications, processes_get_their_own_completions_only) {
    const ProcessResult result =
        run({"test-isolation", "--processes", "4", "--requests", "6400", "/host/d/input"},
            {"--cpus", "2"});
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(result.out, HasSubstr("isolation processes=4 requests=25600 failed=0"));
}

TEST_P(Applications, running_coroutines_are_preempted_and_go_on_as_if_nothing_had_been) {
    const ProcessResult result = run({"test-preemption"});
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(result.out, HasSubstr("test-preemption: all passed"));
}

TEST_P(Applications, plain_functions_wait_on_stacks_that_their_coroutines_keep) {
    const ProcessResult result = run({"test-block-on", "/host/d/input"});
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(result.out, HasSubstr("test-block-on: all passed"));
    EXPECT_GT(number_after(result.out, "blocks"), 1000u);
}

TEST_P(Applications, plain_functions_that_must_not_wait_are_told_so) {
    for (const auto& [how, complaint] : {
             std::pair("guarded", "block_on() where others must not run: under NoPreemption"),
             std::pair("static", "while a static variable is made"),
             std::pair("parameter", "in the destructor of a coroutine's parameter"),
             std::pair("outside", "block_on() outside of a coroutine"),
             std::pair("foreign", "block_on() of something that no call of this library waits for"),
             std::pair("asleep", "every coroutine sleeps and no request is in flight"),
         }) {
        const ProcessResult result = run({"test-block-on", "/host/d/input", how});
        EXPECT_NE(result.exit_code, 0) << how;
        EXPECT_THAT(result.out, HasSubstr(complaint)) << how;
    }
}

TEST_P(Applications, least_urgent_coroutine_has_a_turn_in_each_window_that_is_asked_for) {
    const ProcessResult result = run({"test-window"});
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(result.out, HasSubstr("test-window: all passed"));
}

TEST_P(Applications, processes_have_their_shares_beside_those_that_claim_everything) {
    const ProcessResult result = run({"test-shares"});
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(result.out, HasSubstr("test-shares: all passed"));
}

TEST_P(Applications, a_producer_that_yields_starves_its_consumer_and_one_that_waits_does_not) {
    const ProcessResult result = run({"test-bounded-queue"});
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(result.out, HasSubstr("correct: consumed=1000"));
    EXPECT_THAT(result.out, HasSubstr("as printed, on one hart: consumed=0"));
    EXPECT_THAT(result.out, Not(HasSubstr("on two harts")));
}

TEST_P(Applications, a_producer_that_yields_does_not_starve_a_consumer_on_a_hart_of_its_own) {
    const ProcessResult result = run({"test-bounded-queue"}, {"--cpus", "2", "--workers", "2"});
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(result.out, HasSubstr("as printed, on two harts: consumed=1000"));
}

TEST_P(Applications, executor_is_an_image_that_no_process_can_change) {
    const ProcessResult result = run({"test-executor", "/host/d/input"});
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(result.out, HasSubstr("executor abi=1 built_for=1"));
    const ProcessResult storing = run({"test-executor", "--store", "/host/d/input"});
    EXPECT_EQ(storing.exit_code, 127) << storing.out << storing.err;
    EXPECT_THAT(storing.out, HasSubstr("the memory is read-only"));
}

/// Harts of the guest and workers of the host; under the policy `linux` CPUs.
struct Shape {
    const char* harts;
    const char* workers;
    const char* policy = "priority";
    bool dispatcher = false;
};

class OnHarts : public GuestRun, public ::testing::TestWithParam<std::tuple<Cpu, Shape>> {
protected:
    OnHarts()
        : GuestRun(std::get<0>(GetParam())) {}

    [[nodiscard]] ProcessResult run_on_harts(const std::vector<std::string>& words) const {
        std::vector<std::string> options{
            "--cpus", shape_.harts, "--workers", shape_.workers, "--policy", shape_.policy
        };
        if (shape_.dispatcher) {
            options.emplace_back("--dispatcher");
        }
        return run(words, options);
    }

    const Shape shape_ = std::get<1>(GetParam());
};

TEST_P(OnHarts, coroutines_run_on_all_harts_and_leave_those_that_are_taken_back) {
    const ProcessResult result = run_on_harts({"test-harts", "/host/d/input"});
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(result.out, HasSubstr("test-harts: all passed"));
}

TEST_P(OnHarts, plain_functions_wait_on_all_harts_and_go_on_where_their_stacks_are) {
    ProcessResult result = run_on_harts({"test-block-on-harts", "/host/d/input"});
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(result.out, HasSubstr("test-block-on-harts: all passed"));
    result = run_on_harts({"test-block-on", "/host/d/input"});
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(result.out, HasSubstr("test-block-on: all passed"));
}

TEST_P(OnHarts, threads_of_the_c_library_run_on_harts_that_were_given) {
    const ProcessResult result = run_on_harts({"test-threads", shape_.harts});
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(result.out, HasSubstr("test-threads: all passed"));
}

TEST_P(OnHarts, threads_end_with_their_process_and_the_process_with_its_last_thread) {
    ProcessResult result = run_on_harts({"test-threads", shape_.harts, "exit"});
    EXPECT_EQ(result.exit_code, 64 + 7) << result.out << result.err;
    result = run_on_harts({"test-threads", shape_.harts, "fault"});
    EXPECT_EQ(result.exit_code, 127) << result.out << result.err;
    EXPECT_THAT(result.out, HasSubstr("store to 0x1234560"));
    result = run_on_harts({"test-threads", shape_.harts, "leave"});
    EXPECT_EQ(result.exit_code, 64 + 5) << result.out << result.err;
    EXPECT_THAT(result.out, HasSubstr("the last thread"));
}

INSTANTIATE_TEST_SUITE_P(
    Runtime,
    OnHarts,
    ::testing::Combine(
        kCpus,
        ::testing::Values(
            Shape{"2", "2"},
            Shape{"2", "1"},
            Shape{"4", "2"},
            Shape{"4", "2", "linux"},
            Shape{"4", "2", "priority", true}
        )
    ),
    [](const auto& info) {
        const Shape& shape = std::get<1>(info.param);
        return name_of(std::get<0>(info.param)) + "_" + shape.harts + "_harts_" + shape.workers
               + (std::string(shape.policy) == "linux" ? "_cpus_of_linux" : "_workers")
               + (shape.dispatcher ? "_dispatched" : "");
    }
);

/// The command with another kernel, which maps another executor.
class OtherKernel : public Applications {
protected:
    explicit OtherKernel(const char* kernel)
        : command_((directory_ / "bin" / "cops").string()) {
        const std::filesystem::path share = directory_ / "share" / "cops";
        std::filesystem::create_directories(share);
        std::filesystem::create_directory(directory_ / "bin");
        std::filesystem::copy_file(COPS_COMMAND, command_);
        std::filesystem::copy_file(
            std::filesystem::path(COPS_BINARY_DIR) / "guest" / "bin" / kernel, share / "cops-kernel"
        );
        std::filesystem::create_directory_symlink(
            std::filesystem::path(COPS_IMAGE_DIR) / "apps", share / "apps"
        );
    }

    const std::string command_;
};

/// Levels in the order in which the coroutines of test-order ended.
std::vector<unsigned> order_of(const std::string& output) {
    std::vector<unsigned> levels;
    const std::regex line("ended level=(\\d+)");
    for (std::sregex_iterator it(output.begin(), output.end(), line), end; it != end; ++it) {
        levels.push_back(static_cast<unsigned>(std::stoul((*it)[1])));
    }
    return levels;
}

// So long that no tick does what is asked of the executor.
const std::vector<std::string> kNoTicks = {"--cmdline", "tick_us=300000"};

TEST_P(Applications, two_processes_and_the_kernel_end_their_work_in_the_order_of_levels) {
    const ProcessResult result = run({"test-order", "/host/d/input"}, kNoTicks);
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(
        order_of(result.out), ::testing::ElementsAre(10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60)
    ) << result.out;
}

class DeafExecutor : public OtherKernel {
protected:
    DeafExecutor()
        : OtherKernel("cops-kernel-deaf") {}
};

// That the test before this one would notice.
TEST_P(DeafExecutor, runs_its_own_work_before_more_urgent_work_of_others) {
    const ProcessResult result = run({"test-order", "/host/d/input"}, kNoTicks, command_);
    EXPECT_ENDED_WELL(result);
    const std::vector<unsigned> order = order_of(result.out);
    EXPECT_EQ(order.size(), 11u);
    EXPECT_FALSE(std::ranges::is_sorted(order)) << result.out;
}

INSTANTIATE_TEST_SUITE_P(
    Engines,
    DeafExecutor,
    ::testing::Values(Cpu{"dbt", "n=on"}, Cpu{"interp", "n=on"}),
    [](const auto& info) { return name_of(info.param); }
);

class LaterExecutor : public OtherKernel {
protected:
    LaterExecutor()
        : OtherKernel("cops-kernel-next") {}
};

TEST_P(LaterExecutor, runs_applications_that_were_built_before_it) {
    const ProcessResult versions = run({"test-executor", "/host/d/input"}, {}, command_);
    EXPECT_ENDED_WELL(versions);
    EXPECT_THAT(versions.out, HasSubstr("executor abi=2 built_for=1"));
    EXPECT_GT(
        number_after(versions.out, "context_bytes"), number_after(versions.out, "built_with")
    );
    const ProcessResult api = run({"test-api", "/host/d"}, {}, command_);
    EXPECT_ENDED_WELL(api);
    EXPECT_THAT(api.out, HasSubstr("test-api: all passed"));
    const ProcessResult wakes = run({"test-wake-paths", "/host/d/input"}, {}, command_);
    EXPECT_ENDED_WELL(wakes);
}

INSTANTIATE_TEST_SUITE_P(
    Engines,
    LaterExecutor,
    ::testing::Values(Cpu{"dbt", "n=on"}, Cpu{"interp", "n=on"}),
    [](const auto& info) { return name_of(info.param); }
);

/// What the host's kernel does at an empty pipe: a read stays in flight until somebody writes.
class InFlight : public Applications {
protected:
    InFlight()
        : pipe_(directory_ / "pipe")
        , report_(directory_ / "report.json") {
        EXPECT_EQ(::mkfifo(pipe_.c_str(), 0600), 0);
        writer_ = ::open(pipe_.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
        EXPECT_GE(writer_, 0);
    }
    ~InFlight() override { ::close(writer_); }

    [[nodiscard]] ProcessResult
    run_at_pipe(std::vector<std::string> words, const std::string& harts = "1") const {
        words.emplace_back("/host/p");
        const std::string grant = "p=file:" + pipe_.string() + ":rw";
        return run(
            words,
            {"--cpus", harts, "--workers", harts, "--json", report_.string(), "--grant", grant}
        );
    }

    /// What the host counted at a level.
    [[nodiscard]] Json level(unsigned number) const {
        const Json report = Json::parse(test_support::read_file(report_));
        for (const Json& level : report["guests"][0]["levels"]) {
            if (level["level"] == number) {
                return level;
            }
        }
        return {};
    }

    const std::filesystem::path pipe_;
    const std::filesystem::path report_;
    int writer_ = -1;  // keeps the pipe from being at its end
};

TEST_P(InFlight, exit_with_requests_in_flight_leaves_frames_alone) {
    const ProcessResult result = run_at_pipe({"test-exit-in-flight"});
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(result.out, HasSubstr("exit-in-flight rounds=3 requests=3000"));
    // Every read was in flight when its process ended, was cancelled, and ended without a byte.
    const Json readers = level(5);
    EXPECT_EQ(readers["requests"], 3000) << readers;
    EXPECT_EQ(readers["completions"], 3000) << readers;
    EXPECT_EQ(readers["bytes"], 0) << readers;
    EXPECT_EQ(readers["wakes_kernel"], 3000) << readers;  // the process cannot be told any more
}

TEST_P(InFlight, set_priority_takes_the_request_along) {
    const ProcessResult result = run_at_pipe({"test-move-request"});
    EXPECT_ENDED_WELL(result);
    EXPECT_EQ(level(9)["requests"], 1);
    EXPECT_EQ(level(9)["completions"], 0);
    EXPECT_EQ(level(4)["requests"], 0);
    EXPECT_EQ(level(4)["completions"], 1);
}

TEST_P(InFlight, set_priority_takes_the_request_in_the_batch_of_another_hart_along) {
    const ProcessResult result = run_at_pipe({"test-move-request", "--batched"}, "2");
    EXPECT_ENDED_WELL(result);
    EXPECT_EQ(level(40)["completions"], 0);
    EXPECT_EQ(level(4)["completions"], 1);
}

// The control queue takes 64 cancellations at a time: what found it full was never cancelled.
TEST_P(InFlight, exit_with_hundreds_of_blocked_kernel_operations_does_not_wait_for_ever) {
    const ProcessResult result = run_at_pipe({"test-exit-in-flight", "--by-kernel"});
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(result.out, HasSubstr("exit-in-flight rounds=3 requests=3000"));
    const Json readers = level(5);
    EXPECT_EQ(readers["completions"], 3000) << readers;
    EXPECT_EQ(readers["bytes"], 0) << readers;
    EXPECT_GT(readers["wakes_kernel"], 0) << readers;
}

TEST_P(InFlight, unmap_with_requests_in_flight_leaves_frames_alone) {
    const ProcessResult result = run_at_pipe({"test-unmap-in-flight"});
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(result.out, HasSubstr("unmap-in-flight rounds=3 requests=3000"));
    const Json readers = level(5);
    EXPECT_EQ(readers["requests"], 3000) << readers;
    EXPECT_EQ(readers["completions"], 3000) << readers;
    EXPECT_EQ(readers["bytes"], 3000 * 4096) << readers;
}

TEST_P(Applications, hostile_requests_get_their_errors_and_harm_nothing) {
    const ProcessResult result = run({"test-hostile", "requests", "/host/d/input"});
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(result.out, HasSubstr("test-hostile: all passed"));
}

TEST_P(Applications, process_that_nobody_can_wake_says_so_and_ends) {
    const ProcessResult result = run({"test-asleep"});
    EXPECT_EQ(result.exit_code, 64 + 1);
    EXPECT_THAT(result.out, HasSubstr("every coroutine sleeps and no request is in flight"));
}

struct Example {
    const char* name;
    std::vector<std::string> arguments;
    const char* output;
};

class Examples : public GuestRun, public ::testing::TestWithParam<std::tuple<Cpu, Example>> {
protected:
    Examples()
        : GuestRun(std::get<Cpu>(GetParam())) {}
};

TEST_P(Examples, do_what_the_guide_says) {
    const auto& example = std::get<Example>(GetParam());
    std::vector<std::string> words = {std::string("example-") + example.name};
    words.insert(words.end(), example.arguments.begin(), example.arguments.end());
    const ProcessResult result = run(words);
    EXPECT_ENDED_WELL(result);
    EXPECT_EQ(result.out, example.output);
}

INSTANTIATE_TEST_SUITE_P(
    Guide,
    Examples,
    ::testing::Combine(
        ::testing::Values(Cpu{"dbt", "n=on"}, Cpu{"interp", "n=on"}),
        ::testing::Values(
            Example{"channel", {}, "sum 55\n"},
            Example{"deadline", {}, "the fast one: 2\nslept 1, gave up 1\n"},
            Example{"hello", {}, "Hello from a coroutine.\n"},
            Example{"levels", {}, "urgent\npatient\n"},
            Example{"parallel", {}, "1229 primes\n"},
            Example{"plain", {}, "3\n2\n5\n1\n4\n"},
            Example{"polite", {}, "computed\n"},
            Example{"queue", {}, "sum 55\n"},
            // A newline is the byte 10: once in each 256 bytes of the pattern.
            Example{"read_file", {"/host/d/input"}, "4 lines\n"},
            Example{"results", {}, "9 16 25\n"}
        )
    ),
    [](const auto& info) {
        return std::string(std::get<Example>(info.param).name) + "_"
               + name_of(std::get<Cpu>(info.param));
    }
);

INSTANTIATE_TEST_SUITE_P(Cpus, Applications, kCpus, [](const auto& info) {
    return name_of(info.param);
});
INSTANTIATE_TEST_SUITE_P(Cpus, InFlight, kCpus, [](const auto& info) {
    return name_of(info.param);
});

}  // namespace
