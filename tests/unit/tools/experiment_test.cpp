// SPDX-License-Identifier: Apache-2.0
#include "experiment/experiment.hpp"
#include "experiment/figures.hpp"
#include "experiment/results.hpp"
#include "experiment/statistics.hpp"
#include "fake_fleet.hpp"
#include "process.hpp"
#include "support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>

namespace tools {
namespace {

using test_support::read_file;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// ---- What guests say ----

TEST(Figures, of_a_line_are_its_numbers) {
    const auto figures = figures_of("latency name=urgent level=2 p99_ns=120 mean_ns=1.5");
    ASSERT_THAT(figures, SizeIs(3));
    for (const Figure& one : figures) {
        EXPECT_EQ(one.kind, "latency");
        EXPECT_EQ(one.name, "urgent");
    }
    EXPECT_EQ(figures[1].key, "p99_ns");
    EXPECT_EQ(figures[1].value, 120);
    EXPECT_EQ(figures[2].value, 1.5);
    EXPECT_THAT(figures_of("work name=batch per_second=7"), SizeIs(1));
}

TEST(Figures, lines_that_are_not_of_the_form_have_none) {
    for (const char* line :
         {"",
          "latency",
          "latency p50_ns=1",
          "latency name=a",
          "latency name=a p50_ns=one",
          "latency name=a p50_ns=nan",
          "latency name=a p50_ns=1e999",
          "latency name=a,b p50_ns=1",
          "latency name=a p50,ns=1",
          "latency name=a  p50_ns=1",
          "latencies name=a p50_ns=1",
          "digest level=2 bytes=1"}) {
        EXPECT_THAT(figures_of(line), IsEmpty()) << line;
    }
}

TEST(GuestOutput, figures_come_in_any_pieces_and_other_lines_are_kept_last_first_out) {
    GuestOutput output;
    const std::string text =
        "one\r\ntwo\nlatency name=a p50_ns=1\nthree\nfour\nfive\nsix\nwork name=b per_second=2";
    for (const char& byte : text) {
        output.feed({&byte, 1});
    }
    EXPECT_THAT(output.figures(), SizeIs(1));
    output.finish();
    EXPECT_THAT(output.figures(), SizeIs(2));
    EXPECT_THAT(output.last_lines(), ElementsAre("two", "three", "four", "five", "six"));
}

TEST(GuestOutput, a_guest_cannot_make_it_grow_without_end) {
    GuestOutput output;
    const std::string long_line(100'000, 'x');
    output.feed(long_line);
    output.finish();
    EXPECT_LT(output.last_lines().at(0).size(), 5000U);
    const std::string figure = "latency name=a p50_ns=1\n";
    for (int i = 0; i < 10'000; ++i) {
        output.feed(figure);
    }
    EXPECT_LT(output.figures().size(), 5000U);
}

TEST(Samples, are_four_values_and_nothing_else) {
    RawSample sample;
    ASSERT_TRUE(parse_sample("urgent,2,1000,25", sample));
    EXPECT_EQ(sample.name, "urgent");
    EXPECT_EQ(sample.level, 2U);
    EXPECT_EQ(sample.at_ns, 1000U);
    EXPECT_EQ(sample.latency_ns, 25U);
    for (const char* line :
         {"",
          "urgent",
          "urgent,2,1000",
          "urgent,2,1000,25,1",
          ",2,1000,25",
          "a b,2,1000,25",
          "urgent,-2,1000,25",
          "urgent,2,1000,25 ",
          "\"urgent\",2,1000,25"}) {
        EXPECT_FALSE(parse_sample(line, sample)) << line;
    }
}

// ---- Statistics ----

TEST(SpreadOf, one_value_is_all_there_is) {
    const Spread spread = spread_of({7});
    EXPECT_EQ(spread.median, 7);
    EXPECT_EQ(spread.low, 7);
    EXPECT_EQ(spread.high, 7);
    EXPECT_EQ(text_of(spread, 1), "7.00 [7.00..7.00] (7.00..7.00)");
}

TEST(SpreadOf, nothing_is_filtered_and_the_interval_lies_between) {
    const Spread spread = spread_of({5, 1, 2, 1000, 3, 4});
    EXPECT_EQ(spread.median, 3.5);
    EXPECT_EQ(spread.least, 1);
    EXPECT_EQ(spread.most, 1000);
    EXPECT_GE(spread.low, 1);
    EXPECT_LE(spread.low, 3.5);
    EXPECT_GE(spread.high, 3.5);
    EXPECT_LE(spread.high, 1000);
}

TEST(SpreadOf, the_interval_is_narrower_with_more_values) {
    std::vector<double> few;
    std::vector<double> many;
    for (int i = 0; i < 400; ++i) {
        many.push_back(i % 10);
        if (i < 10) {
            few.push_back(i % 10);
        }
    }
    const Spread of_few = spread_of(few);
    const Spread of_many = spread_of(many);
    EXPECT_LT(of_many.high - of_many.low, of_few.high - of_few.low);
}

// ---- Experiments ----

/// Prints when it starts, writes samples if it was given a file, and ends at once.
class OneRun final : public FleetHandle {
public:
    OneRun(const vmm::FleetConfig& config, vmm::ConsoleSink console, std::string prints)
        : config_(config)
        , console_(std::move(console))
        , prints_(std::move(prints)) {}

    vmm::Result<void> start() override {
        console_(0, prints_);
        for (const vmm::Grant& grant : config_.guests[0].grants) {
            std::ofstream(grant.path) << samples;
        }
        if (raises != 0) {
            ::kill(::getpid(), raises);
        }
        return {};
    }
    void wait() override {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return raises == 0 || stopped_; });
    }
    void stop() override {
        const std::lock_guard lock(mutex_);
        stopped_ = true;
        changed_.notify_all();
    }
    void stop(std::size_t) override {}
    bool ask_power_off(std::size_t) override { return false; }
    vmm::Result<void> pause(std::size_t) override { return {}; }
    vmm::Result<void> resume(std::size_t) override { return {}; }
    vmm::Result<void> set_tenant(std::size_t, const vmm::Tenant&) override { return {}; }
    std::size_t console_input(std::size_t, std::span<const char>) override { return 0; }
    std::string debugger_address(std::size_t) const override { return {}; }
    vmm::GuestState state(std::size_t) const override { return vmm::GuestState::running; }
    vmm::FleetReport report() const override {
        vmm::FleetReport report{.policy = config_.policy, .workers = 1, .guests = {}};
        report.wall_ns = 1000;
        vmm::GuestReport& guest = report.guests.emplace_back();
        guest.outcome = {
            .name = config_.guests[0].name,
            .ending = vmm::Ending::powered_off,
            .status = status,
            .message = ""
        };
        guest.vcpus.push_back({.run_ns = 250});
        return report;
    }
    std::string describe() const override { return {}; }

