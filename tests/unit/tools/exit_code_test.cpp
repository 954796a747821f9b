// SPDX-License-Identifier: Apache-2.0
#include "run/exit_code.hpp"

#include <gtest/gtest.h>

namespace tools {
namespace {

using vmm::Ending;

int code(Ending ending, std::uint32_t status = 0) {
    return exit_code(vmm::GuestOutcome{.name = "g", .ending = ending, .status = status});
}

TEST(ExitCode, application_status_is_told_apart_from_our_own_codes) {
    EXPECT_EQ(code(Ending::powered_off, 0), 0);
    EXPECT_EQ(code(Ending::powered_off, 1), 65);
    EXPECT_EQ(code(Ending::powered_off, 62), 126);
    EXPECT_EQ(code(Ending::powered_off, 63), 127);
    EXPECT_EQ(code(Ending::powered_off, 255), 127);
    EXPECT_EQ(code(Ending::powered_off, 65535), 127);
}

TEST(ExitCode, each_ending_has_its_own) {
    EXPECT_EQ(code(Ending::reset), 32);
    EXPECT_EQ(code(Ending::crashed), 33);
    EXPECT_EQ(code(Ending::panicked), 34);
    EXPECT_EQ(code(Ending::failed), 1);
    EXPECT_EQ(code(Ending::stopped), 0);
}

TEST(ExitCode, errors_of_the_library_have_the_values_of_their_kinds) {
    EXPECT_EQ(exit_code(vmm::ErrorKind::internal), 1);
    EXPECT_EQ(exit_code(vmm::ErrorKind::usage), 2);
    EXPECT_EQ(exit_code(vmm::ErrorKind::configuration), 3);
    EXPECT_EQ(exit_code(vmm::ErrorKind::unavailable), 4);
}

TEST(ExitCode, of_a_fleet_is_that_of_the_first_failing_guest_in_the_files_order) {
    vmm::FleetReport report;
    report.guests.resize(3);
    for (auto& guest : report.guests) {
        guest.outcome.ending = Ending::powered_off;
    }
    EXPECT_EQ(exit_code(report), 0);
    report.guests[1].outcome.ending = Ending::panicked;
    report.guests[1].ended_ns = 200;
    report.guests[2].outcome.status = 5;
    report.guests[2].ended_ns = 100;
    EXPECT_EQ(exit_code(report), 34);
}

}  // namespace
}  // namespace tools
