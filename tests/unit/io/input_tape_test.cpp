// SPDX-License-Identifier: Apache-2.0
#include "io/input_tape.hpp"
#include "process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>

namespace vmm::io {
namespace {

using ::testing::HasSubstr;

class InputTapeTest : public ::testing::Test {
protected:
    std::string error_of(const std::string& text) {
        test_support::write_file(path, text);
        const auto tape = InputTape::replay(path, 5);
        EXPECT_FALSE(tape) << text;
        EXPECT_EQ(tape.error().kind, ErrorKind::configuration);
        return tape ? "" : tape.error().message;
    }

    test_support::TemporaryDirectory directory;
    const std::string path = directory / "tape";
};

TEST_F(InputTapeTest, what_was_noted_is_given_again) {
    std::array<char, 4> first{'a', 0, '\xff', 'd'};
    std::array<char, 4> second{'e', 'f', 'g', 'h'};
    const std::array<iovec, 2> segments{{{first.data(), 4}, {second.data(), 4}}};
    {
        auto tape = InputTape::record(path, 5);
        ASSERT_TRUE(tape) << tape.error().message;
        EXPECT_FALSE((*tape)->replays());
        (*tape)->note_typed({.rounds = 7, .guest = 1, .bytes = {'x', '\n'}});
        (*tape)->note_read(2, 9, 6, segments);
        (*tape)->note_typed({.idle = true, .guest = 0, .bytes = {'y'}});
        (*tape)->note_read(2, 10, -32, segments);
        EXPECT_TRUE((*tape)->finish());
    }
    auto tape = InputTape::replay(path, 5);
    ASSERT_TRUE(tape) << tape.error().message;
    EXPECT_TRUE((*tape)->replays());
    first.fill('?');
    second.fill('?');
    EXPECT_EQ((*tape)->give_read(2, 9, segments), 6);
    EXPECT_EQ(
        std::string(first.data(), 4),
        std::string(
            "a\0\xff"
            "d",
            4
        )
    );
    EXPECT_EQ(std::string(second.data(), 4), "ef??");
    EXPECT_EQ((*tape)->give_read(2, 9, segments), std::nullopt);
    EXPECT_EQ((*tape)->give_read(2, 10, segments), -32);
    const InputTape::Typed* typed = (*tape)->next_typed();
    ASSERT_NE(typed, nullptr);
    EXPECT_EQ(typed->rounds, 7U);
    EXPECT_FALSE(typed->idle);
    EXPECT_EQ(typed->guest, 1U);
    EXPECT_EQ(std::string(typed->bytes.begin(), typed->bytes.end()), "x\n");
    (*tape)->take_typed();
    ASSERT_NE((*tape)->next_typed(), nullptr);
    EXPECT_TRUE((*tape)->next_typed()->idle);
    (*tape)->take_typed();
    EXPECT_EQ((*tape)->next_typed(), nullptr);
}

TEST_F(InputTapeTest, what_is_no_tape_is_refused) {
    EXPECT_THAT(error_of("something else\n"), HasSubstr("no recorded input"));
    EXPECT_THAT(error_of("cops-input 2 5\n"), HasSubstr("no recorded input"));
    EXPECT_THAT(error_of("cops-input 1 6\n"), HasSubstr("with seed 6, and this one has 5"));
    for (const char* line :
         {"typed 1 0",
          "typed x 0 61",
          "typed 1 0 6",
          "typed 1 0 zz",
          "read 0 0 2 61",
          "read 0 0 -5 61",
          "read 0 0 1",
          "told 1 0 61",
          ""}) {
        EXPECT_THAT(
            error_of("cops-input 1 5\ntyped idle 0 61\n" + std::string(line) + "\n"),
            HasSubstr(":3: give")
        ) << line;
    }
    EXPECT_FALSE(InputTape::replay(directory / "none", 5));
    EXPECT_FALSE(InputTape::record(directory / "none" / "tape", 5));
}

}  // namespace
}  // namespace vmm::io
