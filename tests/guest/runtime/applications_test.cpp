// SPDX-License-Identifier: Apache-2.0
// The runtime in real guests: each program asserts what it claims and ends with 0.
#include "process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <regex>

namespace {

using test_support::ProcessResult;
using test_support::TemporaryDirectory;
using ::testing::HasSubstr;
using Json = nlohmann::json;

/// Bytes 0, 1, 2 ... as the test programs expect them.
std::string pattern(std::size_t size) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i) {
        bytes[i] = static_cast<char>(i);
    }
    return bytes;
}

class Applications : public ::testing::Test {
protected:
    Applications() {
        std::filesystem::create_directory(directory_ / "shared");
        test_support::write_file(directory_ / "shared" / "input", pattern(1000));
    }

    /// `cops run OPTIONS --grant d=dir:...:rw -- APP ARGUMENTS`.
    [[nodiscard]] ProcessResult
    run(const std::vector<std::string>& words, const std::vector<std::string>& options = {}) const {
        std::vector<std::string> command = {COPS_COMMAND, "run"};
        command.insert(command.end(), options.begin(), options.end());
        command.insert(
            command.end(), {"--grant", "d=dir:" + (directory_ / "shared").string() + ":rw", "--"}
        );
        command.insert(command.end(), words.begin(), words.end());
        return test_support::run_process(command);
    }

    TemporaryDirectory directory_;
};

#define EXPECT_ENDED_WELL(result)                                                                  \
    EXPECT_FALSE(result.timed_out);                                                                \
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err

unsigned long number_after(const std::string& text, const std::string& key) {
    std::smatch found;
    const std::regex pattern(key + "=([0-9]+)");
    return std::regex_search(text, found, pattern) ? std::stoul(found[1]) : 0;
}

TEST_F(Applications, hello_by_coroutines_in_the_order_of_levels) {
    const ProcessResult result = run({"hello-cops"});
    EXPECT_ENDED_WELL(result);
    EXPECT_EQ(
        result.out, "Hello from the coroutine of level 2.\nHello from the coroutine of level 20.\n"
    );
}

TEST_F(Applications, every_call_of_the_api_does_what_it_says) {
    const ProcessResult result = run({"test-api", "/host/d"});
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(result.out, HasSubstr("test-api: all passed"));
    EXPECT_EQ(
        test_support::read_file(directory_ / "shared" / "output").substr(0, 20000), pattern(20000)
    );
}

TEST_F(Applications, every_call_of_the_api_on_several_harts) {
    const ProcessResult result = run({"test-api", "/host/d"}, {"--cpus", "2"});
    EXPECT_ENDED_WELL(result);
}

TEST_F(Applications, every_call_of_the_api_without_boards) {
    const ProcessResult result = run({"test-api", "/host/d"}, {"--no-boards"});
    EXPECT_ENDED_WELL(result);
}

TEST_F(Applications, sha256sum_prints_what_coreutils_prints) {
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

TEST_F(Applications, digest_of_urgent_files_ends_before_that_of_patient_ones) {
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

TEST_F(Applications, completion_interrupts_a_spinning_coroutine_without_a_trap) {
    const ProcessResult result = run({"test-user-interrupt", "/host/d/input"});
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(result.out, HasSubstr("mode=hardware"));
    EXPECT_GT(number_after(result.out, "without_trap"), 0u);
}

TEST_F(Applications, completions_come_by_all_three_paths) {
    const ProcessResult result = run({"test-wake-paths", "/host/d/input"});
    EXPECT_ENDED_WELL(result);
    EXPECT_GT(number_after(result.out, "ring"), 0u);
    EXPECT_GT(number_after(result.out, "user_interrupt"), 0u);
    EXPECT_GT(number_after(result.out, "kernel"), 0u);
}

TEST_F(Applications, processes_get_their_own_completions_only) {
    const ProcessResult result =
        run({"test-isolation", "--processes", "4", "--requests", "6400", "/host/d/input"},
            {"--cpus", "2"});
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(result.out, HasSubstr("isolation processes=4 requests=25600 failed=0"));
}

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

    [[nodiscard]] ProcessResult run_at_pipe(std::vector<std::string> words) const {
        words.emplace_back("/host/p");
        return run(
            words, {"--json", report_.string(), "--grant", "p=file:" + pipe_.string() + ":rw"}
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

TEST_F(InFlight, exit_with_requests_in_flight_leaves_frames_alone) {
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

// The control queue takes 64 cancellations at a time: what found it full was never cancelled.
TEST_F(InFlight, exit_with_hundreds_of_blocked_kernel_operations_does_not_wait_for_ever) {
    const ProcessResult result = run_at_pipe({"test-exit-in-flight", "--by-kernel"});
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(result.out, HasSubstr("exit-in-flight rounds=3 requests=3000"));
    const Json readers = level(5);
    EXPECT_EQ(readers["completions"], 3000) << readers;
    EXPECT_EQ(readers["bytes"], 0) << readers;
    EXPECT_GT(readers["wakes_kernel"], 0) << readers;
}

TEST_F(InFlight, unmap_with_requests_in_flight_leaves_frames_alone) {
    const ProcessResult result = run_at_pipe({"test-unmap-in-flight"});
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(result.out, HasSubstr("unmap-in-flight rounds=3 requests=3000"));
    const Json readers = level(5);
    EXPECT_EQ(readers["requests"], 3000) << readers;
    EXPECT_EQ(readers["completions"], 3000) << readers;
    EXPECT_EQ(readers["bytes"], 3000 * 4096) << readers;
}

TEST_F(Applications, hostile_requests_get_their_errors_and_harm_nothing) {
    const ProcessResult result = run({"test-hostile", "/host/d/input"});
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(result.out, HasSubstr("test-hostile: all passed"));
}

TEST_F(Applications, process_that_nobody_can_wake_says_so_and_ends) {
    const ProcessResult result = run({"test-asleep"});
    EXPECT_EQ(result.exit_code, 64 + 1);
    EXPECT_THAT(result.out, HasSubstr("every coroutine sleeps and no request is in flight"));
}

struct Example {
    const char* name;
    std::vector<std::string> arguments;
    const char* output;
};

class Examples : public Applications, public ::testing::WithParamInterface<Example> {};

TEST_P(Examples, do_what_the_guide_says) {
    std::vector<std::string> words = {std::string("example-") + GetParam().name};
    words.insert(words.end(), GetParam().arguments.begin(), GetParam().arguments.end());
    const ProcessResult result = run(words);
    EXPECT_ENDED_WELL(result);
    EXPECT_EQ(result.out, GetParam().output);
}

INSTANTIATE_TEST_SUITE_P(
    Guide,
    Examples,
    ::testing::Values(
        Example{"hello", {}, "Hello from a coroutine.\n"},
        Example{"levels", {}, "urgent\npatient\n"},
        Example{"polite", {}, "computed\n"},
        Example{"queue", {}, "sum 55\n"},
        // A newline is the byte 10: once in each 256 bytes of the pattern.
        Example{"read_file", {"/host/d/input"}, "4 lines\n"},
        Example{"results", {}, "9 16 25\n"}
    ),
    [](const auto& info) { return info.param.name; }
);

}  // namespace
