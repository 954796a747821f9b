// SPDX-License-Identifier: Apache-2.0
// The command at a terminal: keys, and the terminal's mode afterwards.
#include "command.hpp"
#include "terminal.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <signal.h>

namespace {

using command::guest;
using ::testing::HasSubstr;

/// Runs a guest between two prints of the terminal's mode.
class AtTerminal : public ::testing::Test {
protected:
    static std::string script(const std::string& kernel) {
        return "stty -g; " + std::string(COPS_COMMAND) + " run --kernel " + guest(kernel)
               + "; echo code=$?; stty -g";
    }

    /// The session must end with `code` and the terminal as it was before, in each of its prints.
    static void expect_end(Terminal& terminal, int code, std::size_t prints = 2) {
        ASSERT_TRUE(terminal.wait_for_end()) << terminal.output();
        const std::string output = terminal.output();
        EXPECT_THAT(output, HasSubstr("code=" + std::to_string(code) + "\n"));
        const std::string before = output.substr(0, output.find('\n'));
        EXPECT_EQ(command::count(output, before), prints) << output;
    }
};

TEST_F(AtTerminal, keys_go_to_the_guest_control_c_too) {
    Terminal terminal(script("bare-echo"));
    ASSERT_TRUE(terminal.wait_for("ready\n"));
    terminal.type("a\x03\x1a\x1c\x0d");
    EXPECT_TRUE(terminal.wait_for("61\n03\n1a\n1c\n0d\n")) << terminal.output();
    terminal.type("q");
    expect_end(terminal, 0);
}

TEST_F(AtTerminal, control_a_x_ends_it) {
    Terminal terminal(script("bare-spin"));
    ASSERT_TRUE(terminal.wait_for("ready\n"));
    terminal.type("\x01x");
    expect_end(terminal, 0);
}

TEST_F(AtTerminal, control_a_twice_reaches_the_guest_once) {
    Terminal terminal(script("bare-echo"));
    ASSERT_TRUE(terminal.wait_for("ready\n"));
    terminal.type("\x01\x01z");
    EXPECT_TRUE(terminal.wait_for("ready\n01\n7a\n")) << terminal.output();
    terminal.type("\x01h");
    EXPECT_TRUE(terminal.wait_for("[Ctrl-A x: ")) << terminal.output();
    terminal.type("q");
    expect_end(terminal, 0);
}

TEST_F(AtTerminal, its_mode_comes_back_after_every_signal) {
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGSEGV, SIGABRT, SIGBUS}) {
        Terminal terminal(script("bare-spin"));
        ASSERT_TRUE(terminal.wait_for("ready\n"));
        ASSERT_GT(terminal.child(), 0);
        ::kill(terminal.child(), number);
        expect_end(terminal, 128 + number);
    }
}

TEST_F(AtTerminal, its_mode_comes_back_when_the_guest_ends) {
    for (const auto& [kernel, code] : {std::pair("bare-panic", 34), std::pair("bare-crash", 33)}) {
        Terminal terminal(script(kernel));
        expect_end(terminal, code);
    }
}

// With job control (set -m) the shell itself waits until its job has stopped.
TEST_F(AtTerminal, a_stopped_job_gives_the_terminal_back_and_takes_it_again) {
    Terminal terminal(
        "set -m; stty -g; " + std::string(COPS_COMMAND) + " run --kernel " + guest("bare-echo")
        + "; echo stopped=$?; stty -g; fg; echo code=$?; stty -g"
    );
    ASSERT_TRUE(terminal.wait_for("ready\n"));
    ::kill(terminal.child(), SIGTSTP);
    ASSERT_TRUE(terminal.wait_for("stopped=" + std::to_string(128 + SIGSTOP) + "\n"))
        << terminal.output();
    terminal.type("q");
    EXPECT_TRUE(terminal.wait_for("71\n")) << terminal.output();
    expect_end(terminal, 0, 3);
}

// The shell changes the mode while the job is stopped; the job goes on in the background, is
// stopped again there, and neither may touch it. Then it gets the terminal again.
TEST_F(AtTerminal, a_job_that_goes_on_in_the_background_leaves_it_alone) {
    const std::string wait_until_it_has_taken_the_signal =
        "until grep -q '^ShdPnd:.*0000000000000000' /proc/$p/status; do :; done; ";
    const std::string wait_until_it_is_stopped =
        "until grep -q '^State:.T' /proc/$p/status; do :; done; ";
    Terminal terminal(
        "set -m; stty -g; " + std::string(COPS_COMMAND) + " run --kernel " + guest("bare-echo")
        + "; read -r p rest </proc/$$/task/$$/children; stty -echo -icanon min 7; before=$(stty "
          "-g); bg; "
        + wait_until_it_has_taken_the_signal + "kill -TSTP $p; " + wait_until_it_is_stopped
        + "after=$(stty -g); test \"$before\" = \"$after\" && echo untouched; stty sane; "
        + "fg; echo code=$?"
    );
    ASSERT_TRUE(terminal.wait_for("ready\n"));
    ::kill(terminal.child(), SIGTSTP);
    EXPECT_TRUE(terminal.wait_for("untouched\n")) << terminal.output();
    terminal.type("q");
    EXPECT_TRUE(terminal.wait_for("71\n")) << terminal.output();
    EXPECT_TRUE(terminal.wait_for("code=0\n")) << terminal.output();
    EXPECT_TRUE(terminal.wait_for_end()) << terminal.output();
}

TEST_F(AtTerminal, a_background_job_leaves_it_alone) {
    // An interactive shell's job control: the background job is a process group of its own.
    Terminal terminal(
        "set -m; stty -g; " + std::string(COPS_COMMAND) + " run --kernel " + guest("bare-panic")
        + " </dev/tty & wait $!; echo code=$?; stty -g"
    );
    ASSERT_TRUE(terminal.wait_for_end()) << terminal.output();
    EXPECT_THAT(terminal.output(), HasSubstr("code=34\n"));
}

TEST_F(AtTerminal, a_fleet_shows_a_live_table_that_is_gone_at_the_end) {
    const test_support::TemporaryDirectory directory;
    const std::string fleet = directory / "fleet.toml";
    test_support::write_file(
        fleet,
        "[[guest]]\nname = \"spinner\"\nbudget-rate = 100\nkernel = \"" + guest("bare-spin")
            + "\"\n"
    );
    Terminal terminal(
        "stty -g; " + std::string(COPS_COMMAND) + " up " + fleet + "; echo code=$?; stty -g"
    );
    ASSERT_TRUE(terminal.wait_for("spinner | ready\n")) << terminal.output();
    EXPECT_TRUE(terminal.wait_for("policy priority, 1 worker busy ")) << terminal.output();
    EXPECT_TRUE(terminal.wait_for("spinner     0  running     16  ")) << terminal.output();
    ::kill(terminal.child(), SIGINT);
    EXPECT_TRUE(terminal.wait_for("cops: ended by SIGINT")) << terminal.output();
    expect_end(terminal, 128 + SIGINT);
    // What was erased last is erased before the table of the end.
    const std::string output = terminal.output();
    EXPECT_GT(output.rfind("by user irq"), output.rfind("\x1b[J"));
    EXPECT_LT(output.rfind("switch/s"), output.rfind("\x1b[J"));
}

}  // namespace
