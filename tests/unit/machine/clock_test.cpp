// SPDX-License-Identifier: Apache-2.0
#include "machine/clock.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace {

using vmm::Clock;

constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kSecond = 1'000'000'000;

TEST(Clock, guest_time_begins_at_zero_and_follows_virtual_time) {
    Clock clock(kSecond, Clock::Source::manual);
    EXPECT_EQ(clock.guest_time(), 0U);
    clock.advance(1234);
    EXPECT_EQ(clock.guest_time(), 1234U);
    EXPECT_EQ(clock.now(), 1234U);
}

TEST(Clock, clocks_of_a_deterministic_run_share_its_time) {
    vmm::VirtualTime time;
    Clock first(kSecond, Clock::Source::manual, &time);
    time.advance(500);
    const Clock second(10'000'000, Clock::Source::manual, &time);
    time.advance_to(2500);
    time.advance_to(100);  // has passed
    EXPECT_EQ(first.now(), 2500U);
    EXPECT_EQ(first.guest_time(), 2500U);
    EXPECT_EQ(first.guest_time_after(7), 2507U);
    EXPECT_EQ(second.guest_time(), 20U);
    first.pause();
    EXPECT_EQ(first.guest_time_after(7), 2500U);
}

TEST(Clock, time_is_scaled_to_the_timebase) {
    Clock clock(10'000'000, Clock::Source::manual);
    clock.advance(3 * kSecond + 99);
    EXPECT_EQ(clock.guest_time(), 30'000'000U);
    clock.advance(1);
    EXPECT_EQ(clock.guest_time(), 30'000'001U);
}

TEST(Clock, scaling_does_not_overflow_after_years) {
    Clock clock(4'000'000'000, Clock::Source::manual);
    constexpr std::uint64_t kYears = 100ULL * 365 * 86400 * kSecond;
    clock.advance(kYears);
    EXPECT_EQ(clock.guest_time(), kYears * 4);
}

TEST(Clock, deadline_is_reached_but_never_early) {
    for (const std::uint64_t hz :
         {std::uint64_t{1}, std::uint64_t{32768}, std::uint64_t{10'000'000}, kSecond, 3 * kSecond
         }) {
        Clock clock(hz, Clock::Source::manual);
        clock.advance(77);
        const std::uint64_t target = clock.guest_time() + 1000;
        const std::uint64_t deadline = clock.host_deadline(target);
        clock.advance(deadline - clock.now());
        EXPECT_GE(clock.guest_time(), target) << hz;
        EXPECT_LE(clock.guest_time(), target + 1 + hz / kSecond) << hz;
    }
}

TEST(Clock, past_deadlines_are_now_and_impossible_ones_never) {
    Clock clock(10'000'000, Clock::Source::manual);
    clock.advance(kSecond);
    EXPECT_EQ(clock.host_deadline(5), kSecond);
    EXPECT_EQ(clock.host_deadline(clock.guest_time()), kSecond);
    EXPECT_EQ(clock.host_deadline(kNever), kNever);
}

TEST(Clock, paused_time_stands_still_and_goes_on_where_it_stopped) {
    Clock clock(kSecond, Clock::Source::manual);
    clock.advance(100);
    clock.pause();
    clock.pause();
    clock.advance(1000);
    EXPECT_TRUE(clock.paused());
    EXPECT_EQ(clock.guest_time(), 100U);
    EXPECT_EQ(clock.host_deadline(200), kNever);
    clock.resume();
    clock.resume();
    EXPECT_EQ(clock.guest_time(), 100U);
    clock.advance(5);
    EXPECT_EQ(clock.guest_time(), 105U);
    EXPECT_EQ(clock.host_deadline(205), 1205U);
}

TEST(Clock, guest_time_can_be_set_even_beyond_host_time) {
    Clock clock(kSecond, Clock::Source::manual);
    clock.advance(10);
    clock.set_guest_time(1'000'000);
    EXPECT_EQ(clock.guest_time(), 1'000'000U);
    clock.advance(1);
    EXPECT_EQ(clock.guest_time(), 1'000'001U);
    EXPECT_EQ(clock.host_deadline(1'000'011), 21U);
}

TEST(Clock, host_time_never_goes_back) {
    const Clock clock(kSecond);
    std::uint64_t last = clock.guest_time();
    for (int i = 0; i < 1000; ++i) {
        const std::uint64_t now = clock.guest_time();
        ASSERT_GE(now, last);
        last = now;
    }
}

}  // namespace
