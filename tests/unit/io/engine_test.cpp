// SPDX-License-Identifier: Apache-2.0
#include "io/engine.hpp"
#include "process.hpp"

#include <gtest/gtest.h>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace vmm::io {
namespace {

constexpr Nanos kForever = ~Nanos{0};
constexpr Nanos kHour = 3'600'000'000'000;

/// Keeps every completion, in order.
struct Collector final : CompletionSink {
    struct Record {
        std::uint64_t token;
        std::int64_t result;
        std::shared_ptr<File> opened;
        std::uint64_t size;  // of the file, with a status
    };
    void io_completed(const Completion& completion) noexcept override {
        records.push_back({
            completion.token,
            completion.result,
            completion.opened,
            completion.status != nullptr ? completion.status->stx_size : 0,
        });
    }
    std::vector<Record> records;
};

/// The same tests in every mode that the ring degrades to.
class EngineModes : public testing::TestWithParam<RingMode> {
protected:
    void SetUp() override { make({}); }
    void make(EngineOptions options) {
        options.best_mode = GetParam();
        auto made = Engine::create(options);
        ASSERT_TRUE(made) << made.error().message;
        engine = std::move(*made);
    }
    /// Runs the engine until `count` operations have completed in all.
    void complete(std::size_t count) {
        while (sink.records.size() < count) {
            engine->reap();
            if (sink.records.size() < count) {
                engine->wait(kForever);
            }
        }
        EXPECT_EQ(engine->pending(), started - sink.records.size());
    }
    void start(Operation operation) {
        operation.sink = &sink;
        operation.token = ++started;
        engine->start(std::move(operation));
    }
    std::int64_t run(Operation operation) {
        start(std::move(operation));
        complete(started);
        return sink.records.back().result;
    }
    std::string path(const char* name) const { return (directory.path() / name).string(); }
    std::shared_ptr<File> open(const std::string& name, int flags) const {
        const int fd = ::open(name.c_str(), flags | O_CLOEXEC, 0600);
        EXPECT_GE(fd, 0) << name;
        return File::adopt(fd);
    }
    std::shared_ptr<File> root() const {
        return open(directory.path().string(), O_PATH | O_DIRECTORY);
    }
    static std::vector<iovec> segments(std::span<char> bytes) {
        return {{.iov_base = bytes.data(), .iov_len = bytes.size()}};
    }

