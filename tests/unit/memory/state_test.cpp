// SPDX-License-Identifier: Apache-2.0
#include "memory/state.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace {

using vmm::StateReader;
using vmm::StateWriter;

TEST(State, everything_written_is_read_back) {
    StateWriter out;
    out.put(std::uint8_t{1});
    out.put(std::uint16_t{0x2345});
    out.put(std::uint32_t{0x6789abcd});
    out.put(std::uint64_t{0xfedcba9876543210});
    out.put(true);
    out.put_text("hello");
    StateReader in(out.bytes());
    EXPECT_EQ(in.get<std::uint8_t>(), 1);
    EXPECT_EQ(in.get<std::uint16_t>(), 0x2345);
    EXPECT_EQ(in.get<std::uint32_t>(), 0x6789abcdU);
    EXPECT_EQ(in.get<std::uint64_t>(), 0xfedcba9876543210U);
    EXPECT_TRUE(in.get_bool());
    EXPECT_EQ(in.get_text(), "hello");
    EXPECT_TRUE(in.ok());
    EXPECT_TRUE(in.at_end());
}

TEST(State, stream_is_little_endian_without_padding) {
    StateWriter out;
    out.put(std::uint8_t{0xaa});
    out.put(std::uint32_t{0x01020304});
    const std::vector<std::byte> expected{
        std::byte{0xaa}, std::byte{4}, std::byte{3}, std::byte{2}, std::byte{1}
    };
    EXPECT_EQ(out.take(), expected);
}

TEST(State, reading_past_the_end_fails_for_good) {
    StateWriter out;
    out.put(std::uint16_t{0xffff});
    StateReader in(out.bytes());
    EXPECT_EQ(in.get<std::uint32_t>(), 0U);
    EXPECT_FALSE(in.ok());
    EXPECT_EQ(in.get<std::uint8_t>(), 0) << "a failed reader gives zeros";
    EXPECT_TRUE(in.get_bytes().empty());
}

TEST(State, length_beyond_the_input_fails) {
    StateWriter out;
    out.put(std::numeric_limits<std::uint64_t>::max());
    out.put(std::uint64_t{0});
    StateReader in(out.bytes());
    EXPECT_TRUE(in.get_bytes().empty());
    EXPECT_FALSE(in.ok());
}

TEST(State, value_at_the_bound_fails) {
    StateWriter out;
    out.put(std::uint8_t{4});
    out.put(std::uint8_t{5});
    out.put(std::uint8_t{2});
    StateReader in(out.bytes());
    EXPECT_EQ(in.get_below<std::uint8_t>(5), 4);
    EXPECT_TRUE(in.ok());
    EXPECT_EQ(in.get_below<std::uint8_t>(5), 0);
    EXPECT_FALSE(in.ok());
}

TEST(State, bool_is_zero_or_one) {
    StateWriter out;
    out.put(std::uint8_t{2});
    StateReader in(out.bytes());
    EXPECT_FALSE(in.get_bool());
    EXPECT_FALSE(in.ok());
}

}  // namespace
