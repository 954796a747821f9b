// SPDX-License-Identifier: Apache-2.0
// Traces of whole fleets keep the rules of the format that Perfetto reads.
#include "command.hpp"
#include "running_command.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <set>
#include <string>

namespace {

using command::guest;
using command::run;
using command::RunningCommand;
using test_support::read_file;
using test_support::write_file;
using ::testing::HasSubstr;
using Json = nlohmann::json;

class Trace : public ::testing::Test {
protected:
    std::string trace() const { return directory_ / "trace.json"; }
    void expect_sound() const {
        const auto checked = test_support::run_process(
            {"python3", std::string(COPS_SOURCE_DIR) + "/tests/support/check_trace.py", trace()}
        );
        EXPECT_EQ(checked.exit_code, 0) << checked.err;
    }
    test_support::TemporaryDirectory directory_;
};

class TraceUnder : public Trace, public ::testing::WithParamInterface<const char*> {};

TEST_P(TraceUnder, of_a_fleet_shows_turns_waits_and_requests) {
    std::filesystem::create_directory(directory_ / "files");
    for (const char* name : {"urgent-0", "patient-0"}) {
        write_file(directory_ / "files" / name, std::string(400'000, name[0]));
    }
    std::string fleet = "workers = 2\n";
    for (const char* name : {"one", "other", "third"}) {
        fleet += std::string("[[guest]]\nname = \"") + name
                 + "\"\napp = \"digest\"\nargs = [\"/host/d\"]\ngrant = [\"d=dir:files\"]\n";
    }
    write_file(directory_ / "fleet.toml", fleet);
    const auto ran =
        run({"up", "--policy", GetParam(), "--trace", trace(), directory_ / "fleet.toml"});
    ASSERT_EQ(ran.exit_code, 0) << ran.err;
    EXPECT_EQ(ran.err, "");
    expect_sound();
    const Json events = Json::parse(read_file(trace()))["traceEvents"];
    std::set<std::string> names;
    std::set<std::string> phases;
    for (const Json& event : events) {
        phases.insert(event["ph"]);
        names.insert(event["name"]);
        if (event["ph"] == "M") {
            names.insert(event["args"]["name"]);
        }
    }
    for (const char* expected :
         {"worker 0",
          "completions of worker 1",
          "guest other",
          "vCPU 0",
          "one/0",
          "third/0",
          "level 2",
          "level 20",
          "ready",
          "read",
          "openat",
          "on worker 0",
          "workers"}) {
        EXPECT_TRUE(names.contains(expected)) << expected;
    }
    for (const char* expected : {"M", "X", "i", "b", "e", "s", "f"}) {
        EXPECT_TRUE(phases.contains(expected)) << expected;
    }
}

INSTANTIATE_TEST_SUITE_P(
    Policies,
    TraceUnder,
    ::testing::Values("priority", "fair", "linux"),
    [](const auto& one) { return std::string(one.param); }
);

TEST_F(Trace, is_whole_when_a_signal_ends_the_command) {
    RunningCommand running({"run", "--trace", trace(), guest("compute")}, directory_ / "output");
    ASSERT_TRUE(running.says("ready"));
    // Complete also before the end.
    ASSERT_TRUE(RunningCommand::eventually([&] {
        const std::string text = read_file(trace());
        return text.find("\"ph\":\"X\"") != std::string::npos && Json::accept(text);
    }));
    ASSERT_EQ(::kill(running.pid(), SIGINT), 0);
    EXPECT_EQ(running.wait(), 128 + SIGINT);
    expect_sound();
}

TEST_F(Trace, that_cannot_be_written_is_an_error) {
    const auto none = run({"run", "--trace", directory_ / "no" / "trace", "hello"});
    EXPECT_EQ(none.exit_code, 3);
    EXPECT_THAT(none.err, HasSubstr("cannot write the trace"));
}

}  // namespace
