// SPDX-License-Identifier: Apache-2.0
#include "options/command_line.hpp"
#include "options/fleet_file.hpp"
#include "process.hpp"
#include "support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace tools {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

FleetOptions parse(std::string_view text) {
    return parse_fleet(text, "/fleets/test.toml", test::kCatalogue);
}

std::string error(std::string_view text) {
    return test::failure_of(vmm::ErrorKind::configuration, [text] { (void)parse(text); });
}

TEST(FleetFile, the_example_parses) {
    const FleetOptions fleet = parse(example_fleet());
    ASSERT_EQ(fleet.guests.size(), 2U);
    EXPECT_EQ(fleet.guests[0].config.name, "greeter");
    EXPECT_EQ(fleet.guests[1].app, "sha256sum");
}

TEST(FleetFile, the_example_with_its_comments_made_keys_parses) {
    // Uncomments `# key = value` lines of guests; what the example promises must be real.
    std::string text;
    std::size_t keys = 0;
    std::istringstream lines{std::string(example_fleet())};
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("# grant") || line.starts_with("# env")) {
            line.erase(0, 2);
            ++keys;
        }
        text += line + "\n";
    }
    EXPECT_EQ(keys, 2U);
    EXPECT_EQ(parse(text).guests[1].config.grants.size(), 2U);
}

TEST(FleetFile, every_key_reaches_its_field) {
    const FleetOptions fleet = parse(R"(
policy = "fair"
workers = 2
poll = 0
pin = "4,0-1"
log-level = "info"
[[guest]]
name = "a"
app = "digest"
args = ["x", "y z"]
cpus = 4
memory = "64M"
engine = "interp"
isa = "n=off"
initrd = ["i"]
cmdline = "quiet"
env = ["A=1"]
grant = ["d=dir:data:rw"]
base-level = 10
ceiling = 3
weight = 250
nice = -3
budget-rate = 300
budget-burst = 5000
share = 1500
timebase = 10000000
cops-device-id = 42
dump-dtb = "a.dtb"
no-boards = true
background = true
samples = true
no-reboot = true
hide-others = true
[[guest]]
kernel = "Image"
memory = 256
no-boards = false
)");
    EXPECT_EQ(fleet.policy, "fair");
    EXPECT_EQ(fleet.workers, 2U);
    EXPECT_EQ(fleet.poll_us, 0U);
    EXPECT_THAT(fleet.pin, ElementsAre(4, 0, 1));
    EXPECT_EQ(fleet.log_level, "info");
    ASSERT_EQ(fleet.guests.size(), 2U);
    const GuestOptions& a = fleet.guests[0];
    EXPECT_EQ(a.config.name, "a");
    EXPECT_EQ(a.app, "digest");
    EXPECT_THAT(a.arguments, ElementsAre("x", "y z"));
    EXPECT_EQ(a.config.cpus, 4U);
    EXPECT_EQ(a.config.memory_bytes, std::uint64_t{64} << 20);
    EXPECT_FALSE(a.config.user_interrupts);
    EXPECT_THAT(a.config.initrds, ElementsAre("/fleets/i"));
    EXPECT_THAT(a.environment, ElementsAre("A=1"));
    EXPECT_EQ(a.config.grants.at(0).path, "/fleets/data");
    EXPECT_EQ(a.config.tenant.base_level, 10);
    EXPECT_EQ(a.config.tenant.ceiling, 3);
    EXPECT_EQ(a.config.tenant.weight, 250U);
    EXPECT_EQ(a.config.tenant.nice, -3);
    EXPECT_EQ(a.config.tenant.budget_rate, 300U);
    EXPECT_EQ(a.config.tenant.budget_burst_ns, 5'000'000U);
    EXPECT_EQ(a.config.tenant.share, 1500U);
    EXPECT_EQ(a.config.timebase_hz, 10'000'000U);
    EXPECT_EQ(a.config.cops_device_id, 42U);
    EXPECT_EQ(a.config.dump_dtb, "/fleets/a.dtb");
    EXPECT_FALSE(a.config.boards);
    EXPECT_FALSE(a.config.reboot);
    EXPECT_TRUE(a.config.background);
    EXPECT_TRUE(a.samples);
    EXPECT_TRUE(a.config.tenant.hides_others);
    const GuestOptions& b = fleet.guests[1];
    EXPECT_EQ(b.config.name, "guest2");
    EXPECT_EQ(b.config.kernel, "/fleets/Image");
    EXPECT_EQ(b.config.tenant.nice, std::nullopt);
    EXPECT_FALSE(b.config.tenant.hides_others);
    EXPECT_EQ(b.config.memory_bytes, std::uint64_t{256} << 20);
    EXPECT_TRUE(b.config.boards);
    EXPECT_FALSE(b.config.background);
    EXPECT_FALSE(b.samples);
}

