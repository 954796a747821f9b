// SPDX-License-Identifier: Apache-2.0
// The C++ interface of applications, on the host.
#include "host_runtime.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

struct Counted {
    explicit Counted(int& alive)
        : alive_(&alive) {
        ++*alive_;
    }
    Counted(const Counted& other)
        : alive_(other.alive_) {
        ++*alive_;
    }
    Counted& operator=(const Counted&) = default;
    ~Counted() { --*alive_; }
    int* alive_;
};

cops::Task<int> add(int a, int b) {
    co_return a + b;
}

cops::Task<> sum_up(int& out, Counted) {
    out = co_await add(1, 2) + co_await add(3, 4);
}

// A frame larger than an address space. Not inlined: an optimiser that sees the call may place the
// frame inside its caller's, and then nothing is allocated here.
[[gnu::noinline]] cops::Task<cops::Result<int>> impossible() {
    std::array<char, (1ull << 50)> huge;
    __asm__ volatile("" : : "r"(huge.data()) : "memory");  // It must be kept over the suspension.
    co_await cops::yield();
    __asm__ volatile("" : : "r"(huge.data()) : "memory");
    co_return huge[0];
}

class Api : public ::testing::Test {
protected:
    HostRuntime runtime_;
    Side& side_ = runtime_.side();
};

TEST_F(Api, awaited_tasks_return_values_and_free_their_frames) {
    int sum = 0;
    int alive = 0;
    ASSERT_TRUE(cops::spawn(sum_up(sum, Counted(alive)), 5));
    EXPECT_EQ(sum, 0) << "lazy";
    EXPECT_GT(alive, 0);
    side_.run();
    EXPECT_EQ(sum, 10);
    EXPECT_EQ(alive, 0);
}

TEST_F(Api, task_that_is_never_started_frees_its_frame) {
    int sum = 0;
    int alive = 0;
    {
        cops::Task<> task = sum_up(sum, Counted(alive));
    }
    EXPECT_EQ(alive, 0);
}

TEST_F(Api, spawn_of_a_bad_level_frees_the_frame) {
    int sum = 0;
    int alive = 0;
    EXPECT_FALSE(cops::spawn(sum_up(sum, Counted(alive)), 64));
    EXPECT_EQ(alive, 0);
}

cops::Task<> awaits_impossible(int& error) {
    const cops::Result<int> result = co_await impossible();
    error = result ? 0 : result.error().number();
}

TEST_F(Api, frame_that_cannot_be_had_is_an_error_the_caller_sees) {
    EXPECT_FALSE(impossible());
    EXPECT_FALSE(cops::spawn(impossible(), 5));
    EXPECT_FALSE(cops::spawn_joinable(impossible(), 5));
    int error = 0;
    cops::spawn(awaits_impossible(error), 5);
    side_.run();
    EXPECT_EQ(error, ENOMEM);
}

cops::Task<std::string> words(Counted, bool slow) {
    if (slow) {
        co_await cops::suspend();
    }
    co_return "forty-two";
}

cops::Task<> joins(std::string& out, cops::JoinHandle<std::string> handle) {
    out = co_await handle;
}

TEST_F(Api, join_handle_gives_the_result_before_and_after_the_end) {
    for (const bool slow : {false, true}) {
        int alive = 0;
        std::string out;
        cops::JoinHandle<std::string> handle = cops::spawn_joinable(words(Counted(alive), slow), 5);
        ASSERT_TRUE(handle);
        const cops::TaskId id = handle.id();
        cops::spawn(joins(out, std::move(handle)), slow ? 4 : 6);
        side_.run();
        if (slow) {
            EXPECT_EQ(out, "");
            EXPECT_TRUE(cops::wake(id));
            side_.run();
        }
        EXPECT_EQ(out, "forty-two");
        EXPECT_EQ(alive, 0);
        EXPECT_FALSE(cops::wake(id));
    }
}

