// SPDX-License-Identifier: Apache-2.0
// when_all, when_any, task groups, cancellation, coroutine-local values.
#include "host_runtime.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

using namespace std::chrono_literals;
using ::testing::ElementsAre;

namespace {

using Log = std::vector<std::string>;

class GroupsTest : public ::testing::Test {
protected:
    HostRuntime runtime_;
    Log log_;
};

std::string name_of(int number) {
    return ::strerrorname_np(number);
}

struct Counted {
    explicit Counted(int& alive)
        : alive_(&alive) {
        ++*alive_;
    }
    Counted(const Counted& other)
        : alive_(other.alive_) {
        ++*alive_;
    }
    Counted& operator=(const Counted&) = delete;
    ~Counted() { --*alive_; }
    int* alive_;
};

cops::Task<int> doubled(int value, unsigned yields) {
    for (unsigned i = 0; i < yields; ++i) {
        co_await cops::yield();
    }
    co_return 2 * value;
}

cops::Task<> logs(Log& log, std::string text) {
    log.push_back(std::move(text));
    co_return;
}

cops::Task<cops::Result<std::string>> fails(int number) {
    co_await cops::yield();
    co_return std::unexpected(cops::Error(number));
}

// A frame larger than an address space.
[[gnu::noinline]] cops::Task<int> impossible() {
    std::array<char, (1ull << 50)> huge;
    __asm__ volatile("" : : "r"(huge.data()) : "memory");  // It must be kept over the suspension.
    co_await cops::yield();
    __asm__ volatile("" : : "r"(huge.data()) : "memory");
    co_return huge[0];
}

using WhenTest = GroupsTest;

cops::Task<> gathers(Log& log) {
    auto [a, none, b, error] =
        co_await cops::when_all(doubled(1, 3), logs(log, "ran"), doubled(2, 0), fails(ENOENT));
    log.push_back(std::to_string(a.value()) + std::to_string(b.value()));
    log.push_back(none ? "void" : "failed");
    log.push_back(name_of(error.error().number()));
}

TEST_F(WhenTest, all_results_come_in_their_places) {
    cops::spawn(gathers(log_), 20);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("ran", "24", "void", "ENOENT"));
    EXPECT_EQ(runtime_.alive(), 0u);
}

cops::Task<> gathers_impossible(Log& log) {
    auto [a, b] = co_await cops::when_all(impossible(), doubled(2, 1));
    log.push_back(name_of(a.error().number()) + std::to_string(b.value()));
    auto none = co_await cops::when_all();
    static_assert(std::tuple_size_v<decltype(none)> == 0);
}

TEST_F(WhenTest, task_without_a_frame_is_an_error_in_its_place) {
    cops::spawn(gathers_impossible(log_), 20);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("ENOMEM4"));
}

cops::Task<> gathers_unspawnable(Log& log) {
    HostRuntime::refuse_tasks(true);
    auto [a, b] = co_await cops::when_all(doubled(1, 0), doubled(2, 0));
    HostRuntime::refuse_tasks(false);
    log.push_back(name_of(a.error().number()) + name_of(b.error().number()));
}

TEST_F(WhenTest, full_task_table_is_an_error_in_every_place) {
    cops::spawn(gathers_unspawnable(log_), 20);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("ENOMEMENOMEM"));
}

cops::Task<> reports_level(unsigned& level) {
    level = cops::priority(cops::current()).value();
    co_return;
}

TEST_F(WhenTest, tasks_run_at_the_level_of_who_waits) {
    unsigned level = 0;
    cops::spawn(
        [](unsigned& out) -> cops::Task<> {
            (void)co_await cops::when_all(reports_level(out));
        }(level),
        33
    );
    runtime_.run();
    EXPECT_EQ(level, 33u);
}

// Ends at once when cancelled, but takes its time to clean up.
cops::Task<cops::Result<int>> races(
    Log& log, std::string name, std::chrono::nanoseconds duration, cops::CancelToken token, Counted
) {
    const cops::Result<void> slept = co_await cops::sleep_for(duration, token);
    if (!slept) {
        co_await cops::yield();
        co_await cops::yield();
        log.push_back(name + " " + name_of(slept.error().number()));
        co_return std::unexpected(slept.error());
    }
    log.push_back(name);
    co_return static_cast<int>(duration.count());
}

cops::Task<> takes_the_first(Log& log, int& alive) {
    cops::CancelSource source;
    {
        auto [first, results] = co_await cops::when_any(
            source,
            races(log, "slow", 50us, source.token(), Counted(alive)),
            races(log, "fast", 5us, source.token(), Counted(alive)),
            races(log, "never", 1h, source.token(), Counted(alive))
        );
        log.push_back("first " + std::to_string(first));
        log.push_back(std::to_string(std::get<1>(results).value()));
        log.push_back(name_of(std::get<2>(results).error().number()));
    }
    log.push_back("alive " + std::to_string(alive));
}