TEST(FleetFile, an_application_with_a_slash_is_a_path_from_the_file) {
    EXPECT_EQ(parse("[[guest]]\napp = \"./a.elf\"\n").guests[0].app, "/fleets/./a.elf");
    EXPECT_EQ(parse("[[guest]]\napp = \"hello\"\n").guests[0].app, "hello");
}

TEST(FleetFile, a_file_in_the_working_directory_has_paths_from_there) {
    const auto fleet = parse_fleet("[[guest]]\nkernel = \"Image\"\n", "f.toml", test::kCatalogue);
    EXPECT_EQ(fleet.guests[0].config.kernel, "./Image");
}

TEST(FleetFile, errors_name_file_line_key_and_what_is_accepted) {
    EXPECT_THAT(
        error("workers = 1\npolcy = \"fair\"\n[[guest]]\napp = \"hello\"\n"),
        AllOf(
            StartsWith("/fleets/test.toml:2: unknown key 'polcy'"),
            HasSubstr("did you mean 'policy'"),
            HasSubstr("accepted: policy, quantum, workers, poll, dispatcher, pin, deterministic, "
                      "seed, control, metrics, log-level or guest")
        )
    );
    EXPECT_THAT(
        error("[[guest]]\napp = \"hello\"\nmemroy = \"1G\"\n"),
        AllOf(StartsWith("/fleets/test.toml:3: "), HasSubstr("'memory'"), HasSubstr("weight"))
    );
    EXPECT_THAT(
        error("policy = \"fare\"\n[[guest]]\napp = \"hello\"\n"),
        AllOf(StartsWith("/fleets/test.toml:1: policy: "), HasSubstr("priority, fair or rr"))
    );
    EXPECT_THAT(
        error("[[guest]]\napp = \"hello\"\n\ncpus = 0\n"),
        AllOf(StartsWith("/fleets/test.toml:4: cpus: "), HasSubstr("from 1 to 64"))
    );
    EXPECT_THAT(
        error("[[guest]]\napp = \"hello\"\nnice = -21\n"),
        AllOf(StartsWith("/fleets/test.toml:3: nice: "), HasSubstr("from -20 to 19"))
    );
    EXPECT_THAT(
        error("pin = \"3-1\"\n[[guest]]\napp = \"hello\"\n"),
        AllOf(StartsWith("/fleets/test.toml:1: pin: "), HasSubstr("such as 0-3,8"))
    );
    EXPECT_THAT(
        error("[[guest]]\napp = \"hello\"\ngrant = [\"a=file:b\",\n \"c=hdd:d\"]\n"),
        AllOf(StartsWith("/fleets/test.toml:4: grant: "), HasSubstr("NAME=file:PATH"))
    );
}

TEST(FleetFile, wrong_types_are_told) {
    const auto line = [](const char* key) { return std::string("[[guest]]\napp=\"a\"\n") + key; };
    EXPECT_THAT(error(line("cpus = \"two\"")), HasSubstr(":3: cpus: give a whole number"));
    EXPECT_THAT(error(line("cpus = -1")), HasSubstr(":3: cpus: "));
    EXPECT_THAT(error(line("cpus = 1.5")), HasSubstr(":3: cpus: give a whole number"));
    EXPECT_THAT(error(line("memory = true")), HasSubstr(":3: memory: give a size"));
    EXPECT_THAT(error(line("grant = \"a=file:b\"")), HasSubstr(":3: grant: give an array"));
    EXPECT_THAT(error(line("grant = [1]")), HasSubstr(":3: grant: give an array"));
    EXPECT_THAT(error(line("no-boards = 1")), HasSubstr(":3: no-boards: give true or false"));
    EXPECT_THAT(error(line("cmdline = 1")), HasSubstr(":3: cmdline: give a string"));
    EXPECT_THAT(error("guest = 1"), HasSubstr(":1: 'guest'"));
    EXPECT_THAT(error("[guest]\napp=\"a\""), HasSubstr("[[guest]]"));
    EXPECT_THAT(error("guest = []"), HasSubstr("[[guest]]"));
}