TEST_F(Api, dropped_join_handle_leaves_the_frame_to_the_coroutine) {
    int alive = 0;
    cops::TaskId id;
    {
        auto handle = cops::spawn_joinable(words(Counted(alive), true), 5);
        id = handle.id();
        side_.run();
    }
    EXPECT_EQ(alive, 1);
    cops::wake(id);
    side_.run();
    EXPECT_EQ(alive, 0);
    {  // The other order: it ends first.
        auto handle = cops::spawn_joinable(words(Counted(alive), false), 5);
        side_.run();
    }
    EXPECT_EQ(alive, 0);
}

cops::Task<> reads(std::vector<std::string>& log) {
    std::array<std::byte, 8> buffer;
    const auto count = co_await cops::read(3, buffer, 100);
    log.push_back(count ? std::to_string(*count) : count.error().message());
    const auto fd = co_await cops::open("/host/x", O_RDONLY);
    log.push_back(fd ? std::to_string(*fd) : std::to_string(fd.error().number()));
    const auto stat = co_await cops::fstat(9);
    log.push_back(stat ? std::to_string(stat->size) : "error");
}

TEST_F(Api, calls_describe_themselves_and_give_count_or_errno) {
    std::vector<std::string> log;
    cops::spawn(reads(log), 5);
    ASSERT_EQ(side_.run(), COPS_RUN_SUBMIT);
    auto request = side_.take_batch().at(0);
    EXPECT_EQ(request.opcode, unsigned{VIRTIO_COPS_OP_READ});
    EXPECT_EQ(request.fd, 3);
    EXPECT_EQ(request.length, 8u);
    EXPECT_EQ(request.offset, 100);
    side_.complete(request, 5);

    ASSERT_EQ(side_.run(), COPS_RUN_SUBMIT);
    request = side_.take_batch().at(0);
    EXPECT_EQ(request.opcode, unsigned{VIRTIO_COPS_OP_OPENAT});
    EXPECT_EQ(request.fd, AT_FDCWD);
    EXPECT_EQ(request.length, 7u);
    side_.complete(request, -ENOENT);

    ASSERT_EQ(side_.run(), COPS_RUN_SUBMIT);
    request = side_.take_batch().at(0);
    EXPECT_EQ(request.opcode, unsigned{VIRTIO_COPS_OP_FSTAT});
    reinterpret_cast<virtio_cops_stat*>(request.buffer)->size = 321;
    side_.complete(request, 0);
    side_.run();
    EXPECT_THAT(log, ::testing::ElementsAre("5", std::to_string(ENOENT), "321"));
}

cops::Task<> polite(int& yields, cops::TaskId other) {
    const auto before = cops::counters().switches;
    co_await cops::maybe_yield();
    yields += cops::counters().switches != before;
    cops::wake(other);
    co_await cops::maybe_yield();
    yields += cops::counters().switches != before;
}

cops::Task<> urgent_sleeper() {
    co_await cops::suspend();
}

TEST_F(Api, maybe_yield_switches_only_for_more_urgent_work) {
    int yields = 0;
    const cops::TaskId urgent = cops::spawn(urgent_sleeper(), 3);
    side_.run();
    cops::spawn(polite(yields, urgent), 20);
    const cops::TaskId equal = cops::spawn(urgent_sleeper(), 20);  // No reason to yield.
    side_.run();
    EXPECT_EQ(yields, 1);
    cops::wake(equal);
    side_.run();
}

TEST_F(Api, priorities_are_read_and_set) {
    const cops::TaskId id = cops::spawn(urgent_sleeper(), 3);
    EXPECT_EQ(cops::priority(id).value(), 3u);
    EXPECT_TRUE(cops::set_priority(id, 50));
    EXPECT_EQ(cops::priority(id).value(), 50u);
    EXPECT_EQ(cops::set_priority(id, 64).error(), cops::Error(EINVAL));
    side_.run();
    cops::wake(id);
    side_.run();
    EXPECT_EQ(cops::set_priority(id, 5).error(), cops::Error(ESRCH));
    EXPECT_EQ(cops::priority(id).error(), cops::Error(ESRCH));
}

}  // namespace
