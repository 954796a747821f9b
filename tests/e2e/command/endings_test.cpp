// SPDX-License-Identifier: Apache-2.0
// How guests end, and the exit codes and reports that tell it.
#include "command.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <csignal>

namespace {

using command::guest;
using command::run;
using test_support::read_file;
using ::testing::HasSubstr;
using Json = nlohmann::json;

TEST(Ending, application_status_maps_to_the_exit_code) {
    const std::pair<int, int> cases[] = {{0, 0}, {1, 65}, {62, 126}, {63, 127}, {255, 127}};
    for (const auto& [status, code] : cases) {
        const test_support::TemporaryDirectory directory;
        const std::string report = directory / "report.json";
        const auto result = run({"run", "--json", report, "exit", std::to_string(status)});
        EXPECT_EQ(result.exit_code, code) << result.err;
        const auto json = Json::parse(read_file(report));
        EXPECT_EQ(json["exit_code"], code);
        EXPECT_EQ(json["guests"][0]["status"], status);
        EXPECT_EQ(json["guests"][0]["ending"], "powered_off");
        if (status != 0) {
            EXPECT_THAT(result.err, HasSubstr("status " + std::to_string(status) + "\n"));
        } else {
            EXPECT_EQ(result.err, "");
        }
    }
}

TEST(Ending, true_and_false_are_what_they_say) {
    EXPECT_EQ(run({"run", "true"}).exit_code, 0);
    EXPECT_EQ(run({"run", "false"}).exit_code, 65);
}

TEST(Ending, reset_with_no_reboot_gives_32) {
    const auto result = run({"run", "--no-reboot", "--kernel", guest("bare-reset")});
    EXPECT_EQ(result.exit_code, 32);
    EXPECT_THAT(result.err, HasSubstr("asked for a reset"));
}

TEST(Ending, crash_gives_33_and_the_reason) {
    const auto result = run({"run", "--kernel", guest("bare-crash")});
    EXPECT_EQ(result.exit_code, 33);
    EXPECT_THAT(result.err, HasSubstr("cops: error: the guest crashed: "));
    EXPECT_EQ(command::count(result.err, "\n"), 1U) << result.err;
}

TEST(Ending, panic_gives_34_and_the_kernels_words_on_the_console) {
    const auto result = run({"run", "--kernel", guest("bare-panic")});
    EXPECT_EQ(result.exit_code, 34);
    EXPECT_EQ(result.out, "panic: test\n");
    EXPECT_THAT(result.err, HasSubstr("panicked"));
}

TEST(Ending, an_idle_guest_costs_no_processor_time) {
    const test_support::TemporaryDirectory directory;
    const std::string report = directory / "report.json";
    const auto result =
        run({"run", "--json", report, "--kernel", guest("bare-idle")},
            {.signal_when_output_contains = "ready", .signal_number = SIGTERM});
    EXPECT_EQ(result.exit_code, 128 + SIGTERM);
    EXPECT_EQ(Json::parse(read_file(report))["guests"][0]["ending"], "stopped");
}

TEST(Console, carries_the_guest_and_nothing_else) {
    const auto result = run({"run", "--log-level", "trace", "hello"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(command::count(result.out, "\n"), 1U) << result.out;
    EXPECT_THAT(result.out, HasSubstr("Hello"));
}

TEST(Console, end_of_input_does_not_stop_the_guest) {
    const auto result = run({"run", "--kernel", guest("bare-echo")}, {.input = std::string("abq")});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(result.out, "ready\n61\n62\n71\n");
    const auto no_input = run({"run", "hello"}, {.input = ""});
    EXPECT_EQ(no_input.exit_code, 0);
}

TEST(Console, takes_more_input_than_any_fifo_holds) {
    const std::string typed(100'000, 'x');
    const auto result = run({"run", "--kernel", guest("bare-echo")}, {.input = typed + "q"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(command::count(result.out, "78\n"), typed.size());
}

TEST(Console, every_byte_passes_as_it_is) {
    std::string typed;
    std::string expected = "ready\n";
    for (int i = 0; i < 256; ++i) {
        if (i != 'q') {
            typed += static_cast<char>(i);
            constexpr const char* kDigits = "0123456789abcdef";
            expected += {kDigits[i / 16], kDigits[i % 16], '\n'};
        }
    }
    const auto result = run({"run", "--kernel", guest("bare-echo")}, {.input = typed + "q"});
    EXPECT_EQ(result.out, expected + "71\n");
}

TEST(Console, a_reader_that_goes_away_ends_the_run_like_sigpipe) {
    const std::string line =
        std::string(COPS_COMMAND) + " run --kernel " + guest("bare-flood") + "; echo code=$? >&2";
    const auto result = test_support::run_process({"sh", "-c", "{ " + line + "; } | head -c 1000"});
    EXPECT_EQ(result.out.size(), 1000U);
    EXPECT_EQ(result.err, "code=141\n");
}

TEST(Console, a_closed_stdout_is_an_error_and_nothing_hangs) {
    const std::string line =
        std::string(COPS_COMMAND) + " run --kernel " + guest("bare-flood") + " >&-; echo code=$?";
    const auto result = test_support::run_process({"sh", "-c", line});
    EXPECT_EQ(result.out, "code=1\n");
    EXPECT_THAT(result.err, HasSubstr("cops: error: cannot write to stdout"));
}

TEST(Console, a_full_disk_is_an_error) {
    const std::string line =
        std::string(COPS_COMMAND) + " run --kernel " + guest("bare-flood") + " >/dev/full";
    const auto result = test_support::run_process({"sh", "-c", line});
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_THAT(result.err, HasSubstr("No space left"));
}

TEST(DumpDtb, writes_what_dtc_reads) {
    const test_support::TemporaryDirectory directory;
    const std::string blob = directory / "guest.dtb";
    const auto result = run(
        {"run",
         "--cpus",
         "3",
         "--memory",
         "64M",
         "--dump-dtb",
         blob,
         "--cmdline",
         "some words",
         "--no-reboot",
         "--kernel",
         guest("bare-reset")}
    );
    EXPECT_EQ(result.exit_code, 32) << result.err;
    const auto source = test_support::run_process({"dtc", "-q", "-I", "dtb", "-O", "dts", blob});
    EXPECT_EQ(source.exit_code, 0) << source.err;
    EXPECT_EQ(command::count(source.out, "cpu@"), 3U);
    EXPECT_THAT(source.out, HasSubstr("some words"));
    EXPECT_THAT(source.out, HasSubstr("memory@80000000"));
}

TEST(Report, tells_time_and_work) {
    const test_support::TemporaryDirectory directory;
    const std::string report = directory / "report.json";
    ASSERT_EQ(run({"run", "--json", report, "hello"}).exit_code, 0);
    const auto json = Json::parse(read_file(report));
    EXPECT_EQ(json["schema"], 1);
    EXPECT_EQ(json["command"], "run");
    EXPECT_EQ(json["policy"], "priority");
    EXPECT_EQ(json["workers"], 1);
    EXPECT_GT(json["wall_ns"], 0);
    EXPECT_TRUE(json["signal"].is_null());
    const auto& guest = json["guests"][0];
    EXPECT_EQ(guest["name"], "guest");
    EXPECT_GT(guest["vcpus"][0]["instructions"], 0);
    EXPECT_GT(guest["vcpus"][0]["run_ns"], 0);
    EXPECT_EQ(guest["in_flight"], 0);
    for (const char* field :
         {"started_ns", "ended_ns", "bad_requests", "message", "exit_code", "levels"}) {
        EXPECT_TRUE(guest.contains(field)) << field;
    }
}

}  // namespace