    test_support::TemporaryDirectory directory;
    Collector sink;
    std::unique_ptr<Engine> engine;
    std::uint64_t started = 0;
};

TEST_P(EngineModes, nop_completes_once) {
    EXPECT_EQ(run({.opcode = Opcode::nop}), 0);
    engine->reap();
    EXPECT_EQ(sink.records.size(), 1U);
}

TEST_P(EngineModes, nothing_completes_inside_start) {
    start({.opcode = Opcode::nop});
    EXPECT_TRUE(sink.records.empty());
    engine->flush();
    EXPECT_TRUE(sink.records.empty());
    complete(1);
}

TEST_P(EngineModes, reads_scatter_and_stop_at_the_end) {
    test_support::write_file(path("f"), "0123456789");
    const auto file = open(path("f"), O_RDONLY);
    char first[4]{};
    char second[16]{};
    const std::int64_t got = run({
        .opcode = Opcode::read,
        .file = file,
        .offset = 2,
        .segments = {{first, sizeof first}, {second, sizeof second}},
    });
    EXPECT_EQ(got, 8);
    EXPECT_EQ(std::string(first, 4), "2345");
    EXPECT_EQ(std::string(second, 4), "6789");
    EXPECT_EQ(
        run({.opcode = Opcode::read, .file = file, .offset = 10, .segments = segments(second)}), 0
    );
}

TEST_P(EngineModes, writes_go_to_their_offset_or_to_the_end) {
    test_support::write_file(path("f"), "aaaa");
    const auto file = open(path("f"), O_RDWR);
    std::string text = "bb";
    EXPECT_EQ(
        run({.opcode = Opcode::write, .file = file, .offset = 1, .segments = segments(text)}), 2
    );
    EXPECT_EQ(
        run({.opcode = Opcode::write, .append = true, .file = file, .segments = segments(text)}), 2
    );
    EXPECT_EQ(run({.opcode = Opcode::sync, .file = file}), 0);
    EXPECT_EQ(test_support::read_file(path("f")), "abbabb");
}

TEST_P(EngineModes, errors_of_the_host_come_back_as_they_are) {
    test_support::write_file(path("f"), "x");
    const auto file = open(path("f"), O_RDONLY);
    std::string text = "b";
    EXPECT_EQ(run({.opcode = Opcode::write, .file = file, .segments = segments(text)}), -EBADF);
    EXPECT_EQ(run({.opcode = Opcode::read, .file = root(), .segments = segments(text)}), -EBADF);
}

TEST_P(EngineModes, open_stays_below_its_directory) {
    std::filesystem::create_directories(path("in/deep"));
    test_support::write_file(path("secret"), "s");
    test_support::write_file(path("in/deep/f"), "inside");
    std::filesystem::create_symlink("deep/f", path("in/good"));
    std::filesystem::create_symlink("../secret", path("in/up"));
    std::filesystem::create_symlink("/etc/passwd", path("in/absolute"));
    std::filesystem::create_symlink("/proc/self/exe", path("in/magic"));
    const auto in = open(path("in"), O_PATH | O_DIRECTORY);
    const auto open_below = [&](const char* name, int flags = O_RDONLY) {
        return run(
            {.opcode = Opcode::open, .file = in, .path = name, .open_flags = flags | O_CLOEXEC}
        );
    };
    EXPECT_GE(open_below("deep/f"), 0);
    ASSERT_NE(sink.records.back().opened, nullptr);
    char bytes[8]{};
    const auto opened = sink.records.back().opened;
    EXPECT_EQ(run({.opcode = Opcode::read, .file = opened, .segments = segments(bytes)}), 6);
    EXPECT_STREQ(bytes, "inside");
    EXPECT_GE(open_below("good"), 0);
    EXPECT_GE(open_below("."), 0);
    EXPECT_EQ(open_below("../secret"), -EXDEV);
    EXPECT_EQ(open_below("up"), -EXDEV);
    EXPECT_EQ(open_below("absolute"), -EXDEV);
    EXPECT_LT(open_below("magic"), 0);
    EXPECT_EQ(open_below("/etc/passwd"), -EXDEV);
    EXPECT_EQ(open_below("deep/../../secret"), -EXDEV);
    EXPECT_EQ(open_below("none"), -ENOENT);
    EXPECT_EQ(sink.records.back().opened, nullptr);
}

TEST_P(EngineModes, stat_reports_the_file) {
    test_support::write_file(path("f"), std::string(1234, 'x'));
    EXPECT_EQ(run({.opcode = Opcode::stat, .file = open(path("f"), O_RDONLY)}), 0);
    EXPECT_EQ(sink.records.back().size, 1234U);
}

TEST_P(EngineModes, directory_entries_come_from_a_position) {
    for (const char* name : {"a", "b", "c"}) {
        test_support::write_file(path(name), "");
    }
    const auto file = open(directory.path().string(), O_RDONLY | O_DIRECTORY);
    std::map<std::string, int> names;
    std::uint64_t position = 0;
    alignas(8) char bytes[64];  // room for one or two entries a time
    for (;;) {
        const std::int64_t got = run(
            {.opcode = Opcode::directory,
             .file = file,
             .offset = position,
             .segments = segments(bytes)}
        );
        ASSERT_GE(got, 0);
        if (got == 0) {
            break;
        }
        for (std::int64_t at = 0; at < got;) {
            // linux_dirent64: u64 inode, s64 position of the next, u16 length, u8 type, name
            std::uint16_t length = 0;
            std::memcpy(&position, bytes + at + 8, sizeof position);
            std::memcpy(&length, bytes + at + 16, sizeof length);
            ++names[bytes + at + 19];
            at += length;
        }
    }
    EXPECT_EQ(names.size(), 5U);
    EXPECT_EQ(names["b"], 1);
}

TEST_P(EngineModes, sleep_ends_with_zero) {
    EXPECT_EQ(run({.opcode = Opcode::sleep, .offset = 1000}), 0);
    EXPECT_EQ(run({.opcode = Opcode::sleep, .offset = 0}), 0);
}

TEST_P(EngineModes, cancelled_sleep_completes_once) {
    start({.opcode = Opcode::sleep, .offset = kHour});
    engine->flush();
    engine->cancel(sink, 1);
    engine->cancel(sink, 1);
    engine->cancel(sink, 77);
    complete(1);
    EXPECT_EQ(sink.records[0].result, -ECANCELED);
    EXPECT_EQ(run({.opcode = Opcode::nop}), 0);
    EXPECT_EQ(sink.records.size(), 2U);
}

TEST_P(EngineModes, cancelled_read_of_a_silent_pipe_completes) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const auto read_end = File::adopt(ends[0]);
    const auto write_end = File::adopt(ends[1]);
    EXPECT_FALSE(read_end->seekable());
    char bytes[8];
    start({.opcode = Opcode::read, .file = read_end, .offset = 5, .segments = segments(bytes)});
    engine->flush();
    engine->cancel(sink, 1);
    complete(1);
    EXPECT_EQ(sink.records[0].result, -ECANCELED);
    start({.opcode = Opcode::read, .file = read_end, .offset = 5, .segments = segments(bytes)});
    engine->flush();
    ASSERT_EQ(::write(ends[1], "hello", 5), 5);
    complete(2);
    EXPECT_EQ(sink.records[1].result, 5);
}

