// SPDX-License-Identifier: Apache-2.0
// The kernel's own tests, inside the kernel: kernel-selftest, which has assertions and UBSan, tells
// by TAP what it found. And programs on that kernel, so that what they make it do is checked too.
#include "engines.hpp"
#include "process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <regex>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

namespace {

using test_support::ProcessResult;
using test_support::TemporaryDirectory;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::StartsWith;

using Words = std::vector<std::string>;

constexpr int kPanicked = 34;
constexpr int kStatus = 64;

ProcessResult run_kernel(const std::string& engine, const Words& options) {
    Words command = {
        COPS_COMMAND,
        "run",
        "--engine",
        engine,
        "--kernel",
        std::string(COPS_IMAGE_DIR) + "/kernel-selftest"
    };
    command.insert(command.end(), options.begin(), options.end());
    return test_support::run_process(command);
}

std::string printable(std::string name) {
    std::replace_if(name.begin(), name.end(), [](char c) { return std::isalnum(c) == 0; }, '_');
    return name;
}

/// Each line that is not ok, with what the kernel says about it, is a failure.
void check_tap(const std::string& text) {
    std::istringstream lines(text);
    std::string line;
    std::getline(lines, line);
    EXPECT_EQ(line, "TAP version 14");
    std::getline(lines, line);
    std::smatch plan;
    ASSERT_TRUE(std::regex_match(line, plan, std::regex("1\\.\\.([0-9]+)"))) << line;
    const unsigned long planned = std::stoul(plan[1]);
    EXPECT_GT(planned, 0u);
    unsigned long number = 0;
    std::smatch found;
    while (std::getline(lines, line)) {
        if (std::regex_match(line, found, std::regex("(not )?ok ([0-9]+) - .*"))) {
            EXPECT_EQ(std::stoul(found[2]), ++number);
            EXPECT_FALSE(found[1].matched) << line;
        } else {
            ADD_FAILURE() << line;
        }
    }
    EXPECT_EQ(number, planned);
}

class Selftest : public ::testing::TestWithParam<std::tuple<std::string, std::string>> {};

TEST_P(Selftest, every_test_of_the_kernel_is_ok) {
    const auto& [engine, harts] = GetParam();
    const ProcessResult result =
        run_kernel(engine, {"--cpus", harts, "--workers", "2", "--cmdline", "selftest=all"});
    EXPECT_FALSE(result.timed_out);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    check_tap(result.out);
}

INSTANTIATE_TEST_SUITE_P(
    Kernel,
    Selftest,
    ::testing::Combine(
        ::testing::ValuesIn(test_support::test_engines()), ::testing::Values("1", "4")
    ),
    [](const auto& info) { return std::get<0>(info.param) + "_harts_" + std::get<1>(info.param); }
);

class OnEngine : public ::testing::TestWithParam<std::string> {};

TEST_P(OnEngine, failing_test_of_the_kernel_is_told) {
    const ProcessResult result =
        run_kernel(GetParam(), {"--cmdline", "selftest=list.keeps_order,death.fails"});
    EXPECT_EQ(result.exit_code, kStatus + 1) << result.err;
    EXPECT_THAT(
        result.out,
        StartsWith("TAP version 14\n1..2\nok 1 - list.keeps_order\nnot ok 2 - death.fails\n  ---\n")
    );
    EXPECT_THAT(
        result.out,
        ContainsRegex("  message: \"one and one make three\"\n  at: deaths_test.cpp:[0-9]+\n"
                      "  got: 2\n  wanted: 3\n  \\.\\.\\.\n")
    );
}

TEST_P(OnEngine, unknown_test_of_the_kernel_is_told) {
    const ProcessResult result =
        run_kernel(GetParam(), {"--cmdline", "selftest=list.keeps_order,nonsense"});
    EXPECT_EQ(result.exit_code, kStatus + 2) << result.err;
    EXPECT_THAT(result.out, HasSubstr("Bail out! no test is named \"nonsense\"\n"));
}

INSTANTIATE_TEST_SUITE_P(
    Selftest,
    OnEngine,
    ::testing::ValuesIn(test_support::test_engines()),
    [](const auto& info) { return info.param; }
);

struct Death {
    const char* name;
    const char* said;  // regular expression
};

void PrintTo(const Death& death, std::ostream* out) {
    *out << death.name;
}

// Its own text, constants, stacks and rules bind the kernel too.
class Deaths : public ::testing::TestWithParam<std::tuple<Death, std::string>> {};

TEST_P(Deaths, end_the_machine_with_what_and_where) {
    const auto& [death, engine] = GetParam();
    const ProcessResult result =
        run_kernel(engine, {"--cmdline", std::string("selftest=death.") + death.name});
    EXPECT_EQ(result.exit_code, kPanicked) << result.out << result.err;
    EXPECT_THAT(result.out, ContainsRegex(std::string("panic: ") + death.said));
}

#define TEXT "0xffffffc0802[0-9a-f]+"
#define PLACE " at guest-kernel/selftest/deaths_test.cpp:[0-9]+:[0-9]+"

INSTANTIATE_TEST_SUITE_P(
    Kernel,
    Deaths,
    ::testing::Combine(
        ::testing::Values(
            Death{"store_to_text", "trap in the kernel: cause 15 pc " TEXT " address " TEXT},
            Death{"store_to_constants", "trap in the kernel: cause 15 pc " TEXT " address " TEXT},
            Death{"store_to_null", "trap in the kernel: cause 15 pc " TEXT " address 0x0 "},
            Death{"jump_to_data", "trap in the kernel: cause 12 pc " TEXT " address " TEXT},
            Death{"load_from_user", "trap in the kernel: cause 13 pc " TEXT " address 0x20000000 "},
            Death{
                "jump_to_user",
                "trap in the kernel: cause 12 pc 0x20000000 address 0x20000000 ra " TEXT
            },
            Death{
                "overflow_stack", "trap in the kernel: cause 15 pc " TEXT " address 0xffffffffc0007"
            },
            Death{"take_locks_the_wrong_way_round", "locks taken out of order"},
            Death{"release_twice", "frame released twice"},
            Death{"overflow_a_number", "undefined behaviour: signed addition overflows" PLACE},
            Death{"shift_too_far", "undefined behaviour: shift by too much.*" PLACE},
            Death{"index_too_far", "undefined behaviour: index out of bounds" PLACE},
            Death{"load_misaligned", "undefined behaviour: null or misaligned pointer.*" PLACE}
        ),
        ::testing::ValuesIn(test_support::test_engines())
    ),
    [](const auto& info) {
        return std::string(std::get<0>(info.param).name) + "_" + std::get<1>(info.param);
    }
);

// Without selftest= it is an ordinary kernel, if a strict one.
class Programs : public ::testing::TestWithParam<std::tuple<const char*, std::string>> {
protected:
    Programs() {
        std::filesystem::create_directory(directory_ / "shared");
        std::string pattern(1000, '\0');
        for (std::size_t i = 0; i < pattern.size(); ++i) {
            pattern[i] = static_cast<char>(i);
        }
        test_support::write_file(directory_ / "shared" / "input", pattern);
    }

