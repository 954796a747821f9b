// SPDX-License-Identifier: Apache-2.0
// Whole fleets, recorded: what the scheduler did on the host keeps what its policy promises.
#include "command.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <string>
#include <tuple>

namespace {

using command::count;
using command::guest;
using command::run;
using test_support::read_file;
using test_support::write_file;
using ::testing::HasSubstr;
using Json = nlohmann::json;

class Decisions : public ::testing::Test {
protected:
    /// Files for `digest`: urgent and patient coroutines of one guest.
    void SetUp() override {
        std::filesystem::create_directory(directory_ / "files");
        for (const char* name : {"urgent-0", "patient-0"}) {
            write_file(directory_ / "files" / name, std::string(400'000, name[0]));
        }
    }
    std::string decisions() const { return directory_ / "decisions"; }
    test_support::ProcessResult record(const std::string& policy, const std::string& fleet) {
        write_file(directory_ / "fleet.toml", fleet);
        return run(
            {"up", "--policy", policy, "--record-decisions", decisions(), directory_ / "fleet.toml"}
        );
    }
    static std::string digest(const std::string& name, const std::string& engine) {
        return "[[guest]]\nname = \"" + name + "\"\nengine = \"" + engine
               + "\"\napp = \"digest\"\nargs = [\"/host/d\"]\ngrant = [\"d=dir:files\"]\n";
    }

    test_support::TemporaryDirectory directory_;
};

class DecisionsOf : public Decisions,
                    public ::testing::WithParamInterface<std::tuple<const char*, const char*>> {};

/// Guests with a share, a budget, a ceiling and two vCPUs, and one without boards.
TEST_P(DecisionsOf, of_a_short_fleet_keep_what_the_policy_promises) {
    const auto [policy, engine] = GetParam();
    // A share bounds turns in no way that rr states.
    const std::string share = std::string(policy) == "rr" ? "" : "share = 300\n";
    const auto ran = record(
        policy,
        "workers = 2\n" + digest("shared", engine) + share + digest("limited", engine)
            + "base-level = 20\nbudget-rate = 200\nbudget-burst = 1000\n" + digest("cut", engine)
            + "ceiling = 8\ncpus = 2\n" + digest("blind", engine) + "no-boards = true\n"
    );
    ASSERT_EQ(ran.exit_code, 0) << ran.err;
    EXPECT_EQ(ran.err, "");
    const auto checked = run({"check-decisions", "--json", decisions()});
    const auto shown = run({"check-decisions", decisions()});
    ASSERT_EQ(checked.exit_code, 0) << checked.err << shown.out;
    const Json findings = Json::parse(checked.out);
    EXPECT_EQ(findings["policy"], policy);
    EXPECT_EQ(findings["workers"], 2);
    EXPECT_EQ(findings["complete"], true);
    EXPECT_EQ(findings["holds"], true);
    for (const Json& one : findings["properties"]) {
        EXPECT_EQ(one["holds"], true) << one;
        const std::string property = one["property"];
        // Whether a vCPU ever waited, and for what, is the host's affair.
        if (property == "work conserving" || property == "replay" || property == "ceiling"
            || property.starts_with("share") || property.starts_with("budget")) {
            EXPECT_GE(one["checked"], 1) << one;
        }
    }
    EXPECT_THAT(shown.out, HasSubstr("budget of limited"));
    EXPECT_THAT(shown.out, HasSubstr(std::string("policy ") + policy + ", 2 workers"));
    EXPECT_EQ(count(shown.out, "DOES NOT HOLD"), 0U) << shown.out;
}

INSTANTIATE_TEST_SUITE_P(
    Engines,
    DecisionsOf,
    ::testing::Combine(
        ::testing::Values("priority", "fair", "rr", "pvsched"), ::testing::Values("interp", "dbt")
    ),
    [](const auto& one) {
        return std::string(std::get<0>(one.param)) + "_" + std::get<1>(one.param);
    }
);

TEST_F(Decisions, that_were_changed_are_found) {
    ASSERT_EQ(record("priority", digest("one", "auto") + digest("other", "auto")).exit_code, 0);
    std::string text = read_file(decisions());
    const std::string slice = "\"slice_ns\":1000000,";
    ASSERT_GE(count(text, slice), 2U);
    text.replace(text.find(slice), slice.size(), "\"slice_ns\":1000001,");
    write_file(decisions(), text);
    const auto checked = run({"check-decisions", decisions()});
    EXPECT_EQ(checked.exit_code, 1) << checked.out;
    EXPECT_THAT(checked.out, HasSubstr("DOES NOT HOLD"));
    EXPECT_THAT(checked.out, HasSubstr("recorded: vCPU"));
}

TEST_F(Decisions, name_the_bitmaps_that_they_follow_from) {
    ASSERT_EQ(record("priority", digest("one", "auto")).exit_code, 0);
    const std::string text = read_file(decisions());
    EXPECT_THAT(text, HasSubstr("\"pick\":[0,0,0]"));
    // The urgent coroutine is at level 2, the patient one at 20.
    EXPECT_THAT(text, ::testing::ContainsRegex("\"line\":\"0x[0-9a-f]*[4567cdef]\""));
}

TEST_F(Decisions, that_the_host_takes_cannot_be_recorded) {
    const auto ran = record("linux", digest("one", "auto"));
    EXPECT_EQ(ran.exit_code, 3);
    EXPECT_THAT(ran.err, HasSubstr("under policy linux the host's scheduler decides"));
}

TEST_F(Decisions, bad_files_are_named) {
    EXPECT_EQ(run({"check-decisions"}).exit_code, 2);
    const auto none = run({"check-decisions", directory_ / "none"});
    EXPECT_EQ(none.exit_code, 3);
    EXPECT_THAT(none.err, HasSubstr("cannot read"));
    write_file(decisions(), "{\"cops_decisions\":1}\n");
    const auto bad = run({"check-decisions", decisions()});
    EXPECT_EQ(bad.exit_code, 3);
    EXPECT_THAT(bad.err, HasSubstr("decisions:1: the header's 'policy' is missing"));
}

TEST_F(Decisions, a_full_disk_is_told) {
    const auto ran = run({"run", "--record-decisions", "/dev/full", "hello"});
    EXPECT_THAT(ran.err, HasSubstr("the decisions /dev/full is not whole: No space left"));
}

}  // namespace
