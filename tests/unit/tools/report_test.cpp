// SPDX-License-Identifier: Apache-2.0
#include "report/engine.hpp"
#include "report/json.hpp"
#include "report/table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

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

}  // namespace
}  // namespace tools
