// SPDX-License-Identifier: Apache-2.0
#include "machine/bus.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace {

using vmm::Bus;
using vmm::GuestPhys;
using vmm::MmioAccess;

struct Recorder final : vmm::MmioDevice {
    MmioAccess last;
    std::uint64_t written = 0;
    bool answers = true;
    bool mmio_read(const MmioAccess& access, std::uint64_t* value) override {
        last = access;
        *value = 0x77;
        return answers;
    }
    bool mmio_write(const MmioAccess& access, std::uint64_t value) override {
        last = access;
        written = value;
        return answers;
    }
};

struct BusTest : testing::Test {
    Bus bus;
    Recorder low;
    Recorder high;
    void SetUp() override {
        ASSERT_TRUE(bus.add("high", {0x2000}, 0x1000, high).has_value());
        ASSERT_TRUE(bus.add("low", {0x1000}, 0x100, low).has_value());
    }
};

TEST_F(BusTest, access_reaches_the_device_with_offset_width_and_hart) {
    std::uint64_t value = 0;
    EXPECT_TRUE(bus.read(3, {0x2ff8}, 8, &value));
    EXPECT_EQ(value, 0x77U);
    EXPECT_EQ(high.last.offset, 0xff8U);
    EXPECT_EQ(high.last.size, 8U);
    EXPECT_EQ(high.last.hart, 3U);
    EXPECT_TRUE(bus.write(0, {0x10ff}, 1, 9));
    EXPECT_EQ(low.written, 9U);
    EXPECT_EQ(low.last.offset, 0xffU);
}

TEST_F(BusTest, nothing_answers_beside_the_devices) {
    std::uint64_t value = 0;
    for (const std::uint64_t address :
         {std::uint64_t{0},
          std::uint64_t{0xfff},
          std::uint64_t{0x1100},
          std::uint64_t{0x3000},
          std::numeric_limits<std::uint64_t>::max()}) {
        EXPECT_FALSE(bus.read(0, {address}, 1, &value)) << address;
        EXPECT_FALSE(bus.write(0, {address}, 1, 0)) << address;
    }
}

TEST_F(BusTest, misaligned_odd_sized_and_straddling_accesses_are_refused) {
    std::uint64_t value = 0;
    EXPECT_FALSE(bus.read(0, {0x2002}, 4, &value));
    EXPECT_FALSE(bus.read(0, {0x2000}, 3, &value));
    EXPECT_FALSE(bus.read(0, {0x2000}, 0, &value));
    EXPECT_FALSE(bus.read(0, {0x2000}, 16, &value));
    Recorder narrow;
    ASSERT_TRUE(bus.add("narrow", {0x8000}, 6, narrow).has_value());
    EXPECT_TRUE(bus.read(0, {0x8004}, 2, &value));
    EXPECT_FALSE(bus.read(0, {0x8004}, 4, &value));
}

TEST_F(BusTest, what_the_device_refuses_is_refused) {
    std::uint64_t value = 0;
    low.answers = false;
    EXPECT_FALSE(bus.read(0, {0x1000}, 4, &value));
    EXPECT_FALSE(bus.write(0, {0x1000}, 4, 1));
}

TEST_F(BusTest, overlapping_ranges_are_errors_that_name_both) {
    Recorder other;
    for (const auto& [base, size] :
         {std::pair{0x1000, 0x100},
          std::pair{0x0, 0x1001},
          std::pair{0x10ff, 1},
          std::pair{0x1fff, 2},
          std::pair{0x2800, 0x10},
          std::pair{0x0, 0x10000}}) {
        const auto added = bus.add(
            "other", {static_cast<std::uint64_t>(base)}, static_cast<std::uint64_t>(size), other
        );
        ASSERT_FALSE(added.has_value()) << base;
        EXPECT_NE(added.error().message.find("other"), std::string::npos);
        EXPECT_NE(added.error().message.find("overlaps"), std::string::npos);
    }
    EXPECT_TRUE(bus.add("other", {0x1100}, 0xf00, other).has_value());
}

TEST_F(BusTest, empty_and_wrapping_ranges_are_errors) {
    Recorder other;
    const std::uint64_t top = std::numeric_limits<std::uint64_t>::max();
    EXPECT_FALSE(bus.add("empty", {0x5000}, 0, other).has_value());
    EXPECT_FALSE(bus.add("wraps", {top}, 2, other).has_value());
    EXPECT_TRUE(bus.add("last byte", {top}, 1, other).has_value());
    std::uint64_t value = 0;
    EXPECT_TRUE(bus.read(0, {top}, 1, &value));
}

TEST_F(BusTest, reserved_ranges_answer_nothing_and_keep_others_out) {
    Recorder other;
    ASSERT_TRUE(bus.reserve("RAM", {0x80000000}, 0x1000).has_value());
    std::uint64_t value = 0;
    EXPECT_FALSE(bus.read(0, {0x80000000}, 4, &value));
    EXPECT_FALSE(bus.add("other", {0x80000800}, 8, other).has_value());
}

}  // namespace