    /// The archive that `cops run` would make of the words of `line`.
    [[nodiscard]] std::string initrd(const std::string& line) const {
        std::istringstream words(line);
        std::string word;
        std::string arguments;
        std::string app;
        while (words >> word) {
            app = app.empty() ? word : app;
            arguments += word + '\0';
        }
        test_support::write_file(directory_ / "argv", arguments);
        const std::string archive = (directory_ / "initrd").string();
        const ProcessResult made = test_support::run_process(
            {COPS_SOURCE_DIR "/tests/support/mkinitramfs.py",
             archive,
             "file app " COPS_IMAGE_DIR "/apps/" + app + " 755",
             "file argv " + (directory_ / "argv").string()}
        );
        EXPECT_EQ(made.exit_code, 0) << made.err;
        return archive;
    }

    TemporaryDirectory directory_;
};

TEST_P(Programs, run_on_the_checked_kernel) {
    const auto& [line, engine] = GetParam();
    const ProcessResult result = run_kernel(
        engine,
        {"--cpus",
         "2",
         "--workers",
         "2",
         "--initrd",
         initrd(line),
         "--grant",
         "d=dir:" + (directory_ / "shared").string() + ":rw"}
    );
    EXPECT_FALSE(result.timed_out);
    const bool leaves = std::string_view(line).ends_with(" leave");
    EXPECT_EQ(result.exit_code, leaves ? kStatus + 5 : 0) << result.out << result.err;
}

INSTANTIATE_TEST_SUITE_P(
    Kernel,
    Programs,
    ::testing::Combine(
        ::testing::Values(
            "test-api /host/d",
            "test-isolation --processes 4 --requests 1600 /host/d/input",
            "test-harts /host/d/input",
            "test-threads 2",
            "test-threads 2 leave",
            "test-hostile requests /host/d/input",
            "test-hostile kernel-pointers",
            "test-hostile beside overflow-stack",
            "test-hostile beside interrupt-to-kernel",
            "test-hostile beside exhaust-mmap",
            "test-hostile beside exhaust-unpromised",
            "test-hostile beside exhaust-processes",
            "test-hostile against call-for-ever"
        ),
        ::testing::ValuesIn(test_support::test_engines())
    ),
    [](const auto& info) {
        return printable(std::string(std::get<0>(info.param)) + "_" + std::get<1>(info.param));
    }
);

}  // namespace