TEST_F(WhenTest, losers_are_cancelled_and_finished_before_any_returns) {
    int alive = 0;
    cops::spawn(takes_the_first(log_, alive), 20);
    runtime_.run();
    EXPECT_TRUE(log_.empty());
    runtime_.advance(5'000);
    EXPECT_THAT(
        log_,
        ElementsAre(
            "fast", "never ECANCELED", "slow ECANCELED", "first 1", "5000", "ECANCELED", "alive 0"
        )
    );
    EXPECT_EQ(runtime_.alive(), runtime_.sleeping()) << "only requests in flight are left";
}

cops::Task<> first_of_impossible(Log& log) {
    cops::CancelSource source;
    auto [first, results] = co_await cops::when_any(source, doubled(1, 0), impossible());
    log.push_back(std::to_string(first) + name_of(std::get<1>(results).error().number()));
}

TEST_F(WhenTest, any_counts_what_cannot_start_as_finished) {
    cops::spawn(first_of_impossible(log_), 20);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("1ENOMEM"));
}

TEST_F(WhenTest, tasks_of_one_that_is_never_awaited_are_freed) {
    int alive = 0;
    cops::CancelSource source;
    {
        auto never = cops::when_all(races(log_, "a", 1us, source.token(), Counted(alive)));
        EXPECT_GT(alive, 0);
    }
    EXPECT_EQ(alive, 0);
}

using TaskGroupTest = GroupsTest;

cops::Task<cops::Result<void>> member(Log& log, int number, cops::CancelToken token, Counted) {
    const cops::Result<void> slept =
        co_await cops::sleep_for(std::chrono::microseconds(number), token);
    log.push_back(std::to_string(number) + (slept ? "" : " " + name_of(slept.error().number())));
    co_return slept;
}

cops::Task<> joins(cops::TaskGroup& group, Log& log) {
    const cops::Result<void> result = co_await group.join();
    log.push_back(result ? "joined" : "joined " + name_of(result.error().number()));
}

TEST_F(TaskGroupTest, join_waits_for_all_members_and_frees_them_first) {
    int alive = 0;
    cops::TaskGroup group;
    for (int number : {3, 1, 2}) {
        EXPECT_TRUE(group.spawn(member(log_, number, group.token(), Counted(alive)), 20));
    }
    EXPECT_TRUE(group.spawn(logs(log_, "plain"), 19));
    EXPECT_EQ(group.size(), 4u);
    cops::spawn(joins(group, log_), 5);
    runtime_.run();
    runtime_.advance(2'000);
    EXPECT_THAT(log_, ElementsAre("plain", "1", "2"));
    EXPECT_EQ(alive, 1);
    runtime_.advance(1'000);
    EXPECT_THAT(log_, ElementsAre("plain", "1", "2", "3", "joined"));
    EXPECT_EQ(alive, 0);
    cops::spawn(joins(group, log_), 5);
    runtime_.run();
    EXPECT_EQ(log_.back(), "joined") << "at once when it is empty";
}

TEST_F(TaskGroupTest, first_error_cancels_the_others_and_is_the_result) {
    int alive = 0;
    cops::TaskGroup group;
    EXPECT_TRUE(group.spawn(member(log_, 100, group.token(), Counted(alive)), 20));
    EXPECT_TRUE(group.spawn(fails(EIO), 20));
    cops::spawn(joins(group, log_), 5);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("100 ECANCELED", "joined EIO"));
}

TEST_F(TaskGroupTest, parent_cancels_the_group) {
    int alive = 0;
    cops::CancelSource source;
    cops::TaskGroup group(source.token());
    EXPECT_TRUE(group.spawn(member(log_, 100, group.token(), Counted(alive)), 20));
    runtime_.run();
    source.cancel();
    cops::spawn(joins(group, log_), 50);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("100 ECANCELED", "joined ECANCELED"));
}

cops::Task<> joins_within(cops::TaskGroup& group, Log& log, cops::Limit limit) {
    const cops::Result<void> result = co_await group.join(limit);
    log.push_back(result ? "joined" : "gave up " + name_of(result.error().number()));
}