    std::string samples = "urgent,2,10,20\nnonsense\nurgent,2,30,40\n";
    std::uint32_t status = 0;
    int raises = 0;

private:
    vmm::FleetConfig config_;
    vmm::ConsoleSink console_;
    std::string prints_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool stopped_ = false;
};

class Experiment : public ::testing::Test {
protected:
    int run(ExperimentOptions options) {
        const int output = ::open((directory_ / "out").c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
        const int messages = ::open((directory_ / "err").c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
        options.output = output;
        options.messages = messages;
        FleetOptions fleet;
        fleet.guests.resize(1);
        fleet.guests[0].config.name = "tenant";
        fleet.guests[0].samples = true;
        fleet.quantum_ns = 500'000;
        const auto prepare = [](const FleetOptions& given) {
            vmm::FleetConfig config{
                .policy = given.policy, .quantum_ns = given.quantum_ns, .guests = {}
            };
            config.guests.push_back(given.guests[0].config);
            return config;
        };
        const auto make = [this](const vmm::FleetConfig& config, vmm::ConsoleSink sink) {
            return make_run(config, std::move(sink));
        };
        const int code = run_experiment(fleet, options, prepare, make, signals_);
        ::close(output);
        ::close(messages);
        out_ = read_file(directory_ / "out");
        err_ = read_file(directory_ / "err");
        return code;
    }
    std::string results(const char* name) {
        return read_file(directory_ / (std::string("results/") + name));
    }

    test_support::TemporaryDirectory directory_;
    std::vector<std::string> policies_;  // of the runs, in order
    std::vector<vmm::Nanos> quanta_;
    std::size_t fails_at_ = 0;            // the run, from 1, whose guest fails
    std::size_t refused_at_ = 0;          // the run, from 1, that cannot be made
    std::size_t signal_at_ = 0;           // the run, from 1, that is interrupted
    std::optional<std::string> samples_;  // what its guest writes, if not the usual
    std::string out_;
    std::string err_;

    Signals signals_;

private:
    vmm::Result<std::unique_ptr<FleetHandle>>
    make_run(const vmm::FleetConfig& config, vmm::ConsoleSink sink) {
        policies_.push_back(config.policy);
        quanta_.push_back(config.quantum_ns);
        const std::size_t number = policies_.size();
        if (number == refused_at_) {
            return vmm::fail(vmm::ErrorKind::unavailable, "SCHED_FIFO is not permitted");
        }
        auto made = std::make_unique<OneRun>(
            config,
            std::move(sink),
            "hello\nlatency name=urgent level=2 p50_ns=" + std::to_string(1000 * number)
                + " p99_ns=9000\nwork name=batch level=20 per_second=100\n"
        );
        made->status = number == fails_at_ ? 3 : 0;
        made->raises = number == signal_at_ ? SIGINT : 0;
        made->samples = samples_.value_or(made->samples);
        return vmm::Result<std::unique_ptr<FleetHandle>>(std::move(made));
    }
};

TEST_F(Experiment, policies_run_in_turns_and_the_median_is_over_the_rounds) {
    EXPECT_EQ(run({.policies = {"priority", "fair"}, .repeat = 3}), 0);
    EXPECT_THAT(policies_, ElementsAre("priority", "fair", "priority", "fair", "priority", "fair"));
    EXPECT_THAT(out_, HasSubstr("6 runs of 2 policies"));
    EXPECT_THAT(out_, HasSubstr("tenant, latency urgent: p50, us\n  priority  3.00 ["));
    EXPECT_THAT(out_, HasSubstr("(1.00..5.00)\n  fair      4.00 ["));
    EXPECT_THAT(out_, HasSubstr("tenant, latency urgent: p99, us\n  priority  9.00 [9.00..9.00]"));
    EXPECT_THAT(out_, HasSubstr("tenant, work batch: units a second\n  priority  100 ["));
    EXPECT_THAT(out_, HasSubstr("permille of all workers\n  priority  250 ["));
    EXPECT_THAT(err_, HasSubstr("run 6 of 6: fair, 1.00 us\n"));
}

TEST_F(Experiment, only_rr_gets_the_quantum) {
    EXPECT_EQ(run({.policies = {"priority", "rr"}}), 0);
    EXPECT_THAT(quanta_, ElementsAre(0U, 500'000U));
}

TEST_F(Experiment, a_run_that_fails_is_told_and_counted_and_the_others_go_on) {
    fails_at_ = 2;
    EXPECT_EQ(run({.policies = {"priority", "fair"}, .repeat = 2}), 64 + 3);
    EXPECT_THAT(policies_, SizeIs(4));
    EXPECT_THAT(err_, HasSubstr("run 2 (fair, round 1) failed: tenant powered_off with status 3"));
    EXPECT_THAT(err_, HasSubstr("  tenant | hello\n"));
    EXPECT_THAT(out_, HasSubstr("1 of fair FAILED"));
    EXPECT_THAT(out_, HasSubstr("  fair      4.00 [4.00..4.00]"));
}

TEST_F(Experiment, a_policy_that_the_host_refuses_fails_its_runs_alone) {
    refused_at_ = 1;
    EXPECT_EQ(run({.policies = {"linux-fifo", "fair"}, .csv = directory_ / "results"}), 4);
    EXPECT_THAT(err_, HasSubstr("SCHED_FIFO is not permitted"));
    EXPECT_THAT(out_, HasSubstr("1 of linux-fifo FAILED"));
    EXPECT_THAT(results("runs.csv"), HasSubstr("1,1,linux-fifo,1,4,0,0,\"SCHED_FIFO is not "));
}

TEST_F(Experiment, a_signal_before_the_first_run_ends_it_with_an_empty_summary) {
    signals_.deliver_to([](int) {});  // as between the beginning and the first run
    ::kill(::getpid(), SIGINT);
    while (signals_.received() == 0) {
        std::this_thread::yield();
    }
    EXPECT_EQ(run({.policies = {"priority"}, .repeat = 2}), 128 + SIGINT);
    EXPECT_TRUE(policies_.empty());
    EXPECT_THAT(err_, HasSubstr("ended by SIGINT"));
}

TEST_F(Experiment, a_line_longer_than_any_sample_is_none) {
    samples_ = "urgent,2,10,20\nurgent,2,30,40" + std::string(1000, ' ') + "\nurgent,2,50,60\n";
    EXPECT_EQ(run({.policies = {"priority"}, .repeat = 1, .csv = directory_ / "results"}), 0);
    EXPECT_THAT(
        results("samples.csv"),
        ::testing::EndsWith("\n1,priority,tenant,urgent,2,10,20\n1,priority,tenant,urgent,2,50,60\n"
        )
    );
    EXPECT_THAT(err_, HasSubstr("line 2 of its samples is not name,level"));
}

TEST_F(Experiment, results_keep_every_run_figure_and_sample) {
    EXPECT_EQ(run({.policies = {"priority"}, .repeat = 2, .csv = directory_ / "results"}), 0);
    EXPECT_EQ(
        results("runs.csv"),
        "run,round,policy,failed,exit_code,wall_ns,workers,message\n"
        "1,1,priority,0,0,1000,1,\"\"\n2,2,priority,0,0,1000,1,\"\"\n"
    );
    EXPECT_THAT(
        results("figures.csv"), HasSubstr("2,priority,tenant,latency,urgent,p50_ns,2000\n")
    );
    EXPECT_THAT(results("guests.csv"), HasSubstr("1,priority,tenant,,powered_off,0,250,0,0,"));
    EXPECT_EQ(
        results("samples.csv"),
        "run,policy,guest,name,level,at_ns,latency_ns\n"
        "1,priority,tenant,urgent,2,10,20\n1,priority,tenant,urgent,2,30,40\n"
        "2,priority,tenant,urgent,2,10,20\n2,priority,tenant,urgent,2,30,40\n"
    );
    EXPECT_THAT(err_, HasSubstr("run 1: tenant: line 2 of its samples is not name,level"));
    EXPECT_FALSE(std::filesystem::exists(directory_ / "results/tenant.samples"));
}

TEST_F(Experiment, a_signal_ends_the_run_and_what_was_before_is_summed_up) {
    signal_at_ = 2;
    EXPECT_EQ(run({.policies = {"priority"}, .repeat = 5, .csv = directory_ / "results"}), 128 + 2);
    EXPECT_THAT(policies_, SizeIs(2));
    EXPECT_THAT(out_, HasSubstr("1 run of 1 policy"));
    EXPECT_THAT(err_, HasSubstr("ended by SIGINT"));
    EXPECT_THAT(results("runs.csv"), Not(HasSubstr("\n2,")));
}

TEST(ResultFolder, is_not_one_that_has_something_in_it) {
    const test_support::TemporaryDirectory directory;
    std::ofstream(directory / "old") << "x";
    EXPECT_THAT(
        test::failure_of(
            vmm::ErrorKind::configuration, [&] { const ResultFolder folder(directory / ""); }
        ),
        HasSubstr("is not empty; name a new folder")
    );
    EXPECT_THAT(
        test::failure_of(
            vmm::ErrorKind::configuration, [&] { const ResultFolder folder(directory / "old"); }
        ),
        HasSubstr("cannot make the folder")
    );
    EXPECT_THAT(
        test::failure_of(
            vmm::ErrorKind::configuration, [&] { const ResultFolder folder("/proc/none"); }
        ),
        HasSubstr("cannot make the folder /proc/none")
    );
}

}  // namespace
}  // namespace tools
