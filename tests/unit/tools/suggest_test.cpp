// SPDX-License-Identifier: Apache-2.0
#include "support/suggest.hpp"

#include <gtest/gtest.h>

#include <array>

namespace tools {
namespace {

constexpr std::array<std::string_view, 4> kWords{"cpus", "memory", "grant", "no-reboot"};

TEST(Suggest, near_misses_are_found) {
    EXPECT_EQ(closest("memroy", kWords), "memory");
    EXPECT_EQ(closest("cpu", kWords), "cpus");
    EXPECT_EQ(closest("grants", kWords), "grant");
    EXPECT_EQ(closest("noreboot", kWords), "no-reboot");
}

TEST(Suggest, strangers_get_no_guess) {
    EXPECT_EQ(closest("frobnicate", kWords), std::nullopt);
    EXPECT_EQ(closest("", kWords), std::nullopt);
    EXPECT_EQ(did_you_mean("frobnicate", kWords), "");
}

TEST(Suggest, words_are_listed_with_or) {
    EXPECT_EQ(enumerate(kWords), "cpus, memory, grant or no-reboot");
    EXPECT_EQ(enumerate({}), "");
}

}  // namespace
}  // namespace tools
