// SPDX-License-Identifier: Apache-2.0
// Timers: exact, few requests, any number and order of them.
#include "host_runtime.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <deque>
#include <set>

using namespace std::chrono_literals;
using ::testing::ElementsAre;

namespace {

struct Alarm final : cops::detail::Timer {
    explicit Alarm(std::vector<unsigned>& fired, unsigned named)
        : log(fired)
        , name(named) {}
    ~Alarm() { cops::detail::timers().disarm(*this); }
    void expire() noexcept override { log.push_back(name); }
    std::vector<unsigned>& log;
    unsigned name;
};

class TimersTest : public ::testing::Test {
protected:
    static std::uint64_t now() { return cops::detail::monotonic_ns(); }

    HostRuntime runtime_;
    std::vector<unsigned> fired_;
};

TEST_F(TimersTest, later_timers_share_the_request_of_an_earlier_one) {
    std::deque<Alarm> alarms;
    for (unsigned i = 0; i < 100; ++i) {
        cops::detail::timers().arm(alarms.emplace_back(fired_, i), now() + 1000 + i, 20);
    }
    runtime_.run();
    EXPECT_EQ(runtime_.requests(), 1u);
    runtime_.advance(999);
    EXPECT_TRUE(fired_.empty());
    runtime_.advance(1);
    EXPECT_THAT(fired_, ElementsAre(0));
    runtime_.advance(99);
    EXPECT_EQ(fired_.size(), 100u);
    EXPECT_EQ(runtime_.alive(), 0u);
}

TEST_F(TimersTest, timer_that_was_disarmed_costs_no_new_request) {
    Alarm first(fired_, 1);
    Alarm second(fired_, 2);
    cops::detail::timers().arm(first, now() + 1000, 20);
    cops::detail::timers().arm(second, now() + 2000, 20);
    runtime_.run();
    cops::detail::timers().disarm(first);
    cops::detail::timers().disarm(second);
    cops::detail::timers().disarm(second);
    runtime_.advance(5000);
    EXPECT_EQ(runtime_.requests(), 1u);
    EXPECT_TRUE(fired_.empty());
}

TEST_F(TimersTest, more_urgent_timer_asks_by_itself) {
    Alarm patient(fired_, 1);
    Alarm urgent(fired_, 2);
    cops::detail::timers().arm(patient, now() + 1000, 40);
    cops::detail::timers().arm(urgent, now() + 2000, 5);
    runtime_.run();
    EXPECT_EQ(runtime_.requests(), 2u);
    runtime_.advance(2000);
    EXPECT_THAT(fired_, ElementsAre(1, 2));
}

TEST_F(TimersTest, ever_earlier_timers_never_run_out_of_sleepers) {
    std::deque<Alarm> alarms;
    constexpr unsigned kCount = 2000;
    for (unsigned i = 0; i < kCount; ++i) {
        const std::uint64_t rest = 1'000'000 - i * 400;
        ASSERT_TRUE(cops::detail::timers().arm(alarms.emplace_back(fired_, i), now() + rest, 20));
    }
    runtime_.run();
    EXPECT_LE(runtime_.sleeping(), 80u);
    runtime_.advance(1'000'000);
    ASSERT_EQ(fired_.size(), kCount);
    EXPECT_TRUE(std::ranges::is_sorted(fired_, std::greater()));
}

// Each fires at its time, to the nanosecond, unless it was disarmed before.
RC_GTEST_PROP(TimersModel, every_timer_fires_at_its_own_time, ()) {
    HostRuntime runtime;
    std::vector<unsigned> fired;
    std::deque<Alarm> alarms;
    std::set<std::pair<std::uint64_t, unsigned>> expected;  // When, who.
    const auto steps = *rc::gen::inRange(1, 150);
    for (int step = 0; step < steps; ++step) {
        const std::uint64_t now = cops::detail::monotonic_ns();
        const auto action = *rc::gen::inRange(0, 6);
        if (action <= 2 || alarms.empty()) {
            const auto magnitude = *rc::gen::inRange(0u, 40u);
            const std::uint64_t rest = 1 + *rc::gen::inRange<std::uint64_t>(0, 1ull << magnitude);
            const auto name = static_cast<unsigned>(alarms.size());
            Alarm& alarm = alarms.emplace_back(fired, name);
            RC_ASSERT(cops::detail::timers().arm(alarm, now + rest, *rc::gen::inRange(0u, 64u)));
            expected.emplace(now + rest, name);
            runtime.run();
        } else if (action == 3) {
            Alarm& alarm = alarms[*rc::gen::inRange<std::size_t>(0, alarms.size())];
            cops::detail::timers().disarm(alarm);
            expected.erase({alarm.deadline, alarm.name});
        } else {
            const auto magnitude = *rc::gen::inRange(0u, 40u);
            const std::uint64_t until =
                now + *rc::gen::inRange<std::uint64_t>(0, 1ull << magnitude);
            fired.clear();
            std::multiset<unsigned> due;
            while (!expected.empty() && expected.begin()->first <= until) {
                due.insert(expected.begin()->second);
                expected.erase(expected.begin());
            }
            runtime.advance(until - now);
            RC_ASSERT(std::multiset<unsigned>(fired.begin(), fired.end()) == due);
        }
        RC_ASSERT(runtime.sleeping() <= 80u);
    }
}

TEST(Limit, the_longest_duration_of_any_unit_is_long_and_less_than_a_nanosecond_is_none) {
    using cops::detail::nanoseconds_of;
    constexpr std::uint64_t kCentury = 3'000'000'000'000'000'000;
    EXPECT_GT(nanoseconds_of(std::chrono::hours::max()), kCentury);
    EXPECT_GT(nanoseconds_of(std::chrono::milliseconds::max()), kCentury);
    EXPECT_GT(nanoseconds_of(std::chrono::nanoseconds::max()), kCentury);
    EXPECT_EQ(nanoseconds_of(std::chrono::duration<double, std::nano>(0.5)), 0U);
    EXPECT_EQ(nanoseconds_of(std::chrono::seconds(-1)), 0U);
    EXPECT_EQ(nanoseconds_of(std::chrono::microseconds(2)), 2000U);
}

}  // namespace
