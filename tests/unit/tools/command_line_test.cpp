// SPDX-License-Identifier: Apache-2.0
#include "options/command_line.hpp"
#include "support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tools {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Words = std::vector<std::string>;

Command parse(const Words& words) {
    return parse_command_line(words, test::kCatalogue);
}

GuestOptions guest_of(const Words& words) {
    return std::get<RunCommand>(parse(words)).fleet.guests.at(0);
}

std::string usage_error(const Words& words) {
    return test::failure_of(vmm::ErrorKind::usage, [&words] { (void)parse(words); });
}

TEST(RunCommandLine, defaults_are_one_cpu_and_128_mebibytes) {
    const auto command = std::get<RunCommand>(parse({"run", "hello"}));
    const auto& guest = command.fleet.guests.at(0);
    EXPECT_EQ(guest.app, "hello");
    EXPECT_THAT(guest.arguments, IsEmpty());
    EXPECT_EQ(guest.config.cpus, 1U);
    EXPECT_EQ(guest.config.memory_bytes, std::uint64_t{128} << 20);
    EXPECT_EQ(guest.config.engine, "auto");
    EXPECT_TRUE(guest.config.boards);
    EXPECT_TRUE(guest.config.user_interrupts);
    EXPECT_TRUE(guest.config.reboot);
    EXPECT_EQ(command.fleet.workers, 1U);
    EXPECT_EQ(command.fleet.policy, "priority");
}

