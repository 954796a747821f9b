// SPDX-License-Identifier: Apache-2.0
// `--deterministic --seed N`: two runs are the same, byte for byte.
#include "command.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <string>

namespace {

using command::guest;
using command::run;
using command::Words;
using test_support::read_file;
using test_support::write_file;
using ::testing::HasSubstr;
using Json = nlohmann::json;

/// All that a run shows: what guests print in its order, and the report.
struct Shown {
    int exit_code = 0;
    std::string out;
    std::string report;
    std::string decisions;

    /// Without what names an engine or says what it did inside.
    Shown without_engines() const {
        Json json = Json::parse(report);
        for (Json& guest : json["guests"]) {
            guest.erase("engine");
            for (Json& vcpu : guest["vcpus"]) {
                vcpu.erase("engine");
            }
        }
        return {exit_code, out.substr(0, out.find("\npolicy")), json.dump(), decisions};
    }
};

class Determinism : public ::testing::Test {
protected:
    Determinism() {
        std::filesystem::create_directory(directory_ / "in");
        int step = 3;
        for (const char* name : {"urgent-0", "urgent-1", "patient-0", "patient-1"}) {
            std::string text;
            for (int k = 0; k < 30'000; ++k) {
                text += static_cast<char>('a' + k * step % 23);
            }
            write_file(directory_ / "in" / name, text);
            ++step;
        }
    }

    /// Four guests of different sizes and tenants: files read, files written, timers, harts.
    Shown up(const std::string& engine, const std::string& seed, const Words& options = {}) {
        const auto scratch = directory_ / "scratch";
        std::filesystem::remove_all(scratch);
        std::filesystem::create_directory(scratch);
        std::string input;  // as test-api wants it
        for (int i = 0; i < 1000; ++i) {
            input += static_cast<char>(i);
        }
        write_file(scratch / "input", input);
        const std::string each = "memory = \"64M\"\nengine = \"" + engine + "\"\n";
        const std::string reader = "grant = [\"d=dir:in\"]\n" + each;
        write_file(
            directory_ / "fleet.toml",
            "[[guest]]\napp = \"sha256sum\"\nargs = [\"/host/d/urgent-0\", \"/host/d/none\"]\n"
            "cpus = 2\nbase-level = 12\n"
                + reader
                + "[[guest]]\napp = \"digest\"\ncpus = 2\nweight = 30\n"
                  "args = [\"--urgent\", \"2\", \"--patient\", \"2\", \"/host/d\"]\n"
                + reader + "[[guest]]\napp = \"digest\"\nargs = [\"/host/d\"]\nshare = 100\n"
                + reader
                + "[[guest]]\napp = \"test-api\"\nargs = [\"/host/d\"]\ncpus = 2\n"
                  "budget-rate = 300\ngrant = [\"d=dir:scratch:rw\"]\n"
                + each
        );
        Words words{"up", "--deterministic", "--seed", seed, "--json", directory_ / "report.json"};
        words.insert(words.end(), {"--record-decisions", directory_ / "decisions"});
        words.insert(words.end(), options.begin(), options.end());
        words.push_back(directory_ / "fleet.toml");
        const auto result = run(words);
        EXPECT_THAT(result.out, HasSubstr("test-api: all passed")) << result.err;
        return {
            result.exit_code,
            result.out,
            read_file(directory_ / "report.json"),
            read_file(directory_ / "decisions")
        };
    }

