// SPDX-License-Identifier: Apache-2.0
// Harts that a guest has while the host grants them: real guests that ask, get, lose and ask again.
#include "process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace {

using test_support::ProcessResult;
using test_support::TemporaryDirectory;
using ::testing::HasSubstr;
using Json = nlohmann::json;

/// What executes the guest, and whether completions interrupt in user mode.
struct Cpu {
    const char* engine;
    const char* isa;
};

class AllocCpu : public ::testing::TestWithParam<Cpu> {
protected:
    AllocCpu() {
        std::string bytes(1000, '\0');
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            bytes[i] = static_cast<char>(i);
        }
        test_support::write_file(directory_ / "input", bytes);
    }

    [[nodiscard]] ProcessResult
    run(const std::vector<std::string>& options, const std::vector<std::string>& words) const {
        std::vector<std::string> command = {
            COPS_COMMAND, "run", "--engine", GetParam().engine, "--isa", GetParam().isa
        };
        command.insert(command.end(), options.begin(), options.end());
        command.insert(
            command.end(),
            {"--grant", "input=file:" + (directory_ / "input").string(), "--", "test-alloc-cpu"}
        );
        command.insert(command.end(), words.begin(), words.end());
        return test_support::run_process(command);
    }
    /// A guest that does `rounds` of work on at most two harts while another one computes now and
    /// then, so that there are more who want a worker than workers. `terms`: more keys of it.
    [[nodiscard]] ProcessResult
    run_beside_another(unsigned rounds, const std::string& terms = {}) const {
        const std::string cpu = std::string("engine = \"") + GetParam().engine + "\"\nisa = \""
                                + GetParam().isa + "\"\napp = \"test-alloc-cpu\"\n";
        const std::string worker = "[[guest]]\nname = \"worker\"\n" + cpu
                                   + "args = [\"/host/input\", \"" + std::to_string(rounds)
                                   + "\"]\nmax-cpus = 2\ngrant = [\"input=file:"
                                   + (directory_ / "input").string() + "\"]\n" + terms;
        const std::string pulse =
            "[[guest]]\nname = \"pulse\"\n" + cpu + "args = [\"pulse\", \"1500\"]\n";
        test_support::write_file(directory_ / "fleet.toml", "workers = 2\n" + worker + pulse);
        return test_support::run_process(
            {COPS_COMMAND,
             "up",
             (directory_ / "fleet.toml").string(),
             "--json",
             (directory_ / "report.json").string()}
        );
    }
    [[nodiscard]] std::uint64_t revocations() const {
        const Json report = Json::parse(test_support::read_file(directory_ / "report.json"));
        std::uint64_t sum = 0;
        for (const Json& vcpu : report.at("guests").at(0).at("vcpus")) {
            sum += vcpu.at("revocations").get<std::uint64_t>();
        }
        return sum;
    }

    TemporaryDirectory directory_;
};

#define EXPECT_ENDED_WELL(result)                                                                  \
    EXPECT_FALSE(result.timed_out);                                                                \
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err

TEST_P(AllocCpu, a_process_gets_more_harts_than_its_guest_began_with) {
    const ProcessResult result = run({"--max-cpus", "3", "--workers", "3"}, {"/host/input", "30"});
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(result.out, HasSubstr("all passed, highest=3 harts=7"));
}

TEST_P(AllocCpu, where_no_worker_is_idle_it_gets_none) {
    const ProcessResult result = run({"--max-cpus", "4", "--workers", "1"}, {"refused"});
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(result.out, HasSubstr("refused"));
}

TEST_P(AllocCpu, without_boards_there_are_no_more_than_its_own) {
    const ProcessResult result =
        run({"--max-cpus", "3", "--workers", "3", "--no-boards"}, {"/host/input", "3"});
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(result.out, HasSubstr("all passed, highest=1 harts=1"));
}

TEST_P(AllocCpu, under_the_hosts_scheduler_it_gets_what_it_asks_for) {
    const ProcessResult result =
        run({"--max-cpus", "3", "--workers", "2", "--policy", "linux"}, {"/host/input", "20"});
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(result.out, HasSubstr("highest=3"));
}

TEST_P(AllocCpu, harts_are_taken_back_while_others_compute_and_no_coroutine_is_lost) {
    const ProcessResult result = run_beside_another(60);
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(result.out, HasSubstr("test-alloc-cpu: all passed"));
    EXPECT_GE(revocations(), 1u);
}

TEST_P(AllocCpu, a_best_effort_guest_loses_them_and_nothing_else) {
    const ProcessResult result = run_beside_another(30, "base-level = 63\nceiling = 63\n");
    EXPECT_ENDED_WELL(result);
    EXPECT_THAT(result.out, HasSubstr("test-alloc-cpu: all passed"));
}

TEST_P(AllocCpu, a_guest_may_end_while_harts_come) {
    for (int n = 0; n < 5; ++n) {
        const ProcessResult result = run({"--max-cpus", "4", "--workers", "3"}, {"die"});
        EXPECT_FALSE(result.timed_out);
        EXPECT_EQ(result.exit_code, 64 + 5) << result.out << result.err;
    }
}

INSTANTIATE_TEST_SUITE_P(
    Runtime,
    AllocCpu,
    ::testing::Values(
        Cpu{"dbt", "n=on"}, Cpu{"dbt", "n=off"}, Cpu{"interp", "n=on"}, Cpu{"interp", "n=off"}
    ),
    [](const auto& info) {
        return std::string(info.param.engine)
               + (std::string(info.param.isa) == "n=off" ? "_by_upcall" : "");
    }
);

}  // namespace
