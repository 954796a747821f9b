// SPDX-License-Identifier: Apache-2.0
// The fleets of share/cops/experiments, shortened, on each engine: every load does all of its work
// rightly, beside whatever attack; the fleet ends; what is counted is bounded. Nothing is timed.
#include "process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;
using test_support::read_file;
using test_support::write_file;
using ::testing::HasSubstr;
using Json = nlohmann::json;
using Row = std::vector<std::string>;

const fs::path kFolder = fs::path(COPS_IMAGE_DIR) / "experiments";

std::vector<std::string> fleets() {
    std::vector<std::string> names;
    for (const auto& entry :
         fs::directory_iterator(fs::path(COPS_SOURCE_DIR) / "host-tools/experiments")) {
        if (entry.path().extension() == ".toml") {
            names.push_back(entry.path().stem());
        }
    }
    std::ranges::sort(names);
    return names;
}

std::string replaced(const std::string& text, const std::string& what, const std::string& with) {
    return std::regex_replace(text, std::regex(what), with);
}

/// The shipped fleet with less to do, and its guests on `engine`.
std::string shortened(const std::string& name, const std::string& engine) {
    std::string text = read_file(kFolder / (name + ".toml"));
    text = replaced(text, R"(\[\[guest\]\])", "[[guest]]\nengine = \"" + engine + "\"");
    text = replaced(text, R"("--rounds", "\d+")", R"("--rounds", "60")");
    return replaced(text, R"("\.\./)", "\"" + std::string(COPS_IMAGE_DIR) + "/");
}

test_support::ProcessResult up(const std::vector<std::string>& words) {
    std::vector<std::string> all{COPS_COMMAND, "up"};
    all.insert(all.end(), words.begin(), words.end());
    return test_support::run_process(all, {});
}

/// Rows of a CSV file without commas in its values; the first is the header.
std::vector<Row> rows_of(const std::string& path) {
    std::vector<Row> rows;
    std::istringstream lines(read_file(path));
    for (std::string line; std::getline(lines, line);) {
        Row& row = rows.emplace_back();
        std::istringstream cells(line);
        for (std::string cell; std::getline(cells, cell, ',');) {
            row.push_back(cell);
        }
    }
    return rows;
}

bool has_engine(const std::string& engine) {
    const test_support::ProcessResult result =
        test_support::run_process({COPS_COMMAND, "run", "--engine", engine, "true"}, {});
    return result.exit_code == 0;
}

using Setting = std::tuple<std::string, std::string>;

class Experiments : public ::testing::TestWithParam<Setting> {
protected:
    void SetUp() override {
        if (!has_engine(engine())) {
            GTEST_SKIP() << "this host has no engine " << engine();
        }
        write_file(directory_ / "fleet.toml", shortened(name(), engine()));
    }
    static std::string name() { return std::get<0>(GetParam()); }
    static std::string engine() { return std::get<1>(GetParam()); }

    void run_on(const std::string& workers) {
        const std::string results = directory_ / ("results-" + workers);
        const auto result = up({"--workers", workers, "--csv", results, directory_ / "fleet.toml"});
        // A load that has a wrong result ends with another status.
        ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
        instructions_.clear();
        for (const Row& row : rows_of(results + "/guests.csv")) {
            if (row[0] != "run") {
                EXPECT_THAT(row[4], ::testing::AnyOf("powered_off", "stopped")) << row[2];
                instructions_[row[2]] = std::stoull(row[11]);
            }
        }
        EXPECT_GT(rows_of(results + "/samples.csv").size(), 100U);
        EXPECT_THAT(result.out, HasSubstr("latency "));
    }

    test_support::TemporaryDirectory directory_;
    std::map<std::string, std::uint64_t> instructions_;  // by guest
};

