// SPDX-License-Identifier: Apache-2.0
// Several guests in one process.
#include "command.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <sstream>

namespace {

using command::guest;
using command::run;
using command::Words;
using test_support::read_file;
using test_support::write_file;
using ::testing::HasSubstr;
using Json = nlohmann::json;

class Fleet : public ::testing::Test {
protected:
    test_support::ProcessResult up(const std::string& text, const Words& options = {}) {
        write_file(directory_ / "fleet.toml", text);
        Words words{"up", "--json", directory_ / "report.json"};
        words.insert(words.end(), options.begin(), options.end());
        words.push_back(directory_ / "fleet.toml");
        return run(words);
    }
    Json report() const { return Json::parse(read_file(directory_ / "report.json")); }

    test_support::TemporaryDirectory directory_;
};

TEST_F(Fleet, the_example_runs) {
    const auto example = run({"up", "--example"});
    const auto result = up(example.out);
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
    EXPECT_THAT(result.out, HasSubstr("greeter | "));
    EXPECT_THAT(result.out, HasSubstr("hasher  | "));
    EXPECT_THAT(result.out, HasSubstr("policy priority, 1 worker"));
}

TEST_F(Fleet, lines_are_whole_and_prefixed_whatever_the_interleaving) {
    std::string text = "workers = 2\n";
    for (const char* name : {"a", "b", "c"}) {
        text += std::string("[[guest]]\nname = \"") + name + "\"\napp = \"" + guest("hello-cpp")
                + "\"\nargs = [\"word\"]\n";
    }
    const auto result = up(text);
    EXPECT_EQ(result.exit_code, 64 + 9) << result.err;
    std::istringstream lines(result.out.substr(0, result.out.find("\npolicy")));
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line);) {
        EXPECT_THAT(
            line, ::testing::MatchesRegex("[abc] \\| (hello from C\\+\\+.* word .*|to stderr)")
        );
        ++count;
    }
    EXPECT_EQ(count, 6U) << result.out;
}

TEST_F(Fleet, the_exit_code_is_of_the_first_failing_guest_in_the_files_order) {
    const auto result =
        up("[[guest]]\nname=\"well\"\napp=\"true\"\n"
           "[[guest]]\nname=\"slow\"\napp=\"exit\"\nargs=[\"5\"]\n"
           "[[guest]]\nname=\"panics\"\nkernel=\""
           + guest("bare-panic") + "\"\n");
    EXPECT_EQ(result.exit_code, 64 + 5) << result.err;
    EXPECT_THAT(result.err, HasSubstr("slow: the application ended with status 5"));
    EXPECT_THAT(result.err, HasSubstr("panics: the guest's kernel panicked"));
    const auto json = report();
    EXPECT_EQ(json["exit_code"], 64 + 5);
    EXPECT_EQ(json["guests"][0]["exit_code"], 0);
    EXPECT_EQ(json["guests"][2]["exit_code"], 34);
    EXPECT_EQ(json["guests"][2]["ending"], "panicked");
}

TEST_F(Fleet, the_command_line_overrides_the_file) {
    const std::string text = "policy = \"priority\"\nworkers = 1\n[[guest]]\napp = \"hello\"\n";
    const auto result = up(text, {"--policy", "fair", "--workers", "2", "--no-boards"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(report()["policy"], "fair");
    EXPECT_EQ(report()["workers"], 2);
    EXPECT_THAT(result.out, HasSubstr("policy fair, 2 workers"));
}

TEST_F(Fleet, another_policy_than_the_files_leaves_its_quantum_out) {
    const std::string text = "policy = \"rr\"\nquantum = 500\n[[guest]]\napp = \"hello\"\n";
    EXPECT_EQ(up(text).exit_code, 0);
    EXPECT_EQ(report()["policy"], "rr");
    const auto other = up(text, {"--policy", "priority"});
    EXPECT_EQ(other.exit_code, 0) << other.err;
}

TEST_F(Fleet, paths_count_from_the_file) {
    write_file(directory_ / "data", "abc");
    const auto result =
        up("[[guest]]\napp = \"sha256sum\"\nargs = [\"/host/f\"]\ngrant = [\"f=file:data\"]\n");
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.out, HasSubstr("guest1 | ba7816bf"));
}

TEST_F(Fleet, requests_and_wakes_are_told_by_level) {
    write_file(directory_ / "data", std::string(1 << 20, 'x'));
    const auto result = up("[[guest]]\nname=\"h\"\napp = \"sha256sum\"\nargs = [\"/host/f\"]\n"
                           "grant = [\"f=file:data\"]\n");
    ASSERT_EQ(result.exit_code, 0) << result.err;
    const auto json = report();
    std::uint64_t requests = 0;
    std::uint64_t completions = 0;
    std::uint64_t bytes = 0;
    for (const auto& level : json["guests"][0]["levels"]) {
        requests += level["requests"].get<std::uint64_t>();
        completions += level["completions"].get<std::uint64_t>();
        bytes += level["bytes"].get<std::uint64_t>();
    }
    EXPECT_GE(requests, 17U);
    EXPECT_EQ(requests, completions);
    EXPECT_GE(bytes, std::uint64_t{1} << 20);
    EXPECT_THAT(result.out, HasSubstr("median"));
}

/// What `name` is said of in `report`.
Json guest_of(const Json& report, const std::string& name) {
    for (const Json& one : report["guests"]) {
        if (one["name"] == name) {
            return one;
        }
    }
    return nullptr;
}

TEST_F(Fleet, a_guest_that_fills_its_code_cache_slows_its_neighbour_by_no_more_than_its_share) {
    const std::string neighbour =
        "policy = \"fair\"\nworkers = 1\n[[guest]]\nname = \"neighbour\"\nengine = \"dbt\"\n"
        "kernel = \""
        + guest("bare-work") + "\"\n";
    ASSERT_EQ(up(neighbour).exit_code, 0);
    const Json alone = guest_of(report(), "neighbour")["vcpus"][0];

    const auto result =
        up(neighbour
           + "[[guest]]\nname = \"filler\"\nengine = \"dbt\"\ncode-cache = \"1M\"\nkernel = \""
           + guest("bare-fill-code") + "\"\n");
    ASSERT_EQ(result.exit_code, 0) << result.err;
    const Json both = report();
    const Json beside = guest_of(both, "neighbour")["vcpus"][0];
    const Json filler = guest_of(both, "filler")["vcpus"][0];
    EXPECT_GE(filler["engine"]["flushes"], 20);
    EXPECT_LE(filler["engine"]["code_bytes"], 1 << 20);
    ASSERT_GT(guest_of(both, "filler")["ended_ns"], guest_of(both, "neighbour")["ended_ns"]);

    // Its own code stays, and of the one processor it has its half.
    EXPECT_EQ(beside["instructions"], alone["instructions"]);
    EXPECT_EQ(beside["engine"]["flushes"], 0);
    EXPECT_EQ(beside["engine"]["translated_blocks"], alone["engine"]["translated_blocks"]);
    EXPECT_LE(beside["wait_ns"].get<double>(), 1.5 * beside["run_ns"].get<double>());
}

}  // namespace
