// SPDX-License-Identifier: Apache-2.0
// The helpers that other tests trust to run commands.
#include "process.hpp"

#include <gtest/gtest.h>

#include <csignal>

namespace test_support {
namespace {

TEST(RunProcess, stdin_reaches_child_and_both_outputs_come_back) {
    const auto result =
        run_process({"sh", "-c", "cat; echo wrong >&2; exit 5"}, {.input = "given\n"});
    EXPECT_EQ(result.out, "given\n");
    EXPECT_EQ(result.err, "wrong\n");
    EXPECT_EQ(result.exit_code, 5);
}

TEST(RunProcess, large_input_is_passed_whole_while_output_is_read) {
    const std::string input(1 << 20, 'x');
    const auto result = run_process({"cat"}, {.input = input});
    EXPECT_EQ(result.out, input);
}

TEST(RunProcess, child_that_never_ends_is_killed_at_the_timeout_after_its_last_words) {
    const auto result = run_process(
        {"sh", "-c", "trap 'echo last words' USR1; sleep 1000 & while :; do wait; done"},
        {.timeout = std::chrono::seconds(1)}
    );
    EXPECT_TRUE(result.timed_out);
    EXPECT_EQ(result.out, "last words\n");
    EXPECT_EQ(result.exit_code, 128 + SIGKILL);
}

TEST(RunProcess, signal_is_sent_when_the_output_appears) {
    const auto result = run_process(
        {"sh", "-c", "echo ready; exec sleep 1000"},
        {.signal_when_output_contains = "ready", .signal_number = SIGTERM}
    );
    EXPECT_FALSE(result.timed_out);
    EXPECT_EQ(result.exit_code, 128 + SIGTERM);
}

TEST(RunProcess, held_stdin_gives_no_end_of_file) {
    const auto result =
        run_process({"timeout", "0.2", "cat"}, {.input = "line\n", .hold_stdin_open = true});
    EXPECT_EQ(result.out, "line\n");
    EXPECT_EQ(result.exit_code, 124);
}

TEST(RunProcess, missing_program_is_reported_as_a_shell_would) {
    const auto result = run_process({"/nonexistent/program"});
    EXPECT_EQ(result.exit_code, 127);
    EXPECT_NE(result.err.find("No such file"), std::string::npos);
}

}  // namespace
}  // namespace test_support
