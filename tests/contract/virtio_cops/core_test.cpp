// SPDX-License-Identifier: Apache-2.0
// SPEC.md section 16: vCPUs that are granted and revoked.
#include "rig.hpp"

namespace virtio_cops::test {
namespace {

constexpr std::uint32_t kNone = VIRTIO_COPS_CORE_NONE;
constexpr std::uint32_t kGranted = VIRTIO_COPS_CORE_GRANTED;
constexpr std::uint32_t kRevoked = VIRTIO_COPS_CORE_REVOKED;

/// Four vCPUs, two of them the guest's own.
RigOptions two_of_four() {
    RigOptions options;
    options.device.num_vcpus = 4;
    options.device.own_vcpus = 2;
    return options;
}

std::vector<std::uint32_t> words(Rig& rig) {
    std::vector<std::uint32_t> words;
    for (unsigned vcpu = 0; vcpu < 4; ++vcpu) {
        words.push_back(core_of(rig.host_line(vcpu)));
    }
    return words;
}
using Words = std::vector<std::uint32_t>;

TEST(VC_16_1, own_vcpus_are_granted_from_the_start_and_others_are_not) {
    Rig rig(two_of_four());
    EXPECT_EQ(words(rig), (Words{kNone, kNone, kNone, kNone}));
    rig.boot();
    EXPECT_EQ(rig.driver.own_vcpus(), 2u);
    EXPECT_EQ(words(rig), (Words{kGranted, kGranted, kNone, kNone}));
}

TEST(VC_16_1, own_vcpus_stay_granted_whatever_the_host_says) {
    Rig rig(two_of_four());
    rig.boot();
    rig.host.core_sets = {.granted = 0, .revoked = 0b0111};
    rig.device.cores_changed();
    EXPECT_EQ(words(rig), (Words{kGranted, kGranted, kRevoked, kNone}));
}

TEST(VC_16_1, without_the_feature_the_words_are_0) {
    RigOptions options = two_of_four();
    options.driver.core_alloc = false;
    Rig rig(options);
    rig.boot();
    rig.host.core_sets = {.granted = 0b1100, .revoked = 0};
    rig.device.cores_changed();
    EXPECT_EQ(words(rig), (Words{kNone, kNone, kNone, kNone}));
    EXPECT_EQ(rig.driver.own_vcpus(), 0u);
    EXPECT_EQ(rig.host.config_interrupts, 0u);
}

TEST(VC_3_4, without_core_allocation_nobody_can_ask_for_vcpus) {
    RigOptions options = two_of_four();
    options.driver.core_alloc = false;
    Rig rig(options);
    rig.boot();
    EXPECT_EQ(rig.command(rig.driver.control().alloc_cpu(3, 1)), unsigned{EOPNOTSUPP});
    EXPECT_TRUE(rig.host.wanted.empty());
}

TEST(VC_16_2, impossible_numbers_of_vcpus_are_refused) {
    Rig rig(two_of_four());
    rig.boot();
    EXPECT_EQ(rig.command(rig.driver.control().alloc_cpu(0, 1)), unsigned{EINVAL});
    EXPECT_EQ(rig.command(rig.driver.control().alloc_cpu(5, 1)), unsigned{EINVAL});
    EXPECT_EQ(rig.command(rig.driver.control().alloc_cpu(~0u, 1)), unsigned{EINVAL});
    EXPECT_TRUE(rig.host.wanted.empty());
}

TEST(VC_16_3, a_grant_is_published_before_the_answer) {
    Rig rig(two_of_four());
    rig.boot();
    rig.host.on_want = [&](std::uint32_t) { rig.host.core_sets.granted = 0b0100; };
    Words at_answer;
    rig.ram.on_write = [&](std::uint64_t) { at_answer = words(rig); };
    EXPECT_EQ(rig.command(rig.driver.control().alloc_cpu(4, 1)), 0u);
    EXPECT_EQ(at_answer, (Words{kGranted, kGranted, kGranted, kNone}));
    EXPECT_EQ(rig.host.wanted, std::vector<std::uint32_t>{4});
    EXPECT_EQ(rig.host.config_interrupts, 0u);
}

TEST(VC_16_4, a_change_that_was_not_asked_for_comes_with_an_interrupt) {
    Rig rig(two_of_four());
    rig.boot();
    const std::uint32_t generation = rig.device.config_generation();
    rig.host.core_sets = {.granted = 0b1000, .revoked = 0};
    rig.device.cores_changed();
    EXPECT_EQ(words(rig), (Words{kGranted, kGranted, kNone, kGranted}));
    EXPECT_EQ(rig.host.config_interrupts, 1u);
    rig.device.cores_changed();  // nothing has changed
    EXPECT_EQ(rig.host.config_interrupts, 1u);
    rig.host.core_sets = {.granted = 0, .revoked = 0b1000};
    rig.device.cores_changed();
    EXPECT_EQ(words(rig), (Words{kGranted, kGranted, kNone, kRevoked}));
    EXPECT_EQ(rig.host.config_interrupts, 2u);
    EXPECT_EQ(rig.device.config_generation(), generation);
}

TEST(VC_16_6, a_vcpu_that_is_given_back_asks_for_nothing_any_more) {
    Rig rig(two_of_four());
    rig.boot();
    rig.host.core_sets = {.granted = 0, .revoked = 0b0100};
    rig.device.cores_changed();
    rig.device.publish(2, 30, 10, 1 << 10);
    rig.host.core_sets = {};
    rig.device.cores_changed();
    EXPECT_EQ(core_of(rig.host_line(2)), kNone);
    EXPECT_EQ(rig.host_line(2).ring_level, 0u);
    EXPECT_EQ(rig.host_line(2).yield_level, 64u);
    EXPECT_EQ(rig.host_line(2).waiting, 0u);
}

TEST(VC_16_7, a_reset_takes_everything_back) {
    Rig rig(two_of_four());
    rig.boot();
    rig.host.core_sets = {.granted = 0b1100, .revoked = 0};
    EXPECT_EQ(rig.command(rig.driver.control().alloc_cpu(4, 1)), 0u);
    rig.driver.begin_reset();
    EXPECT_EQ(rig.host.wanted, (std::vector<std::uint32_t>{4, 2}));
    EXPECT_EQ(words(rig), (Words{kNone, kNone, kNone, kNone}));
    rig.device.cores_changed();
    EXPECT_EQ(words(rig), (Words{kNone, kNone, kNone, kNone}));
}

}  // namespace
}  // namespace virtio_cops::test
