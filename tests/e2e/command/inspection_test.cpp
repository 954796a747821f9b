// SPDX-License-Identifier: Apache-2.0
// What the command tells of a guest's inside: traces, names for perf, statistics of engines.
#include "command.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <regex>
#include <set>
#include <string>

namespace {

using command::guest;
using command::run;
using test_support::read_file;
using ::testing::HasSubstr;
using Json = nlohmann::json;

/// Executes far more than the instructions that a hart of `dbt` interprets first.
constexpr const char* kLongProgram = "test-sync";

/// What is in /tmp for perf, of any process.
std::set<std::string> perf_maps() {
    std::set<std::string> maps;
    for (const auto& entry : std::filesystem::directory_iterator("/tmp")) {
        const std::string name = entry.path().filename();
        if (std::regex_match(name, std::regex("perf-[0-9]+\\.map"))) {
            maps.insert(entry.path());
        }
    }
    return maps;
}

bool has_dbt() {
    return run({"run", "--engine", "dbt", "--no-reboot", "--kernel", guest("bare-reset")}).exit_code
           == 32;
}

TEST(TraceOption, has_the_same_instructions_on_every_engine) {
    const test_support::TemporaryDirectory directory;
    std::string first;
    for (const std::string engine : {"interp", "auto"}) {
        const std::string file = directory / engine;
        const auto result =
            run({"run", "--engine", engine, "--kernel", guest("bare-panic"), "--trace-insns", file}
            );
        EXPECT_EQ(result.exit_code, 34) << result.err;
        const std::string trace = read_file(file);
        EXPECT_THAT(trace, HasSubstr("0\tS\t0000000080200000\t4531\taddi a0, zero, 12\ta0=0xc\n"));
        EXPECT_EQ(command::count(trace, "\tecall\t"), 2U);
        first = first.empty() ? trace : first;
        EXPECT_EQ(trace, first) << engine;
    }
}

TEST(TraceOption, a_file_that_cannot_be_written_is_a_bad_configuration) {
    const auto result =
        run({"run", "--kernel", guest("bare-panic"), "--trace-insns", "/nonexistent/trace"});
    EXPECT_EQ(result.exit_code, 3);
    EXPECT_THAT(result.err, HasSubstr("/nonexistent/trace"));
}

TEST(PerfMapOption, the_interpreter_has_nothing_to_name) {
    const auto before = perf_maps();
    const auto result = run({"run", "--engine", "interp", "--perf-map", "hello"});
    EXPECT_EQ(result.exit_code, 3);
    EXPECT_THAT(result.err, HasSubstr("engine interp makes no host code"));
    EXPECT_EQ(perf_maps(), before);
}

TEST(PerfMapOption, translated_code_has_the_names_of_kernel_and_application) {
    if (!has_dbt()) {
        GTEST_SKIP() << "this host has no engine that translates";
    }
    const auto before = perf_maps();
    const auto result = run({"run", "--engine", "dbt", "--perf-map", kLongProgram});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    std::string text;
    for (const std::string& file : perf_maps()) {
        if (!before.contains(file)) {
            text += read_file(file);
            std::filesystem::remove(file);
        }
    }
    EXPECT_THAT(text, HasSubstr(" [guest]\n"));
    EXPECT_THAT(text, HasSubstr("kernel"));
    EXPECT_THAT(text, HasSubstr("main"));
    const std::regex line("[0-9a-f]+ [0-9a-f]+ \\S+ \\[guest\\]");
    EXPECT_TRUE(std::regex_match(text.substr(0, text.find('\n')), line)) << text.substr(0, 80);
}

TEST(EngineStatsOption, tells_on_stderr_and_in_the_report) {
    const test_support::TemporaryDirectory directory;
    const std::string report = directory / "report.json";
    const auto result = run({"run", "--engine-stats", "--json", report, kLongProgram});
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_THAT(result.err, HasSubstr("blocks, "));
    EXPECT_THAT(result.err, HasSubstr("code cache"));
    const auto json = Json::parse(read_file(report));
    const auto& engine = json["guests"][0]["vcpus"][0]["engine"];
    EXPECT_GT(engine["translated_blocks"], 0);
    EXPECT_GT(engine["translated_bytes"], 0);
    EXPECT_GT(engine["code_bytes"], 0);
    EXPECT_LE(engine["code_bytes"], engine["code_capacity"]);
    EXPECT_GT(engine["translation_ns"], 0);
    EXPECT_NE(json["guests"][0]["engine"], "auto");
    if (json["guests"][0]["engine"] == "dbt") {
        EXPECT_GT(engine["interpreted"], 0);
        EXPECT_GT(engine["chained_exits"], engine["dispatched_exits"]);
        EXPECT_GT(engine["tlb_hits"], engine["tlb_misses"]);
    }
}

TEST(CodeCacheOption, a_small_cache_is_emptied_and_works) {
    const test_support::TemporaryDirectory directory;
    const std::string report = directory / "report.json";
    const auto result = run({"run", "--code-cache", "1M", "--json", report, kLongProgram});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    const auto json = Json::parse(read_file(report));
    const auto& engine = json["guests"][0]["vcpus"][0]["engine"];
    EXPECT_LE(engine["code_capacity"], 2 << 20);
}

}  // namespace