    test_support::TemporaryDirectory directory_;
};

TEST_F(Determinism, the_same_seed_gives_the_same_bytes) {
    const Shown first = up("auto", "1");
    EXPECT_EQ(first.exit_code, 65);
    const Shown second = up("auto", "1");
    EXPECT_EQ(second.out, first.out);
    EXPECT_EQ(second.report, first.report);
    EXPECT_TRUE(second.decisions == first.decisions);
}

TEST_F(Determinism, engines_give_the_same_run) {
    for (const char* policy : {"priority", "fair", "rr"}) {
        const Shown interpreted = up("interp", "5", {"--policy", policy}).without_engines();
        const Shown best = up("auto", "5", {"--policy", policy}).without_engines();
        EXPECT_EQ(best.out, interpreted.out) << policy;
        EXPECT_EQ(best.report, interpreted.report) << policy;
        EXPECT_TRUE(best.decisions == interpreted.decisions) << policy;
    }
}

TEST_F(Determinism, another_seed_gives_other_times_to_requests) {
    const Shown one = up("auto", "1");
    const Shown two = up("auto", "2");
    EXPECT_TRUE(one.decisions != two.decisions);
    const Json first = Json::parse(one.report);
    const Json second = Json::parse(two.report);
    EXPECT_NE(first["guests"][0]["levels"], second["guests"][0]["levels"]);
    EXPECT_NE(first["wall_ns"], second["wall_ns"]);
}

TEST_F(Determinism, the_date_and_random_numbers_are_the_seeds) {
    const auto date = [](const std::string& seed) {
        return run({"run", "--deterministic", "--seed", seed, guest("date")});
    };
    const auto first = date("1");
    EXPECT_EQ(first.exit_code, 0) << first.err;
    EXPECT_EQ(date("1").out, first.out);
}

TEST_F(Determinism, input_is_not_read) {
    const auto result = run({"run", "--deterministic", "hello"}, {.input = "nobody reads this"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.out, HasSubstr("Hello"));
}

TEST_F(Determinism, what_was_typed_once_can_be_replayed_on_every_engine) {
    const std::string tape = directory_ / "tape";
    const auto echo = [&](const Words& options, const std::string& input) {
        Words words{"run", "--deterministic", "--json", directory_ / "report.json"};
        words.insert(words.end(), {"--record-decisions", directory_ / "decisions"});
        words.insert(words.end(), options.begin(), options.end());
        words.insert(words.end(), {"--kernel", guest("bare-echo")});
        const auto result = run(words, {.input = input});
        EXPECT_EQ(result.exit_code, 0) << result.err;
        return Shown{
            result.exit_code,
            result.out,
            read_file(directory_ / "report.json"),
            read_file(directory_ / "decisions")
        };
    };
    const Shown first =
        echo({"--record", tape, "--engine", "interp"}, "What is typed ends here: q");
    EXPECT_THAT(first.out, HasSubstr("57\n68\n61\n74\n"));
    for (const char* engine : {"interp", "auto"}) {
        const Shown again = echo({"--replay", tape, "--engine", engine}, "nobody reads this");
        EXPECT_EQ(again.out, first.out);
        EXPECT_EQ(again.without_engines().report, first.without_engines().report);
        EXPECT_TRUE(again.decisions == first.decisions);
    }
    EXPECT_THAT(
        run({"run", "--deterministic", "--seed", "4", "--replay", tape, "true"}).err,
        HasSubstr("of a run with seed 0, and this one has 4")
    );
}

TEST_F(Determinism, what_was_read_from_a_pipe_can_be_replayed) {
    const auto hash = [&](const std::string& options, const std::string& through) {
        const auto result = test_support::run_process(
            {"bash",
             "-c",
             "exec \"$0\" run --deterministic " + options
                 + " --grant p=file:/dev/fd/9 -- sha256sum /host/p 9< <(echo " + through
                 + ") < /dev/null",
             COPS_COMMAND}
        );
        EXPECT_EQ(result.exit_code, 0) << result.err;
        return result.out;
    };
    const std::string tape = directory_ / "tape";
    const std::string first = hash("--record " + tape, "one");
    EXPECT_NE(hash("", "two"), first);
    EXPECT_EQ(hash("--replay " + tape, "two"), first);
}

TEST_F(Determinism, a_hart_that_only_traps_is_a_crash_and_not_the_end_of_time) {
    const auto result = run({"run", "--deterministic", "--kernel", guest("bare-trap-loop")});
    EXPECT_EQ(result.exit_code, 33);
    EXPECT_THAT(result.err, HasSubstr("traps without end"));
}

TEST_F(Determinism, contradictions_are_refused) {
    const auto refused = [this](const std::string& keys) {
        write_file(
            directory_ / "bad.toml", "deterministic = true\n" + keys + "[[guest]]\napp = \"true\"\n"
        );
        const auto result = run({"up", directory_ / "bad.toml"});
        EXPECT_EQ(result.exit_code, 3) << keys;
        return result.err;
    };
    EXPECT_THAT(refused("workers = 2\n"), HasSubstr("one worker"));
    EXPECT_THAT(refused("policy = \"linux-fifo\"\n"), HasSubstr("needs a policy"));
    EXPECT_THAT(refused("pin = \"0\"\n"), HasSubstr("leave pin out"));
    const auto alone = run({"run", "--seed", "3", "true"});
    EXPECT_EQ(alone.exit_code, 2);
    EXPECT_THAT(alone.err, HasSubstr("add deterministic"));
    const auto both = run({"run", "--deterministic", "--record", "a", "--replay", "b", "true"});
    EXPECT_EQ(both.exit_code, 2);
    EXPECT_THAT(both.err, HasSubstr("exclude each other"));
}

}  // namespace