TEST_F(TaskGroupTest, limit_of_a_join_leaves_the_members_alone) {
    int alive = 0;
    cops::TaskGroup group;
    EXPECT_TRUE(group.spawn(member(log_, 100, group.token(), Counted(alive)), 20));
    cops::spawn(joins_within(group, log_, 5us), 5);
    runtime_.run();
    runtime_.advance(100'000);
    EXPECT_THAT(log_, ElementsAre("gave up ETIMEDOUT", "100"));
    EXPECT_EQ(group.size(), 0u);
}

TEST_F(TaskGroupTest, member_that_cannot_be_spawned_is_an_error_and_no_member) {
    cops::TaskGroup group;
    int alive = 0;
    EXPECT_EQ(group.spawn(impossible(), 20).error(), cops::Error(ENOMEM));
    EXPECT_EQ(group.spawn(logs(log_, "a"), 64).error(), cops::Error(EINVAL));
    HostRuntime::refuse_tasks(true);
    EXPECT_EQ(
        group.spawn(member(log_, 1, group.token(), Counted(alive)), 20).error(), cops::Error(ENOMEM)
    );
    HostRuntime::refuse_tasks(false);
    EXPECT_EQ(group.size(), 0u);
    EXPECT_EQ(alive, 0);
}

using TaskGroupDeathTest = GroupsTest;

TEST_F(TaskGroupDeathTest, group_with_members_must_not_be_destroyed) {
    const auto destroy_early = [&] {
        cops::TaskGroup group;
        (void)group.spawn(logs(log_, "a"), 20);
    };
    EXPECT_DEATH(destroy_early(), "destroyed before its members had ended");
}

using CancellationTest = GroupsTest;

cops::Task<> sleeps(Log& log, std::string name, cops::CancelToken token) {
    const cops::Result<void> result = co_await cops::sleep_for(1h, token);
    log.push_back(name + (result ? "" : " " + name_of(result.error().number())));
}

TEST_F(CancellationTest, reaches_children_and_not_parents) {
    cops::CancelSource parent;
    cops::CancelSource child(parent.token());
    cops::CancelSource grandchild(child.token());
    cops::spawn(sleeps(log_, "parent", parent.token()), 20);
    cops::spawn(sleeps(log_, "grandchild", grandchild.token()), 20);
    runtime_.run();
    child.cancel();
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("grandchild ECANCELED"));
    EXPECT_FALSE(parent.cancelled());
    EXPECT_TRUE(grandchild.cancelled());
    parent.cancel();
    runtime_.run();
    EXPECT_EQ(log_.size(), 2u);
    const cops::CancelSource late(parent.token());
    EXPECT_TRUE(late.cancelled());
}

TEST_F(CancellationTest, cancel_after_times_out_what_has_the_token) {
    cops::CancelSource source;
    EXPECT_TRUE(source.cancel_after(5us));
    EXPECT_EQ(source.cancel_after(5us).error(), cops::Error(EALREADY));
    cops::spawn(sleeps(log_, "a", source.token()), 20);
    runtime_.run();
    runtime_.advance(5'000);
    EXPECT_THAT(log_, ElementsAre("a ETIMEDOUT"));
    EXPECT_EQ(source.token().reason(), ETIMEDOUT);
    EXPECT_FALSE(source.cancel());
}

TEST_F(CancellationTest, source_that_goes_takes_its_timer_along) {
    {
        cops::CancelSource source;
        EXPECT_TRUE(source.cancel_after(5us));
        runtime_.run();
    }
    runtime_.advance(5'000);
    EXPECT_EQ(runtime_.alive(), 0u);
}

TEST_F(CancellationTest, sleep_ends_in_time_or_early) {
    cops::CancelSource source;
    cops::spawn(
        [](Log& log, cops::CancelToken token) -> cops::Task<> {
            for (const auto duration : {5us, 0us, -1us, 50us}) {
                const cops::Result<void> result = co_await cops::sleep_for(duration, token);
                log.push_back(result ? "slept" : name_of(result.error().number()));
            }
        }(log_, source.token()),
        20
    );
    runtime_.run();
    EXPECT_TRUE(log_.empty());
    runtime_.advance(5'000);
    EXPECT_THAT(log_, ElementsAre("slept", "slept", "slept"));
    source.cancel();
    runtime_.run();
    EXPECT_EQ(log_.back(), "ECANCELED");
}

const cops::Local<int> number;
const cops::Local<std::string> text;

std::string values() {
    return (number.get() == nullptr ? "-" : std::to_string(*number.get()))
           + (text.get() == nullptr ? "-" : *text.get());
}

cops::Task<> nested(Log& log) {
    log.push_back(values());
    const cops::Local<int>::Value over(number, 2);
    log.push_back(values());
    co_await cops::yield();
    log.push_back(values());
}

cops::Task<> binds(Log& log, int value) {
    log.push_back(values());
    const cops::Local<int>::Value bound(number, value);
    const cops::Local<std::string>::Value bound_text(text, "x");
    co_await cops::yield();
    ++*number.get();
    co_await nested(log);
    log.push_back(values());
}

TEST_F(GroupsTest, local_values_belong_to_one_coroutine_and_what_it_awaits) {
    Log other;
    cops::spawn(binds(log_, 10), 20);
    cops::spawn(binds(other, 20), 20);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("--", "11x", "2x", "2x", "11x"));
    EXPECT_THAT(other, ElementsAre("--", "21x", "2x", "2x", "21x"));
    Log next;
    cops::spawn(binds(next, 30), 20);  // In the table entry of an ended one.
    runtime_.run();
    EXPECT_EQ(next.front(), "--");
}

}  // namespace
