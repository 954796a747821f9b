// SPDX-License-Identifier: Apache-2.0
#include "devices/finisher/finisher.hpp"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace {

using vmm::Finisher;

struct FinisherTest : testing::Test {
    std::vector<std::pair<Finisher::Verdict, std::uint16_t>> calls;
    Finisher finisher{[this](Finisher::Verdict verdict, std::uint16_t code) {
        calls.emplace_back(verdict, code);
    }};
};

TEST_F(FinisherTest, each_verdict_is_reported_with_its_code) {
    EXPECT_TRUE(finisher.mmio_write({0, 4, 0}, 0x5555));
    EXPECT_TRUE(finisher.mmio_write({0, 4, 0}, 0x00070000U | 0x3333));
    EXPECT_TRUE(finisher.mmio_write({0, 4, 0}, 0x7777));
    const decltype(calls) expected{
        {Finisher::Verdict::pass, 0}, {Finisher::Verdict::fail, 7}, {Finisher::Verdict::reset, 0}
    };
    EXPECT_EQ(calls, expected);
}

TEST_F(FinisherTest, other_values_offsets_and_widths_do_nothing) {
    EXPECT_TRUE(finisher.mmio_write({0, 4, 0}, 0));
    EXPECT_TRUE(finisher.mmio_write({0, 4, 0}, 0xffffffff));
    EXPECT_TRUE(finisher.mmio_write({4, 4, 0}, 0x5555));
    EXPECT_TRUE(finisher.mmio_write({0, 1, 0}, 0x55));
    EXPECT_FALSE(finisher.mmio_write({0, 8, 0}, 0x5555));
    EXPECT_TRUE(calls.empty());
}

TEST_F(FinisherTest, reads_are_zero) {
    std::uint64_t value = 9;
    EXPECT_TRUE(finisher.mmio_read({0, 4, 0}, &value));
    EXPECT_EQ(value, 0U);
}

}  // namespace
