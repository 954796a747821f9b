// SPDX-License-Identifier: Apache-2.0
// Who keeps the hart, and what happens meanwhile.
#include "host_runtime.hpp"

#include <gtest/gtest.h>

namespace {

using cops::detail::HartGuard;

class HartGuardTest : public ::testing::Test {
protected:
    /// Runs `body` as a coroutine of level 20.
    void run(std::function<void()> body) {
        cops::spawn(
            [](std::function<void()> work) -> cops::Task<> {
                work();
                co_return;
            }(std::move(body)),
            20
        );
        runtime_.run();
    }

    cops::TaskId sleeper(unsigned level) {
        const cops::TaskId id =
            cops::spawn([]() -> cops::Task<> { co_await cops::suspend(); }(), level);
        runtime_.run();
        return id;
    }

    HostRuntime runtime_;
};

TEST_F(HartGuardTest, what_became_more_urgent_has_its_chance_when_the_last_one_ends) {
    const cops::TaskId urgent = sleeper(19);
    run([&] {
        {
            const cops::NoPreemption outer;
            cops::wake(urgent);
            EXPECT_EQ(HostRuntime::overtaken(), 0u) << "wake() has one too, which was not the last";
        }
        EXPECT_EQ(HostRuntime::overtaken(), 1u);
        EXPECT_EQ(cops::detail::context()->kept, 0u);
    });
}

TEST_F(HartGuardTest, what_is_as_urgent_has_none) {
    const cops::TaskId equal = sleeper(20);
    const cops::TaskId patient = sleeper(63);
    run([&] {
        cops::wake(equal);
        cops::wake(patient);
    });
    EXPECT_EQ(HostRuntime::overtaken(), 0u);
}

TEST_F(HartGuardTest, most_urgent_and_least_urgent_level) {
    const cops::TaskId first = sleeper(0);
    run([&] { cops::wake(first); });
    EXPECT_EQ(HostRuntime::overtaken(), 1u);
    const cops::TaskId again = sleeper(0);
    const auto wakes = [](cops::TaskId id) -> cops::Task<> {
        cops::wake(id);
        co_return;
    };
    cops::spawn(wakes(again), 0);
    runtime_.run();
    EXPECT_EQ(HostRuntime::overtaken(), 1u);
    const cops::TaskId above = sleeper(62);
    cops::spawn(wakes(above), 63);
    runtime_.run();
    EXPECT_EQ(HostRuntime::overtaken(), 2u);
}

TEST_F(HartGuardTest, hart_that_sleeps_and_could_help_is_told) {
    const cops::TaskId equal = sleeper(20);
    run([&] {
        runtime_.side().context().kicks = 2;
        cops::wake(equal);
        EXPECT_EQ(HostRuntime::overtaken(), 1u);
        EXPECT_EQ(cops_executor_take_kicks(&runtime_.side().context()), 2u);
        cops::wake(equal);
        EXPECT_EQ(HostRuntime::overtaken(), 1u);
    });
    runtime_.run();
}

TEST_F(HartGuardTest, outside_of_coroutines_there_is_nobody_to_overtake) {
    const cops::TaskId urgent = sleeper(3);
    cops::wake(urgent);
    EXPECT_EQ(HostRuntime::overtaken(), 0u);
    runtime_.run();
}

TEST_F(HartGuardTest, is_no_mask_completions_come_and_preempt_at_the_end) {
    cops::spawn(
        []() -> cops::Task<> { (void)co_await cops::sleep_for(std::chrono::seconds(1), {}); }(), 2
    );
    Side& side = runtime_.side();
    EXPECT_EQ(side.run(), COPS_RUN_SUBMIT);
    const cops_submission request = side.take_batch().at(0);
    run([&] {
        {
            const HartGuard guard;
            EXPECT_EQ(side.line().flags & VIRTIO_COPS_LINE_F_MASKED, 0u);
            EXPECT_TRUE(side.complete(request, 0)) << "the host interrupts";
            cops_executor_interrupt(&side.context());
            EXPECT_EQ(side.context().counters.masked_interrupts, 0u);
            EXPECT_EQ(side.line().wake_pending, 0u) << "and finds its completion taken";
            EXPECT_EQ(cops_executor_should_preempt(&side.context(), 1), 0);
        }
        EXPECT_EQ(HostRuntime::overtaken(), 1u);
        EXPECT_EQ(cops_executor_should_preempt(&side.context(), 0), 1);
    });
    runtime_.advance(std::uint64_t{1} << 40);  // The clock had not moved: it slept again.
    EXPECT_EQ(runtime_.alive(), 0u);
}

}  // namespace
