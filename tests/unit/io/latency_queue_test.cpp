// SPDX-License-Identifier: Apache-2.0
#include "io/latency_queue.hpp"
#include "process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace vmm::io {
namespace {

using ::testing::ElementsAre;

constexpr std::uint64_t kEpoch = 1'000'000'000'000;
constexpr Nanos kNever = ~Nanos{0};

struct Collector final : CompletionSink {
    void io_completed(const Completion& completion) noexcept override {
        tokens.push_back(completion.token);
        results.push_back(completion.result);
        if (completion.status != nullptr) {
            status = *completion.status;
        }
    }
    std::vector<std::uint64_t> tokens;
    std::vector<std::int64_t> results;
    struct statx status{};
};

class LatencyQueueTest : public ::testing::Test {
protected:
    void SetUp() override {
        auto made = Engine::create({});
        ASSERT_TRUE(made) << made.error().message;
        engine = std::move(*made);
    }
    Operation operation(Opcode opcode, std::uint64_t token) {
        return {.opcode = opcode, .sink = &sink, .token = token};
    }
    std::shared_ptr<File> file(const std::string& name, int flags, mode_t mode = 0600) {
        const int fd = ::open((directory / name).c_str(), flags | O_CLOEXEC, mode);
        EXPECT_GE(fd, 0) << std::strerror(errno);
        return File::adopt(fd);
    }

