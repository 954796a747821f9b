// SPDX-License-Identifier: Apache-2.0
#include "machine/loader/placement.hpp"

#include <gtest/gtest.h>

namespace {

using vmm::GuestPhys;

constexpr vmm::RamRange kRam{{0x80000000}, 0x1000000};
constexpr GuestPhys kRamEnd{0x81000000};

TEST(Placement, device_tree_is_at_the_top_and_initrd_below_it) {
    const auto placement = vmm::place(kRam, {0x80300000}, 5000);
    ASSERT_TRUE(placement.has_value());
    EXPECT_EQ(placement->device_tree.value + vmm::kDeviceTreeRoom, kRamEnd.value);
    EXPECT_EQ(placement->initrd.value % vmm::kPageSize, 0U);
    EXPECT_LE(placement->initrd.value + 5000, placement->device_tree.value);
    EXPECT_EQ(placement->initrd_bytes, 5000U);
}

TEST(Placement, initrd_may_fill_what_is_left_exactly) {
    const std::uint64_t room = kRamEnd.value - vmm::kDeviceTreeRoom - 0x80300000;
    const auto placement = vmm::place(kRam, {0x80300000}, room);
    ASSERT_TRUE(placement.has_value());
    EXPECT_EQ(placement->initrd, GuestPhys{0x80300000});
    EXPECT_FALSE(vmm::place(kRam, {0x80300000}, room + 1).has_value());
    EXPECT_FALSE(vmm::place(kRam, {0x80300001}, room - 1).has_value()) << "pages would overlap";
}

TEST(Placement, initrd_that_does_not_fit_is_a_configuration_error_with_the_sizes) {
    for (const std::uint64_t bytes : {std::uint64_t{0x1000000}, ~std::uint64_t{0}}) {
        const auto placement = vmm::place(kRam, {0x80300000}, bytes);
        ASSERT_FALSE(placement.has_value());
        EXPECT_EQ(placement.error().kind, vmm::ErrorKind::configuration);
        EXPECT_NE(placement.error().message.find("does not fit"), std::string::npos);
        EXPECT_NE(placement.error().message.find(std::to_string(bytes)), std::string::npos);
    }
}

TEST(Placement, kernel_that_leaves_no_room_for_the_device_tree_is_an_error) {
    const auto placement = vmm::place(kRam, kRamEnd, 0);
    ASSERT_FALSE(placement.has_value());
    EXPECT_NE(placement.error().message.find("device tree"), std::string::npos);
    EXPECT_FALSE(vmm::place(kRam, {kRamEnd.value - vmm::kDeviceTreeRoom + 1}, 0).has_value());
    EXPECT_TRUE(vmm::place(kRam, {kRamEnd.value - vmm::kDeviceTreeRoom}, 0).has_value());
    EXPECT_FALSE(vmm::place({{0x80000000}, 4096}, {0x80000001}, 0).has_value());
}

}  // namespace