TEST_P(Experiments, does_all_its_work_and_ends) {
    // On two workers, boards, pages and queues change while another thread reads them.
    const bool attack = name().starts_with("attack-");
    for (const char* workers : {"1", "2"}) {
        if (attack || *workers == '1') {
            run_on(workers);
        }
        if (attack) {
            EXPECT_GT(instructions_["attacker"], 0U) << "it took place, on workers " << workers;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(
    EveryEngine,
    Experiments,
    ::testing::Combine(::testing::ValuesIn(fleets()), ::testing::Values("interp", "dbt")),
    [](const auto& parameters) {
        std::string name = std::get<0>(parameters.param) + "_" + std::get<1>(parameters.param);
        std::ranges::replace(name, '-', '_');
        return name;
    }
);

// ---- What attackers get ----

/// Attackers that compute just as the victim's batch work does, so that instructions tell who had
/// the CPU. Nothing of the host's time comes into it.
class Attackers : public ::testing::TestWithParam<Setting> {
protected:
    test_support::TemporaryDirectory directory_;
};

TEST_P(Attackers, get_no_more_than_their_weight_entitles_them_to) {
    const auto& [name, engine] = GetParam();
    if (!has_engine(engine)) {
        GTEST_SKIP() << "this host has no engine " << engine;
    }
    // Long enough that the start of both guests, which is less than a tenth, weighs little.
    std::string text = shortened(name, engine);
    text = replaced(text, R"("--batch", "1")", R"("--batch", "1", "--batch-units", "400000")");
    write_file(directory_ / "fleet.toml", text);
    const auto result = up({"--json", directory_ / "report.json", directory_ / "fleet.toml"});
    ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
    const Json report = Json::parse(read_file(directory_ / "report.json"));
    std::map<std::string, double> instructions;
    for (const Json& guest : report["guests"]) {
        for (const Json& vcpu : guest["vcpus"]) {
            instructions[guest["name"]] += vcpu["instructions"].get<double>();
        }
    }
    // Equal weights; claims above the base level are cut. The victim's urgent work goes first, so
    // that the attacker has less than the half.
    const double share =
        instructions["attacker"] / (instructions["attacker"] + instructions["victim"]);
    EXPECT_LE(share, 0.60) << instructions["attacker"] << " and " << instructions["victim"];
    EXPECT_GE(share, 0.05) << "it is not kept from running either";
}

INSTANTIATE_TEST_SUITE_P(
    EveryEngine,
    Attackers,
    ::testing::Combine(
        ::testing::Values("attack-claim", "attack-toggle", "attack-critical"),
        ::testing::Values("interp", "dbt")
    ),
    [](const auto& parameters) {
        std::string name = std::get<0>(parameters.param) + "_" + std::get<1>(parameters.param);
        std::ranges::replace(name, '-', '_');
        return name;
    }
);

/// Urgent work does not carry batch work along: when it is done, the turns at the level of batch
/// work are as they would be without it.
class Neighbours : public ::testing::TestWithParam<std::string> {
protected:
    test_support::TemporaryDirectory directory_;
};

TEST_P(Neighbours, share_batch_time_though_one_of_them_has_urgent_work_too) {
    if (!has_engine(GetParam())) {
        GTEST_SKIP() << "this host has no engine " << GetParam();
    }
    const std::string guest = "[[guest]]\nengine = \"" + GetParam() + "\"\nname = ";
    write_file(
        directory_ / "fleet.toml",
        "policy = \"priority\"\nworkers = 1\n" + guest
            + "\"busy\"\napp = \"load-mixed\"\nargs = [\"--rounds\", \"400\", \"--period\", "
              "\"2000\"]\n"
            + guest
            + "\"plain\"\napp = \"load-compute\"\nargs = [\"--units\", \"0\"]\nbackground = true\n"
    );
    // In virtual time: what other programs take of the processor is charged to whose turn it is.
    const auto result =
        up({"--deterministic",
            "--seed",
            "1",
            "--json",
            directory_ / "report.json",
            directory_ / "fleet.toml"});
    ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
    const Json report = Json::parse(read_file(directory_ / "report.json"));
    const double busy = report["guests"][0]["vcpus"][0]["instructions"];
    const double plain = report["guests"][1]["vcpus"][0]["instructions"];
    // Two rounds of 20 units each 2 ms are some hundredths; a turn that goes on with batch work
    // after each would make two thirds of it.
    EXPECT_LE(busy / (busy + plain), 0.61) << busy << " and " << plain;
}

INSTANTIATE_TEST_SUITE_P(EveryEngine, Neighbours, ::testing::Values("interp", "dbt"));

// ---- The command ----

TEST(ExperimentCommand, runs_policies_in_turns_and_says_what_it_does) {
    const test_support::TemporaryDirectory directory;
    write_file(directory / "fleet.toml", "[[guest]]\nname = \"a\"\napp = \"true\"\n");
    const auto result =
        up({"--policy",
            "priority,linux",
            "--repeat",
            "2",
            "--csv",
            directory / "out",
            directory / "fleet.toml"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.err, HasSubstr("run 1 of 4: priority, "));
    EXPECT_THAT(result.err, HasSubstr("run 4 of 4: linux, "));
    EXPECT_THAT(result.out, HasSubstr("4 runs of 2 policies"));
    const auto runs = rows_of(directory / "out/runs.csv");
    ASSERT_EQ(runs.size(), 5U);
    EXPECT_EQ(runs[2][2], "linux");
    EXPECT_EQ(runs[3][1], "2");
}

TEST(ExperimentCommand, a_run_that_fails_is_counted_and_is_the_exit_code) {
    const test_support::TemporaryDirectory directory;
    write_file(
        directory / "fleet.toml", "[[guest]]\nname = \"a\"\napp = \"exit\"\nargs = [\"5\"]\n"
    );
    const auto result = up({"--repeat", "2", directory / "fleet.toml"});
    EXPECT_EQ(result.exit_code, 64 + 5);
    EXPECT_THAT(
        result.err, HasSubstr("run 2 (priority, round 2) failed: a powered_off with status 5")
    );
    EXPECT_THAT(result.out, HasSubstr("2 of priority FAILED"));
}

TEST(ExperimentCommand, a_folder_that_cannot_be_written_is_an_error_before_anything_runs) {
    const test_support::TemporaryDirectory directory;
    write_file(directory / "fleet.toml", "[[guest]]\napp = \"true\"\n");
    const auto result = up({"--csv", "/proc/none", directory / "fleet.toml"});
    EXPECT_EQ(result.exit_code, 3);
    EXPECT_THAT(result.err, HasSubstr("--csv: cannot make the folder /proc/none"));
    const auto full = up({"--csv", directory / "", directory / "fleet.toml"});
    EXPECT_EQ(full.exit_code, 3);
    EXPECT_THAT(full.err, HasSubstr("is not empty"));
}

TEST(ExperimentCommand, samples_come_only_where_they_were_asked_for) {
    const test_support::TemporaryDirectory directory;
    const std::string guest =
        "[[guest]]\nname = \"a\"\napp = \"load-wake\"\nargs = [\"--rounds\", \"5\"]\n";
    write_file(directory / "fleet.toml", guest);
    ASSERT_EQ(up({"--csv", directory / "out", directory / "fleet.toml"}).exit_code, 0);
    EXPECT_EQ(rows_of(directory / "out/samples.csv").size(), 1U);
    write_file(directory / "fleet.toml", guest + "samples = true\n");
    ASSERT_EQ(up({"--csv", directory / "with", directory / "fleet.toml"}).exit_code, 0);
    // Three levels of two workers with five rounds each.
    EXPECT_EQ(rows_of(directory / "with/samples.csv").size(), 1U + 30U);
}

}  // namespace
