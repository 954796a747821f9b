// SPDX-License-Identifier: Apache-2.0
// Fleets in virtual time: what is the same in two runs, and what cannot be asked for.
#include <vmm/fleet.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace vmm {
namespace {

using ::testing::HasSubstr;

/// What a run shows of time: all of it has to be the same.
struct Trace {
    std::string console;  // of all guests, in the order in which it came
    Nanos wall_ns = 0;
    std::vector<std::uint64_t> numbers;
    friend bool operator==(const Trace&, const Trace&) = default;
};

GuestConfig clocks(const char* name, const std::string& engine) {
    GuestConfig config;
    config.name = name;
    config.engine = engine;
    config.cpus = 2;
    config.memory_bytes = std::uint64_t{16} << 20;
    config.kernel = std::string(COPS_GUEST_PROGRAM_DIR) + "/fleet_guest_clocks";
    return config;
}

FleetConfig two_guests(const std::string& policy, const std::string& engine) {
    return {
        .policy = policy,
        .seed = 1,
        .guests = {clocks("a", engine), clocks("b", engine)},
    };
}

Trace run(const FleetConfig& config) {
    Trace trace;
    auto fleet = Fleet::create(config, [&trace](std::size_t guest, std::span<const char> bytes) {
        trace.console += static_cast<char>('0' + guest);
        trace.console.append(bytes.data(), bytes.size());
    });
    EXPECT_TRUE(fleet) << (fleet ? "" : fleet.error().message);
    EXPECT_TRUE((*fleet)->start());
    (*fleet)->wait();
    const FleetReport report = (*fleet)->report();
    fleet->reset();  // and with it the workers: nobody prints any more
    trace.wall_ns = report.wall_ns;
    for (const GuestReport& guest : report.guests) {
        EXPECT_EQ(guest.outcome.ending, Ending::powered_off) << guest.outcome.message;
        trace.numbers.push_back(guest.ended_ns);
        for (const VcpuReport& vcpu : guest.vcpus) {
            trace.numbers.insert(
                trace.numbers.end(),
                {vcpu.run_ns, vcpu.wait_ns, vcpu.switches, vcpu.preemptions, vcpu.instructions}
            );
        }
    }
    trace.numbers.push_back(report.worker_times.at(0).busy_ns);
    trace.numbers.push_back(report.worker_times.at(0).sleeps);
    return trace;
}

class Deterministic : public ::testing::TestWithParam<std::string> {};

TEST_P(Deterministic, two_runs_are_the_same_on_every_engine) {
    const Trace first = run(two_guests(GetParam(), "interp"));
    EXPECT_GE(first.console.size(), 4 * 24U);
    EXPECT_EQ(run(two_guests(GetParam(), "interp")), first);
    for (const std::string_view engine : available_engines()) {
        const Trace other = run(two_guests(GetParam(), std::string(engine)));
        EXPECT_EQ(other.console, first.console) << engine;
        EXPECT_EQ(other, first) << engine;
    }
}

INSTANTIATE_TEST_SUITE_P(
    Policies,
    Deterministic,
    ::testing::Values("priority", "fair", "rr", "pvsched"),
    [](const auto& of) { return of.param; }
);

TEST(VirtualTime, is_what_instructions_and_idle_waits_add_up_to) {
    FleetConfig config{.seed = 1, .guests = {clocks("a", "interp")}};
    config.guests[0].kernel = std::string(COPS_GUEST_PROGRAM_DIR) + "/fleet_guest_status";
    auto fleet = Fleet::create(config, {});
    ASSERT_TRUE(fleet);
    ASSERT_TRUE((*fleet)->start());
    (*fleet)->wait();
    const FleetReport report = (*fleet)->report();
    EXPECT_EQ(report.guests.at(0).outcome.status, 7U);
    EXPECT_EQ(report.wall_ns, report.guests.at(0).vcpus.at(0).instructions);
    EXPECT_EQ(report.guests.at(0).vcpus.at(0).run_ns, report.wall_ns);
}

std::string error_of(const FleetConfig& config) {
    const auto fleet = Fleet::create(config, {});
    EXPECT_FALSE(fleet);
    EXPECT_EQ(fleet.error().kind, ErrorKind::configuration) << fleet.error().message;
    return fleet.error().message;
}

TEST(VirtualTime, what_the_hosts_time_decides_is_refused) {
    FleetConfig config = two_guests("priority", "interp");
    config.workers = 2;
    EXPECT_THAT(error_of(config), HasSubstr("one worker"));
    config = two_guests("linux-nice", "interp");
    EXPECT_THAT(error_of(config), HasSubstr("linux-nice leaves vCPUs to the host"));
    config = two_guests("priority", "interp");
    config.pin = {0};
    EXPECT_THAT(error_of(config), HasSubstr("leave pin out"));
    config = two_guests("priority", "interp");
    config.dispatcher = true;
    EXPECT_THAT(error_of(config), HasSubstr("a dispatcher is one more thread"));
    config = two_guests("priority", "interp");
    config.guests[1].gdb = "tcp:127.0.0.1:0";
    EXPECT_THAT(error_of(config), HasSubstr("b: a debugger"));
}

TEST(VirtualTime, a_run_that_nobody_ends_can_be_stopped) {
    FleetConfig config = two_guests("priority", "interp");
    config.guests[0].kernel = std::string(COPS_GUEST_PROGRAM_DIR) + "/fleet_guest_spin";
    config.guests[1].kernel = std::string(COPS_GUEST_PROGRAM_DIR) + "/fleet_guest_idle";
    auto fleet = Fleet::create(config, {});
    ASSERT_TRUE(fleet);
    ASSERT_TRUE((*fleet)->start());
    (*fleet)->stop();
    (*fleet)->wait();
    for (const GuestReport& guest : (*fleet)->report().guests) {
        EXPECT_EQ(guest.outcome.ending, Ending::stopped);
    }
}

}  // namespace
}  // namespace vmm
