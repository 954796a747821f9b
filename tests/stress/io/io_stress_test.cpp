// SPDX-License-Identifier: Apache-2.0
// Thousands of operations at all levels, many of them cancelled at bad moments: each completes
// once.
#include "io/engine.hpp"
#include "process.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <random>
#include <string>
#include <vector>

namespace vmm::io {
namespace {

struct Counting final : CompletionSink {
    std::vector<int> completions;
    std::vector<std::int64_t> results;
    std::size_t total = 0;
    void io_completed(const Completion& completion) noexcept override {
        ++completions[completion.token];
        results[completion.token] = completion.result;
        ++total;
    }
};

class Cancelling : public testing::TestWithParam<unsigned> {};

TEST_P(Cancelling, every_operation_completes_once) {
    constexpr std::size_t kOperations = 30'000;
    auto made = Engine::create({.max_in_flight = GetParam()});
    ASSERT_TRUE(made) << made.error().message;
    Engine& engine = **made;
    const test_support::TemporaryDirectory directory;
    test_support::write_file(directory / "f", std::string(65536, 'x'));
    const auto file = File::adopt(::open((directory / "f").c_str(), O_RDONLY | O_CLOEXEC));
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const auto silent = File::adopt(ends[0]);
    const auto keep = File::adopt(ends[1]);

    Counting sink;
    sink.completions.resize(kOperations);
    sink.results.resize(kOperations);
    std::vector<char> buffer(kOperations);
    std::minstd_rand random(GetParam());
    for (std::size_t i = 0; i < kOperations; ++i) {
        Operation operation{.level = static_cast<Level>(random() % 65), .sink = &sink, .token = i};
        operation.segments = {{&buffer[i], 1}};
        switch (random() % 4) {
        case 0:
            operation.opcode = Opcode::read;
            operation.file = file;
            operation.offset = random() % 65536;
            break;
        case 1:
            operation.opcode = Opcode::read;
            operation.file = silent;  // only a cancellation ends it
            break;
        case 2:
            operation.opcode = Opcode::sleep;
            operation.offset = random() % 2'000'000;
            break;
        default:
            break;
        }
        engine.start(std::move(operation));
        if (random() % 3 == 0) {
            engine.flush();
        }
        if (random() % 2 == 0) {
            engine.cancel(sink, random() % (i + 1));
        }
        if (random() % 8 == 0) {
            engine.reap();
        }
    }
    while (sink.total < kOperations) {
        for (std::size_t i = 0; i < kOperations; ++i) {
            if (sink.completions[i] == 0) {
                engine.cancel(sink, i);
            }
        }
        engine.flush();
        engine.wait(~Nanos{0});
        engine.reap();
    }
    EXPECT_EQ(engine.pending(), 0U);
    for (std::size_t i = 0; i < kOperations; ++i) {
        ASSERT_EQ(sink.completions[i], 1) << i;
        ASSERT_TRUE(sink.results[i] >= 0 || sink.results[i] == -ECANCELED) << sink.results[i];
    }
}

INSTANTIATE_TEST_SUITE_P(InFlight, Cancelling, testing::Values(8U, 512U, 2048U));

}  // namespace
}  // namespace vmm::io