// A kernel that is short of memory takes no entries, and the ring fills up. Here it takes none
// because the ring knows its one thread and another calls.
TEST_P(EngineModes, cancellations_that_find_the_ring_full_are_not_forgotten) {
    if (GetParam() != RingMode::deferred) {
        GTEST_SKIP() << "SKIPPED: only the deferred ring refuses other threads";
    }
    constexpr std::uint64_t kOperations = 2000;  // the ring has 1,024 entries
    for (std::uint64_t i = 0; i < kOperations; ++i) {
        start({.opcode = Opcode::sleep, .offset = kHour});
    }
    engine->flush();
    std::thread([&] {
        for (std::uint64_t token = 1; token <= kOperations; ++token) {
            engine->cancel(sink, token);
            engine->cancel(sink, token);  // asking twice is allowed
        }
    }).join();
    complete(kOperations);
    for (const Collector::Record& record : sink.records) {
        EXPECT_EQ(record.result, -ECANCELED);
    }
}

TEST_P(EngineModes, an_operation_that_ends_takes_its_waiting_cancellation_along) {
    if (GetParam() != RingMode::deferred) {
        GTEST_SKIP() << "SKIPPED: only the deferred ring refuses other threads";
    }
    constexpr std::uint64_t kOperations = 2000;
    for (std::uint64_t i = 0; i < kOperations; ++i) {
        start({.opcode = Opcode::sleep, .offset = 1});
    }
    engine->flush();
    std::thread([&] {
        for (std::uint64_t token = 1; token <= kOperations; ++token) {
            engine->cancel(sink, token);
        }
    }).join();
    complete(kOperations);
    // Slots are used again: a cancellation left behind would hit their next operation.
    for (std::uint64_t i = 0; i < kOperations; ++i) {
        EXPECT_EQ(run({.opcode = Opcode::sleep, .offset = 1}), 0);
    }
}

TEST_P(EngineModes, cancelling_what_is_not_submitted_yet_needs_no_kernel) {
    start({.opcode = Opcode::sleep, .offset = kHour});
    engine->cancel(sink, 1);
    EXPECT_TRUE(sink.records.empty());
    complete(1);
    EXPECT_EQ(sink.records[0].result, -ECANCELED);
}

TEST_P(EngineModes, urgent_operations_overtake_when_the_kernel_holds_its_bound) {
    make({.max_in_flight = 1});
    start({.opcode = Opcode::sleep, .level = 1, .offset = kHour});  // fills the bound
    engine->flush();
    for (const Level level : {Level{20}, Level{64}, Level{3}, Level{20}}) {
        start({.opcode = Opcode::nop, .level = level});
    }
    engine->flush();
    EXPECT_TRUE(sink.records.empty());
    engine->cancel(sink, 1);
    complete(5);
    std::vector<std::uint64_t> order;
    for (const auto& record : sink.records) {
        order.push_back(record.token);
    }
    EXPECT_EQ(order, (std::vector<std::uint64_t>{1, 4, 2, 5, 3}));
}