    test_support::TemporaryDirectory directory;
    Collector sink;
    std::unique_ptr<Engine> engine;
    LatencyQueue queue{7, kEpoch};
};

TEST(ModelledLatency, follows_from_seed_guest_and_sequence_within_its_limits) {
    const Operation read{.opcode = Opcode::read};
    std::vector<Nanos> drawn;
    for (std::uint64_t i = 0; i < 1000; ++i) {
        drawn.push_back(modelled_latency(1, 2, i, read));
        EXPECT_GE(drawn.back(), 20'000U);
        EXPECT_LE(drawn.back(), 120'000U);
        EXPECT_EQ(modelled_latency(1, 2, i, read), drawn.back());
    }
    EXPECT_GT(std::ranges::max(drawn), 110'000U);
    EXPECT_LT(std::ranges::min(drawn), 30'000U);
    EXPECT_NE(modelled_latency(2, 2, 0, read), drawn[0]);
    EXPECT_NE(modelled_latency(1, 3, 0, read), drawn[0]);
    EXPECT_NE(drawn[0], drawn[1]);
}

TEST(ModelledLatency, a_byte_takes_a_quarter_of_a_nanosecond_and_a_sleep_what_it_says) {
    const Operation small{.opcode = Opcode::write};
    const Operation large{.opcode = Opcode::write, .segments = {{nullptr, 3000}, {nullptr, 1000}}};
    EXPECT_EQ(modelled_latency(1, 0, 0, large), modelled_latency(1, 0, 0, small) + 1000);
    EXPECT_EQ(modelled_latency(1, 0, 0, {.opcode = Opcode::sleep, .offset = 5}), 5U);
}

TEST_F(LatencyQueueTest, time_counts_from_the_next_settle_and_order_is_that_of_time) {
    Operation sleep = operation(Opcode::sleep, 1);
    sleep.offset = 3000;
    queue.start(0, sleep);
    sleep.token = 2;
    sleep.offset = 1000;
    queue.start(1, sleep);
    sleep.token = 3;
    queue.start(0, sleep);
    EXPECT_EQ(queue.next_due(), kNever);
    queue.settle(500);
    EXPECT_EQ(queue.next_due(), 1500U);
    queue.deliver(1499, *engine);
    EXPECT_TRUE(sink.tokens.empty());
    queue.deliver(10'000, *engine);
    // At one moment the guest decides, then its sequence.
    EXPECT_THAT(sink.tokens, ElementsAre(3, 2, 1));
    EXPECT_EQ(queue.next_due(), kNever);
}

TEST_F(LatencyQueueTest, what_is_read_is_there_with_the_completion_and_not_before) {
    const auto to = file("data", O_CREAT | O_RDWR);
    ASSERT_EQ(::pwrite(to->fd(), "before", 6, 0), 6);
    std::array<char, 6> buffer{};
    Operation read = operation(Opcode::read, 1);
    read.file = to;
    read.segments = {{buffer.data(), buffer.size()}};
    queue.start(0, read);
    queue.settle(0);
    queue.deliver(queue.next_due() - 1, *engine);
    EXPECT_EQ(buffer[0], 0);
    ASSERT_EQ(::pwrite(to->fd(), "after!", 6, 0), 6);
    queue.deliver(queue.next_due(), *engine);
    EXPECT_THAT(sink.results, ElementsAre(6));
    EXPECT_EQ(std::string(buffer.data(), buffer.size()), "after!");
}

TEST_F(LatencyQueueTest, a_cancelled_operation_is_not_executed) {
    const auto to = file("data", O_CREAT | O_RDWR);
    char text[] = "text";
    Operation write = operation(Opcode::write, 1);
    write.file = to;
    write.segments = {{text, 4}};
    queue.start(0, write);
    write.token = 2;
    queue.start(0, write);
    queue.cancel(sink, 1);
    queue.settle(100);
    queue.cancel(sink, 2);
    queue.cancel(sink, 99);
    queue.deliver(100, *engine);
    EXPECT_THAT(sink.results, ElementsAre(-ECANCELED, -ECANCELED));
    EXPECT_EQ(::lseek(to->fd(), 0, SEEK_END), 0);
}

TEST_F(LatencyQueueTest, a_guest_that_ends_waits_for_nobody) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const File other(ends[1], false);
    char byte = 0;
    Operation read = operation(Opcode::read, 1);
    read.file = std::make_shared<File>(ends[0], false);
    read.segments = {{&byte, 1}};
    queue.start(4, read);
    queue.settle(0);
    std::thread ender([this] { queue.abandon(4); });
    queue.deliver(queue.next_due(), *engine);
    ender.join();
    EXPECT_THAT(sink.results, ElementsAre(-ECANCELED));
}

TEST_F(LatencyQueueTest, what_hosts_never_say_twice_of_files_is_made_the_same) {
    const auto first = file("first", O_CREAT | O_RDWR);
    const auto second = file("second", O_CREAT | O_RDWR);
    ASSERT_EQ(::pwrite(second->fd(), "x", 1, 999), 1);
    for (const auto& of : {second, first, second}) {
        Operation stat = operation(Opcode::stat, 1);
        stat.file = of;
        queue.start(0, stat);
        queue.settle(0);
        queue.deliver(queue.next_due(), *engine);
        EXPECT_EQ(sink.status.stx_ino, of == second ? 1U : 2U);
        EXPECT_EQ(sink.status.stx_mtime.tv_sec, 1000);
        EXPECT_EQ(sink.status.stx_mtime.tv_nsec, 0U);
        EXPECT_EQ(sink.status.stx_blocks, of == second ? 2U : 0U);
    }
}

TEST_F(LatencyQueueTest, entries_of_a_folder_have_the_numbers_of_their_files) {
    (void)file("only", O_CREAT | O_RDWR);
    Operation stat = operation(Opcode::stat, 1);
    stat.file = file("only", O_RDWR);
    queue.start(0, stat);
    alignas(8) std::array<std::byte, 1024> buffer{};
    Operation list = operation(Opcode::directory, 2);
    list.file = file(".", O_RDONLY | O_DIRECTORY);
    list.segments = {{buffer.data(), buffer.size()}};
    queue.start(0, list);
    queue.deliver(0, *engine);
    queue.deliver(1'000'000, *engine);
    ASSERT_EQ(sink.tokens.size(), 2U);
    const std::int64_t bytes = sink.results[sink.tokens[0] == 2 ? 0 : 1];
    ASSERT_GT(bytes, 0);
    bool found = false;
    for (std::int64_t at = 0; at < bytes;) {
        const auto* entry = reinterpret_cast<const dirent64*>(buffer.data() + at);
        found = found || std::string(entry->d_name) == "only";
        EXPECT_LE(entry->d_ino, 3U) << entry->d_name;
        at += entry->d_reclen;
    }
    EXPECT_TRUE(found);
}

}  // namespace
}  // namespace vmm::io