TEST(RunCommandLine, every_option_reaches_its_field) {
    const auto command = std::get<RunCommand>(parse(
        {"run",
         "--cpus",
         "2",
         "--memory=1G",
         "--engine",
         "interp",
         "--isa",
         "n=off",
         "--code-cache",
         "16M",
         "--engine-stats",
         "--perf-map",
         "--record-decisions",
         "d.jsonl",
         "--trace",
         "t.json",
         "--trace-insns",
         "t.txt",
         "--gdb",
         "tcp:127.0.0.1:7",
         "--initrd",
         "a",
         "--initrd",
         "b",
         "--cmdline",
         "x y",
         "--env",
         "A=1",
         "--env",
         "B=2",
         "--grant",
         "f=file:p:rw",
         "--policy",
         "fair",
         "--workers",
         "3",
         "--poll",
         "70",
         "--pin",
         "0-1,7",
         "--dump-dtb",
         "t.dtb",
         "--log-level",
         "debug",
         "--no-reboot",
         "--no-boards",
         "--timebase",
         "10000000",
         "--cops-device-id",
         "42",
         "--base-level",
         "30",
         "--ceiling",
         "5",
         "--budget-rate",
         "100",
         "--budget-burst",
         "250",
         "--json",
         "r.json",
         "app"}
    ));
    const auto& fleet = command.fleet;
    const auto& guest = fleet.guests.at(0);
    EXPECT_EQ(guest.config.cpus, 2U);
    EXPECT_EQ(guest.config.memory_bytes, std::uint64_t{1} << 30);
    EXPECT_EQ(guest.config.engine, "interp");
    EXPECT_FALSE(guest.config.user_interrupts);
    EXPECT_EQ(guest.config.code_cache_bytes, std::uint64_t{16} << 20);
    EXPECT_TRUE(fleet.engine_stats);
    EXPECT_TRUE(fleet.perf_map);
    EXPECT_EQ(fleet.record_decisions, "d.jsonl");
    EXPECT_EQ(fleet.trace, "t.json");
    EXPECT_EQ(guest.config.trace_insns, "t.txt");
    EXPECT_EQ(guest.config.gdb, "tcp:127.0.0.1:7");
    EXPECT_THAT(guest.config.initrds, ElementsAre("a", "b"));
    EXPECT_EQ(guest.config.cmdline, "x y");
    EXPECT_THAT(guest.environment, ElementsAre("A=1", "B=2"));
    ASSERT_EQ(guest.config.grants.size(), 1U);
    EXPECT_TRUE(guest.config.grants[0].writable);
    EXPECT_EQ(guest.config.dump_dtb, "t.dtb");
    EXPECT_FALSE(guest.config.reboot);
    EXPECT_FALSE(guest.config.boards);
    EXPECT_EQ(guest.config.timebase_hz, 10'000'000U);
    EXPECT_EQ(guest.config.cops_device_id, 42U);
    EXPECT_EQ(guest.config.tenant.base_level, 30);
    EXPECT_EQ(guest.config.tenant.ceiling, 5);
    EXPECT_EQ(guest.config.tenant.budget_rate, 100U);
    EXPECT_EQ(guest.config.tenant.budget_burst_ns, 250'000U);
    EXPECT_EQ(fleet.policy, "fair");
    EXPECT_EQ(fleet.workers, 3U);
    EXPECT_EQ(fleet.poll_us, 70U);
    EXPECT_THAT(fleet.pin, ElementsAre(0, 1, 7));
    EXPECT_EQ(fleet.log_level, "debug");
    EXPECT_EQ(fleet.json, "r.json");
    EXPECT_EQ(guest.app, "app");
}

TEST(RunCommandLine, words_behind_the_application_are_its_own) {
    const auto guest = guest_of({"run", "--cpus", "2", "app", "--cpus", "9", "-x", "--", "y", ""});
    EXPECT_EQ(guest.config.cpus, 2U);
    EXPECT_EQ(guest.app, "app");
    EXPECT_THAT(guest.arguments, ElementsAre("--cpus", "9", "-x", "--", "y", ""));
}

TEST(RunCommandLine, two_dashes_end_the_options) {
    const auto guest = guest_of({"run", "--cpus", "2", "--", "-app", "--help", "z"});
    EXPECT_EQ(guest.app, "-app");
    EXPECT_THAT(guest.arguments, ElementsAre("--help", "z"));
    EXPECT_EQ(guest_of({"run", "--", "a"}).app, "a");
}

TEST(RunCommandLine, a_list_option_takes_one_word_each) {
    const auto guest = guest_of({"run", "--grant", "a=file:b", "app", "word"});
    EXPECT_EQ(guest.config.grants.size(), 1U);
    EXPECT_EQ(guest.app, "app");
    EXPECT_THAT(guest.arguments, ElementsAre("word"));
}

TEST(RunCommandLine, values_may_begin_with_a_dash_or_hold_commas_and_spaces) {
    EXPECT_EQ(guest_of({"run", "--cmdline=-q a,b", "x"}).config.cmdline, "-q a,b");
    EXPECT_THAT(guest_of({"run", "--env", "A=[1,2]", "x"}).environment, ElementsAre("A=[1,2]"));
}

TEST(RunCommandLine, a_kernel_takes_no_application) {
    EXPECT_EQ(guest_of({"run", "--kernel", "Image"}).config.kernel, "Image");
    EXPECT_THAT(
        usage_error({"run", "--kernel", "Image", "app"}), HasSubstr("takes no application")
    );
    EXPECT_THAT(usage_error({"run", "--kernel", "I", "--env", "A=b"}), HasSubstr("--env"));
}

TEST(RunCommandLine, a_quantum_is_for_the_policy_rr) {
    EXPECT_THAT(
        usage_error({"run", "--quantum", "500", "a"}),
        AllOf(HasSubstr("--policy rr"), HasSubstr("priority"))
    );
    const auto command =
        std::get<RunCommand>(parse({"run", "--policy", "rr", "--quantum", "500", "a"}));
    EXPECT_EQ(command.fleet.quantum_ns, 500'000U);
    EXPECT_THAT(
        usage_error({"run", "--policy", "rr", "--quantum", "49", "a"}), HasSubstr("50 to 1000000")
    );
    const auto up = std::get<UpCommand>(parse({"up", "--quantum", "70", "f.toml"}));
    EXPECT_EQ(up.quantum_ns, 70'000U);
}

TEST(RunCommandLine, a_deterministic_run_has_a_seed_and_nothing_of_the_hosts_time) {
    const auto fleet_of = [](const Words& words) {
        return std::get<RunCommand>(parse(words)).fleet;
    };
    const auto fleet = fleet_of({"run", "--deterministic", "--seed", "18446744073709551615", "x"});
    EXPECT_TRUE(fleet.deterministic);
    EXPECT_EQ(fleet.seed, ~std::uint64_t{0});
    EXPECT_FALSE(fleet_of({"run", "--deterministic", "x"}).seed);
    EXPECT_THAT(usage_error({"run", "--seed", "1", "x"}), HasSubstr("add deterministic"));
    const auto refused = [](Words options) {
        options.insert(options.begin(), {"run", "--deterministic"});
        options.emplace_back("x");
        return usage_error(options);
    };
    EXPECT_THAT(refused({"--workers", "2"}), HasSubstr("one worker"));
    EXPECT_THAT(refused({"--pin", "0"}), HasSubstr("leave pin out"));
    EXPECT_THAT(refused({"--dispatcher"}), HasSubstr("leave dispatcher out"));
    EXPECT_THAT(refused({"--gdb", "tcp:127.0.0.1:0"}), HasSubstr("exclude each other"));
}

TEST(RunCommandLine, a_tenant_that_contradicts_itself_is_a_usage_error) {
    EXPECT_THAT(usage_error({"run", "--ceiling", "17", "a"}), HasSubstr("less urgent"));
    EXPECT_THAT(usage_error({"run", "--budget-burst", "500", "a"}), HasSubstr("budget rate"));
    EXPECT_THAT(usage_error({"run", "--base-level", "64", "a"}), HasSubstr("from 0 to 63"));
}

TEST(RunCommandLine, mistakes_are_usage_errors_that_say_what_is_wrong) {
    EXPECT_THAT(usage_error({}), HasSubstr("no command"));
    EXPECT_THAT(usage_error({"rum"}), HasSubstr("did you mean 'run'"));
    EXPECT_THAT(usage_error({"run"}), HasSubstr("no application"));
    EXPECT_THAT(usage_error({"run", ""}), HasSubstr("no application"));
    EXPECT_THAT(usage_error({"run", "--cups", "2", "app"}), HasSubstr("did you mean '--cpus'"));
    EXPECT_THAT(usage_error({"run", "-q", "app"}), HasSubstr("unknown option '-q'"));
    EXPECT_THAT(usage_error({"run", "--cpus"}), HasSubstr("--cpus needs a value"));
    EXPECT_THAT(usage_error({"run", "--cpus", "0", "app"}), HasSubstr("--cpus: '0'"));
    EXPECT_THAT(
        usage_error({"run", "--cpus", "1", "--cpus", "2", "a"}), HasSubstr("more than once")
    );
    EXPECT_THAT(usage_error({"run", "--memory", "lots", "a"}), HasSubstr("--memory: 'lots'"));
    EXPECT_THAT(
        usage_error({"run", "--engine", "kvm", "a"}), HasSubstr("accepted: auto or interp")
    );
    EXPECT_THAT(usage_error({"run", "--policy", "nice", "a"}), HasSubstr("priority, fair or rr"));
    EXPECT_THAT(usage_error({"run", "--log-level", "loud", "a"}), HasSubstr("--log-level"));
    EXPECT_THAT(usage_error({"run", "--no-reboot=maybe", "a"}), HasSubstr("no-reboot"));
}

TEST(UpCommandLine, options_override_wherever_they_stand) {
    for (const Words& words :
         {Words{
              "up",
              "--policy",
              "fair",
              "--workers",
              "2",
              "--poll",
              "0",
              "--pin",
              "1-2",
              "--no-boards",
              "f.toml"
          },
          Words{
              "up",
              "f.toml",
              "--policy",
              "fair",
              "--workers",
              "2",
              "--poll",
              "0",
              "--pin=1-2",
              "--no-boards"
          }}) {
        const auto command = std::get<UpCommand>(parse(words));
        EXPECT_EQ(command.file, "f.toml");
        EXPECT_THAT(command.policies, ElementsAre("fair"));
        EXPECT_FALSE(is_experiment(command));
        EXPECT_EQ(command.workers, 2U);
        EXPECT_EQ(command.poll_us, 0U);
        EXPECT_EQ(command.pin, std::vector<unsigned>({1, 2}));
        EXPECT_TRUE(command.no_boards);
        EXPECT_EQ(command.log_level, std::nullopt);
    }
}

TEST(UpCommandLine, without_options_the_file_decides) {
    const auto command = std::get<UpCommand>(parse({"up", "f.toml"}));
    EXPECT_THAT(command.policies, IsEmpty());
    EXPECT_EQ(command.workers, std::nullopt);
    EXPECT_EQ(command.pin, std::nullopt);
    EXPECT_FALSE(command.no_boards);
}

TEST(UpCommandLine, several_policies_repeats_or_results_make_an_experiment) {
    const auto command = std::get<UpCommand>(
        parse({"up", "--policy", "rr,fair", "--repeat", "3", "--csv", "out", "f.toml"})
    );
    EXPECT_THAT(command.policies, ElementsAre("rr", "fair"));
    EXPECT_EQ(command.repeat, 3U);
    EXPECT_EQ(command.csv, "out");
    for (const Words& words :
         {Words{"up", "f.toml", "--policy", "rr,fair"},
          Words{"up", "f.toml", "--repeat", "1"},
          Words{"up", "f.toml", "--csv", "d"}}) {
        EXPECT_TRUE(is_experiment(std::get<UpCommand>(parse(words))));
    }
}

TEST(UpCommandLine, mistakes_about_experiments_are_usage_errors) {
    const auto error = [](const Words& options) {
        Words words{"up", "f.toml"};
        words.insert(words.end(), options.begin(), options.end());
        return usage_error(words);
    };
    EXPECT_THAT(error({"--policy", "fair,lottery"}), HasSubstr("'lottery' is not known"));
    EXPECT_THAT(error({"--policy", "fair,fair"}), HasSubstr("'fair' is given twice"));
    EXPECT_THAT(error({"--policy", "fair,"}), HasSubstr("--policy: ''"));
    EXPECT_THAT(error({"--repeat", "0"}), HasSubstr("give a number from 1 to 10000"));
    EXPECT_THAT(error({"--csv", ""}), HasSubstr("--csv: an empty path"));
    EXPECT_THAT(error({"--repeat", "2", "--json", "r"}), HasSubstr("--json is for one run"));
    EXPECT_THAT(error({"--csv", "d", "--control", "s"}), HasSubstr("--control is for one run"));
    EXPECT_THAT(error({"--repeat", "2", "--record-decisions", "r"}), HasSubstr("for one run"));
    EXPECT_THAT(usage_error({"run", "--policy", "fair,rr", "a"}), HasSubstr("'fair,rr'"));
    EXPECT_THAT(usage_error({"run", "--repeat", "2", "a"}), HasSubstr("unknown option"));
}

TEST(UpCommandLine, mistakes_are_usage_errors) {
    EXPECT_THAT(usage_error({"up"}), HasSubstr("no fleet file"));
    EXPECT_THAT(usage_error({"up", "a.toml", "b.toml"}), HasSubstr("one file too many"));
    EXPECT_THAT(usage_error({"up", "--wokers", "1", "a.toml"}), HasSubstr("'--workers'"));
    EXPECT_THAT(usage_error({"up", "--workers", "0", "a.toml"}), HasSubstr("--workers"));
    EXPECT_THAT(usage_error({"up", "--pin", "0,,1", "a.toml"}), HasSubstr("--pin: '0,,1'"));
}

TEST(ControlCommandLine, verbs_take_a_socket_and_what_they_are_for) {
    const auto control = [](const Words& words) { return std::get<ControlCommand>(parse(words)); };
    const ControlCommand ps = control({"ps", "--control", "/run/a.sock", "--json"});
    EXPECT_EQ(ps.control, "/run/a.sock");
    EXPECT_EQ(ps.request.verb, Verb::ps);
    EXPECT_TRUE(ps.json);
    const ControlCommand stop = control({"stop", "--timeout", "1.5", "--control", "s", "a", "b"});
    EXPECT_EQ(stop.request.verb, Verb::stop);
    EXPECT_EQ(stop.request.timeout, std::chrono::milliseconds(1500));
    EXPECT_EQ(stop.request.guests, (Words{"a", "b"}));
    EXPECT_EQ(control({"stop", "--control", "s"}).request.timeout, kPowerOffTime);
    for (const auto& [name, verb] :
         {std::pair{"pause", Verb::pause}, {"resume", Verb::resume}, {"stats", Verb::stats}}) {
        EXPECT_EQ(control({name, "--control", "s"}).request.verb, verb);
    }
}

TEST(ControlCommandLine, tenant_takes_guests_and_what_shall_change) {
    const auto tenant =
        std::get<ControlCommand>(parse({"tenant", "set", "--control", "s", "a", "weight=7", "b"}));
    EXPECT_EQ(tenant.request.verb, Verb::tenant);
    EXPECT_EQ(tenant.request.guests, (Words{"a", "b"}));
    ASSERT_EQ(tenant.request.changes.size(), 1u);
    EXPECT_EQ(tenant.request.changes[0].key, "weight");
    EXPECT_EQ(tenant.request.changes[0].value, "7");
    const auto error = [](Words words) {
        words.insert(words.begin(), {"tenant", "--control", "s"});
        return usage_error(words);
    };
    EXPECT_THAT(error({}), HasSubstr("cops tenant set GUEST... KEY=VALUE..."));
    EXPECT_THAT(error({"get", "a"}), HasSubstr("cops tenant set GUEST... KEY=VALUE..."));
    EXPECT_THAT(error({"set", "a"}), HasSubstr("what shall change"));
    EXPECT_THAT(error({"set", "weight=7"}), HasSubstr("name a guest"));
    EXPECT_THAT(error({"set", "a", "wieght=7"}), HasSubstr("did you mean 'weight'?"));
    EXPECT_THAT(error({"set", "a", "weight="}), HasSubstr("weight: "));
    EXPECT_THAT(error({"set", "a", "weight=none"}), HasSubstr("weight: "));
}

TEST(ControlCommandLine, mistakes_are_told) {
    EXPECT_THAT(usage_error({"ps"}), HasSubstr("give --control PATH"));
    EXPECT_THAT(usage_error({"ps", "--control", "s", "a"}), HasSubstr("'a' is too much"));
    EXPECT_THAT(usage_error({"ps", "--contrl", "s"}), HasSubstr("'--control'"));
    EXPECT_THAT(usage_error({"stats", "--control", "s", "--json"}), HasSubstr("unknown option"));
    EXPECT_THAT(usage_error({"pause", "--control", ""}), HasSubstr("--control: an empty path"));
    EXPECT_THAT(
        usage_error({"pause", "--control", std::string(200, 'x')}), HasSubstr("at most 107 bytes")
    );
    for (const char* bad : {"-1", "nan", "1e9", "5s", ""}) {
        EXPECT_THAT(
            usage_error({"stop", "--control", "s", "--timeout", bad}),
            HasSubstr("give seconds from 0 to 3600")
        ) << bad;
    }
}

TEST(ControlCommandLine, runs_are_given_a_socket_and_an_address) {
    const auto run =
        std::get<RunCommand>(parse({"run", "--control", "s", "--metrics", "[::1]:0", "hello"}));
    EXPECT_EQ(run.fleet.control, "s");
    EXPECT_EQ(run.fleet.metrics->text(), "[::1]:0");
    const auto up = std::get<UpCommand>(parse({"up", "--metrics", "unix:m", "a.toml"}));
    EXPECT_EQ(up.metrics->path, "m");
    for (const char* bad :
         {"9090", ":9090", "localhost:9090", "::1:80", "1.2.3.4:65536", "1.2.3.4:"}) {
        EXPECT_THAT(usage_error({"run", "--metrics", bad, "hello"}), HasSubstr("give ADDR:PORT"))
            << bad;
    }
}

TEST(Help, every_form_prints_and_names_what_it_is_about) {
    const auto text = [](const Words& words) { return std::get<PrintCommand>(parse(words)).text; };
    EXPECT_THAT(text({"--version"}), HasSubstr("cops "));
    for (const Words& words : {Words{"--help"}, Words{"help"}, Words{"-h"}}) {
        EXPECT_THAT(text(words), HasSubstr("exit codes:"));
    }
    for (const Words& words :
         {Words{"help", "run"}, Words{"run", "--help"}, Words{"run", "-h"}, Words{"run", "-h", "a"}
         }) {
        for (const GuestOption& option : guest_options()) {
            if (option.place != Place::fleet_file) {
                EXPECT_THAT(text(words), HasSubstr("--" + std::string(option.name)));
            }
        }
    }
    for (const Words& words : {Words{"help", "up"}, Words{"up", "--help"}}) {
        for (const std::string_view name : option_names(guest_options(), Place::fleet_file)) {
            EXPECT_THAT(text(words), HasSubstr(std::string(name)));
        }
    }
    for (const std::string_view verb : verb_names()) {
        const std::string name(verb);
        EXPECT_EQ(text({"help", name}), text({name, "--help"}));
        const std::string words = name == "tenant" ? "tenant set" : name;
        EXPECT_THAT(text({"help", name}), HasSubstr("usage: cops " + words + " --control PATH"));
    }
    EXPECT_THAT(usage_error({"help", "rnu"}), HasSubstr("did you mean 'run'"));
}

}  // namespace
}  // namespace tools
