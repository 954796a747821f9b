// SPDX-License-Identifier: Apache-2.0
#include "machine/console.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace {

struct ConsoleTest : testing::Test {
    std::vector<std::string> calls;
    vmm::Console console{[this](std::span<const char> bytes) {
        calls.emplace_back(bytes.data(), bytes.size());
    }};
};

TEST_F(ConsoleTest, a_line_is_given_on_as_soon_as_it_ends) {
    console.write(std::string_view("one\ntw"));
    EXPECT_EQ(calls, (std::vector<std::string>{"one\n"}));
    console.write(std::string_view("o\n"));
    EXPECT_EQ(calls, (std::vector<std::string>{"one\n", "two\n"}));
}

TEST_F(ConsoleTest, flush_gives_the_unfinished_line) {
    console.write(std::string_view("login: "));
    EXPECT_TRUE(calls.empty());
    console.flush();
    console.flush();
    EXPECT_EQ(calls, (std::vector<std::string>{"login: "}));
}

TEST_F(ConsoleTest, long_lines_come_in_pieces_and_lose_nothing) {
    const std::string line(2000, 'x');
    console.write(line);
    console.flush();
    std::string all;
    for (const std::string& call : calls) {
        all += call;
    }
    EXPECT_EQ(all, line);
    EXPECT_GT(calls.size(), 1U);
}

TEST(Console, without_a_reader_output_is_dropped) {
    vmm::Console console(nullptr);
    console.write(std::string_view("nobody listens\n"));
    console.flush();
}

}  // namespace