TEST_P(EngineModes, more_operations_than_the_ring_has_entries_all_complete) {
    constexpr std::size_t kMany = 5000;
    test_support::write_file(path("f"), "0123456789");
    const auto file = open(path("f"), O_RDONLY);
    std::vector<char> bytes(kMany);
    for (std::size_t i = 0; i < kMany; ++i) {
        start({
            .opcode = Opcode::read,
            .level = static_cast<Level>(i % 64),
            .file = file,
            .offset = i % 10,
            .segments = {{&bytes[i], 1}},
        });
    }
    complete(kMany);
    for (std::size_t i = 0; i < kMany; ++i) {
        ASSERT_EQ(bytes[i], static_cast<char>('0' + i % 10));
    }
}

TEST_P(EngineModes, a_file_lives_until_its_operations_have_completed) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    auto read_end = File::adopt(ends[0]);
    const auto write_end = File::adopt(ends[1]);
    const std::weak_ptr<File> watch = read_end;
    char bytes[8];
    start({.opcode = Opcode::read, .file = std::move(read_end), .segments = segments(bytes)});
    EXPECT_FALSE(watch.expired());
    ASSERT_EQ(::write(ends[1], "x", 1), 1);
    complete(1);
    EXPECT_TRUE(watch.expired());
}

TEST_P(EngineModes, a_sink_may_start_operations_while_it_is_called) {
    struct Chain final : CompletionSink {
        Engine* engine = nullptr;
        int left = 100;
        void io_completed(const Completion&) noexcept override {
            if (--left > 0) {
                engine->start({.opcode = Opcode::nop, .sink = this, .token = 1});
            }
        }
    } chain;
    chain.engine = engine.get();
    engine->start({.opcode = Opcode::nop, .sink = &chain, .token = 1});
    while (chain.left > 0) {
        engine->reap();
    }
    EXPECT_EQ(engine->pending(), 0U);
}

TEST_P(EngineModes, wake_from_another_thread_ends_a_wait) {
    for (int i = 0; i < 20; ++i) {
        std::thread other([&] { engine->wake(); });
        engine->wait(kForever);
        engine->reap();
        other.join();
    }
    engine->wake();
    engine->wait(kForever);  // a wake before the wait is not lost
}

TEST_P(EngineModes, flags_word_shows_a_completion_to_one_who_only_looks) {
    if (GetParam() != RingMode::deferred) {
        GTEST_SKIP() << "SKIPPED: only a deferred ring always shows completions in its flags word";
    }
    start({.opcode = Opcode::sleep, .offset = 100'000});
    engine->flush();
    while ((__atomic_load_n(engine->ring_flags(), __ATOMIC_RELAXED) & engine->ring_mask()) == 0) {
    }
    engine->reap();
    EXPECT_EQ(sink.records.size(), 1U);
}

// Linux leaves it so when it is overtaken between listing work and setting the flag; guests then
// never ran again.
TEST_P(EngineModes, flag_without_work_does_not_stay_set) {
    const unsigned mask = engine->ring_mask();
    if (mask == 0) {
        GTEST_SKIP() << "SKIPPED: a plain ring has no such flag";
    }
    auto* flags = const_cast<unsigned*>(engine->ring_flags());
    engine->reap();  // arms what wakes us
    for (int i = 0; i < 10; ++i) {
        __atomic_fetch_or(flags, mask, __ATOMIC_SEQ_CST);
        engine->reap();
        engine->reap();
        EXPECT_EQ(__atomic_load_n(flags, __ATOMIC_SEQ_CST) & mask, 0U);
    }
}

std::string mode_name(const testing::TestParamInfo<RingMode>& info) {
    switch (info.param) {
    case RingMode::deferred:
        return "deferred";
    case RingMode::cooperative:
        return "cooperative";
    case RingMode::plain:
        break;
    }
    return "plain";
}

INSTANTIATE_TEST_SUITE_P(
    Rings,
    EngineModes,
    testing::Values(RingMode::deferred, RingMode::cooperative, RingMode::plain),
    mode_name
);

}  // namespace
}  // namespace vmm::io
