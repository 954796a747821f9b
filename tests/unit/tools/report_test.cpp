// SPDX-License-Identifier: Apache-2.0
#include "report/engine.hpp"
#include "report/json.hpp"
#include "report/live_table.hpp"
#include "report/table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

namespace tools {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

vmm::FleetReport sample() {
    vmm::FleetReport report{.policy = "fair", .workers = 2, .wall_ns = 5'000'000'000, .guests = {}};
    vmm::GuestReport guest;
    guest.outcome = {.name = "a", .ending = vmm::Ending::powered_off, .status = 63, .message = ""};
    guest.engine = "interp";
    guest.vcpus.push_back({.run_ns = 7, .instructions = 42});
    guest.vcpus.back().engine = {
        .translated_blocks = 5,
        .translated_bytes = 2048,
        .chained_exits = 990,
        .dispatched_exits = 10,
        .tlb_misses = 3,
    };
    guest.levels[2] = {
        .cpu_ns = 1'500'000,
        .requests = 3,
        .bytes = 65536,
        .completions = 3,
        .wakes_ring = 1,
        .wakes_user_interrupt = 1,
        .wakes_kernel = 1,
        .latency_p50_ns = 12'345,
        .latency_p99_ns = 999,
        .last_completion_ns = 2'000'000'000,
    };
    guest.levels[vmm::kNoLevel].cpu_ns = 10;
    report.guests.push_back(guest);
    return report;
}

TEST(JsonReport, has_the_documented_fields) {
    const auto json =
        Json::parse(json_report(sample(), {.command = "run", .exit_code = 127, .signal = 0}));
    EXPECT_EQ(json["schema"], 1);
    EXPECT_EQ(json["command"], "run");
    EXPECT_EQ(json["policy"], "fair");
    EXPECT_EQ(json["exit_code"], 127);
    EXPECT_TRUE(json["signal"].is_null());
    const auto& guest = json["guests"][0];
    EXPECT_EQ(guest["ending"], "powered_off");
    EXPECT_EQ(guest["status"], 63);
    EXPECT_EQ(guest["exit_code"], 127);
    EXPECT_EQ(guest["engine"], "interp");
    EXPECT_EQ(guest["vcpus"][0]["instructions"], 42);
    EXPECT_EQ(guest["vcpus"][0]["engine"]["translated_blocks"], 5);
    EXPECT_EQ(guest["vcpus"][0]["engine"]["tlb_misses"], 3);
    EXPECT_TRUE(guest["vcpus"][0]["engine"]["interpreted"].is_null());
    EXPECT_TRUE(guest["vcpus"][0]["engine"]["tlb_hits"].is_null());
    ASSERT_EQ(guest["levels"].size(), 2U);
    EXPECT_EQ(guest["levels"][0]["level"], 2);
    EXPECT_EQ(guest["levels"][0]["wakes_user_interrupt"], 1);
    EXPECT_TRUE(guest["levels"][1]["level"].is_null());
}

TEST(JsonReport, survives_what_is_no_text) {
    auto report = sample();
    report.guests[0].outcome.message = "bad \xff\xfe";
    EXPECT_TRUE(Json::accept(json_report(report, {.command = "run", .exit_code = 0, .signal = 15}))
    );
}

TEST(EngineTable, adds_vcpus_up_and_says_what_nobody_counted) {
    auto report = sample();
    report.guests[0].vcpus.push_back(report.guests[0].vcpus[0]);
    report.guests[0].vcpus[1].engine.tlb_hits = 7;
    for (vmm::VcpuReport& vcpu : report.guests[0].vcpus) {
        vcpu.engine.interpreted = 6;
    }
    const std::string table = engine_table(report);
    EXPECT_THAT(table, HasSubstr("engine interp of guest a:"));
    EXPECT_THAT(table, HasSubstr("84 instructions in 14 ns, the first 12 interpreted\n"));
    EXPECT_THAT(table, HasSubstr("10 blocks, 4.00 KiB of guest code, in unknown time"));
    EXPECT_THAT(table, HasSubstr("chained 99.00 % (1980 chained, 20 through the engine)"));
    EXPECT_THAT(table, HasSubstr("hit rate unknown (not counted hits, 6 misses)"));
}

TEST(LevelTable, shows_active_levels_and_a_total) {
    const std::string table = level_table(sample());
    EXPECT_THAT(table, HasSubstr("policy fair, 2 workers, 5.00 s, engine interp\n"));
    EXPECT_THAT(table, HasSubstr("1.50 ms"));
    EXPECT_THAT(table, HasSubstr("64.0 KiB"));
    EXPECT_THAT(table, HasSubstr("none"));
    EXPECT_THAT(table, HasSubstr("all"));
    // Heading, two levels and a total behind an empty line and the facts.
    EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 6);
    EXPECT_THAT(table, Not(HasSubstr("\t")));
}

TEST(HumanUnits, have_three_digits) {
    EXPECT_EQ(human_time(0), "0");
    EXPECT_EQ(human_time(999), "999 ns");
    EXPECT_EQ(human_time(1'234), "1.23 us");
    EXPECT_EQ(human_time(12'345'678), "12.3 ms");
    EXPECT_EQ(human_time(123'456'789), "123 ms");
    EXPECT_EQ(human_time(9'999'000'000), "10.0 s");
    EXPECT_EQ(human_bytes(0), "0");
    EXPECT_EQ(human_bytes(1023), "1023 B");
    EXPECT_EQ(human_bytes(1024), "1.00 KiB");
    EXPECT_EQ(human_bytes(std::uint64_t{1} << 40), "1.00 TiB");
    EXPECT_EQ(human_bytes(std::uint64_t{1} << 50), "1024 TiB");
}

// ---- The live table ----------------------------------------------------------------------------

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
        lines.push_back(line);
    }
    return lines;
}

vmm::FleetReport at_half_a_second() {
    vmm::FleetReport report{
        .policy = "priority", .workers = 2, .wall_ns = 500'000'000, .guests = {}
    };
    report.worker_times = {{.busy_ns = 250'000'000}, {.busy_ns = 125'000'000}};
    vmm::GuestReport guest;
    guest.outcome.name = "web";
    guest.state = vmm::GuestState::running;
    guest.vcpus.push_back(
        {.state = vmm::VcpuState::running,
         .level = 3,
         .run_ns = 200'000'000,
         .wait_ns = 50'000'000,
         .steal_ns = 25'000'000,
         .switches = 100}
    );
    guest.vcpus.push_back({.state = vmm::VcpuState::idle, .level = 16});
    guest.levels[3].wakes_ring = 500;
    guest.levels[16].wakes_ring = 5;
    guest.levels[16].wakes_user_interrupt = 20'000;
    guest.budget_left_ns = -1'500'000;
    report.guests.push_back(guest);
    guest.outcome.name = "batch";
    guest.state = vmm::GuestState::ended;
    report.guests.push_back(guest);
    return report;
}

TEST(LiveTable, shows_what_has_happened_since_the_report_before) {
    const vmm::FleetReport before = at_half_a_second();
    vmm::FleetReport now = before;
    now.wall_ns += 500'000'000;
    now.worker_times[0].busy_ns += 500'000'000;
    now.guests[0].vcpus[0].run_ns += 250'000'000;
    now.guests[0].vcpus[0].wait_ns += 5'000'000;
    now.guests[0].vcpus[0].switches += 1000;
    now.guests[0].levels[3].wakes_ring += 40;
    now.guests[0].levels[16].wakes_user_interrupt += 10'000;
    const auto lines = lines_of(live_table(now, before, {.columns = 200, .rows = 24}));
    ASSERT_EQ(lines.size(), 5u);
    EXPECT_EQ(lines[0], "policy priority, 2 workers busy 100%, 1.00 s");
    EXPECT_THAT(lines[1], ::testing::ContainsRegex("guest +vcpu +state +level +run +wait +steal"));
    EXPECT_THAT(
        lines[2],
        ::testing::MatchesRegex("web +0 +running +3 +50% +1% +0% +2000 +80 +20k +0 +-1.50 ms")
    );
    EXPECT_THAT(lines[3], ::testing::MatchesRegex(" +1 +idle +- +0% +0% +0% +0 +"));
    EXPECT_THAT(lines[4], ::testing::MatchesRegex("batch +ended"));
}

TEST(LiveTable, shows_all_that_has_happened_at_first_and_after_a_reboot) {
    const vmm::FleetReport now = at_half_a_second();
    const auto lines = lines_of(live_table(now, {}, {.columns = 200, .rows = 24}));
    EXPECT_THAT(lines.at(2), ::testing::ContainsRegex("3 +40% +10% +5% +200 +1010 +40k +0"));
    vmm::FleetReport later = now;
    later.wall_ns *= 2;
    later.guests[0].vcpus[0].run_ns = 50'000'000;
    EXPECT_THAT(
        lines_of(live_table(later, now, {.columns = 200, .rows = 24})).at(2),
        ::testing::ContainsRegex("3 +10% +0%")
    );
}

TEST(LiveTable, leaves_room_on_the_terminal) {
    vmm::FleetReport now = at_half_a_second();
    now.guests[0].vcpus.resize(64);
    for (const TerminalSize size : {TerminalSize{20, 5}, {40, 10}, {80, 24}, {1, 1}, {500, 1000}}) {
        const auto lines = lines_of(live_table(now, {}, size));
        EXPECT_LT(lines.size(), std::max<std::size_t>(size.rows, 5));
        for (const std::string& line : lines) {
            EXPECT_LE(line.size(), size.columns);
        }
    }
    const auto lines = lines_of(live_table(now, {}, {.columns = 80, .rows = 10}));
    EXPECT_EQ(lines.size(), 9u);
    EXPECT_EQ(lines.back(), "... and 59 more (cops ps shows all)");
}

}  // namespace
}  // namespace tools