TEST(FleetFile, options_of_the_command_line_alone_are_no_keys) {
    EXPECT_THAT(error("json = \"x\"\n[[guest]]\napp=\"a\""), HasSubstr(":1: unknown key 'json'"));
}

TEST(FleetFile, syntax_errors_name_the_line) {
    EXPECT_THAT(error("workers = 1\n[[guest]\n"), StartsWith("/fleets/test.toml:2: "));
    EXPECT_THAT(error("workers = 1\nworkers = 2\n"), StartsWith("/fleets/test.toml:2: "));
}

TEST(FleetFile, guests_need_names_of_their_own) {
    EXPECT_THAT(
        error("[[guest]]\nname=\"a\"\napp=\"x\"\n[[guest]]\nname=\"a\"\napp=\"x\"\n"),
        AllOf(StartsWith("/fleets/test.toml:4: "), HasSubstr("two guests are called 'a'"))
    );
    EXPECT_THAT(
        error("[[guest]]\nname=\"guest2\"\napp=\"x\"\n[[guest]]\napp=\"x\"\n"),
        HasSubstr("two guests are called 'guest2'")
    );
    EXPECT_THAT(error("[[guest]]\nname=\"a b\"\napp=\"x\"\n"), HasSubstr(":2: name: "));
}

TEST(FleetFile, a_guest_is_an_application_or_a_kernel) {
    EXPECT_THAT(error("[[guest]]\nname=\"a\"\n"), HasSubstr("neither 'app' nor 'kernel'"));
    EXPECT_THAT(error("[[guest]]\napp=\"a\"\nkernel=\"k\"\n"), HasSubstr("both"));
    EXPECT_THAT(error("[[guest]]\nkernel=\"k\"\nargs=[\"a\"]\n"), HasSubstr("'args'"));
}

TEST(FleetFile, a_tenant_that_contradicts_itself_is_refused) {
    const auto guest = [](const char* keys) {
        return error(std::string("[[guest]]\nname=\"a\"\napp=\"x\"\n") + keys);
    };
    EXPECT_THAT(
        guest("ceiling = 20\n"),
        AllOf(StartsWith("/fleets/test.toml:1: guest 'a': "), HasSubstr("from 0 to the base level"))
    );
    EXPECT_THAT(guest("base-level = 30\nceiling = 31\n"), HasSubstr("less urgent"));
    EXPECT_THAT(guest("budget-burst = 1000\n"), HasSubstr("without a budget rate"));
    EXPECT_THAT(guest("share = 1001\n"), HasSubstr("more than the guest's virtual CPUs can use"));
    EXPECT_THAT(guest("share = 0\n"), HasSubstr(":4: share: '0' is not accepted"));
    EXPECT_THAT(guest("budget-rate = 0\n"), HasSubstr(":4: budget-rate: '0' is not accepted"));
    EXPECT_THAT(guest("budget-burst = 99\n"), HasSubstr("from 100 to 60000000"));
    EXPECT_THAT(guest("budget-rate = \"1\"\n"), HasSubstr("give a whole number"));
}

TEST(FleetFile, an_empty_one_is_refused) {
    EXPECT_THAT(error(""), HasSubstr("no [[guest]]"));
}

TEST(FleetFile, one_that_cannot_be_read_is_told) {
    const test_support::TemporaryDirectory directory;
    const auto read = [](const std::filesystem::path& path) {
        return test::failure_of(vmm::ErrorKind::configuration, [&path] {
            (void)read_fleet_file(path, test::kCatalogue);
        });
    };
    EXPECT_THAT(read(directory / "missing.toml"), HasSubstr("No such file"));
    EXPECT_THAT(read(directory.path()), HasSubstr("directory"));
}

}  // namespace
}  // namespace tools
