// SPDX-License-Identifier: Apache-2.0
#include "devices/plic/plic.hpp"
#include "memory/state.hpp"

#include <gtest/gtest.h>

#include <map>
#include <thread>
#include <vector>

namespace {

using vmm::Plic;

struct Lines final : vmm::ExternalInterruptSink {
    std::map<unsigned, bool> asserted;
    int changes = 0;
    void set_external_interrupt(unsigned hart, bool on) override {
        asserted[hart] = on;
        ++changes;
    }
};

constexpr std::uint64_t priority(unsigned source) {
    return 4 * source;
}
constexpr std::uint64_t kPending = 0x1000;
/// Registers of hart h's S-mode context.
constexpr std::uint64_t enable(unsigned hart) {
    return 0x2000 + 0x80 * (2 * hart + 1);
}
constexpr std::uint64_t threshold(unsigned hart) {
    return 0x200000 + 0x1000 * (2 * hart + 1);
}
constexpr std::uint64_t claim(unsigned hart) {
    return threshold(hart) + 4;
}

struct PlicTest : testing::Test {
    Lines lines;
    Plic plic{2, lines};

    std::uint32_t read(std::uint64_t offset) {
        std::uint64_t value = 0xdead;
        EXPECT_TRUE(plic.mmio_read({offset, 4, 0}, &value));
        return static_cast<std::uint32_t>(value);
    }
    void write(std::uint64_t offset, std::uint32_t value) {
        EXPECT_TRUE(plic.mmio_write({offset, 4, 0}, value));
    }
    /// Source enabled for hart with a priority.
    void route(unsigned source, unsigned hart, std::uint32_t level) {
        write(priority(source), level);
        write(enable(hart), read(enable(hart)) | 1U << source);
    }
};

TEST_F(PlicTest, raised_line_reaches_the_enabled_hart_only) {
    route(10, 1, 1);
    plic.set_level(10, true);
    EXPECT_TRUE(lines.asserted[1]);
    EXPECT_FALSE(lines.asserted[0]);
    EXPECT_EQ(read(kPending), 1U << 10);
}

TEST_F(PlicTest, claim_hands_out_a_source_once_until_completed) {
    route(10, 0, 1);
    plic.set_level(10, true);
    EXPECT_EQ(read(claim(0)), 10U);
    EXPECT_FALSE(lines.asserted[0]);
    EXPECT_EQ(read(claim(0)), 0U);
    EXPECT_EQ(read(kPending), 0U);
    write(claim(0), 10);
    EXPECT_TRUE(lines.asserted[0]) << "the line is still high";
}

TEST_F(PlicTest, lowered_line_is_forgotten_after_completion) {
    route(10, 0, 1);
    plic.set_level(10, true);
    EXPECT_EQ(read(claim(0)), 10U);
    plic.set_level(10, false);
    write(claim(0), 10);
    EXPECT_FALSE(lines.asserted[0]);
    EXPECT_EQ(read(claim(0)), 0U);
}

TEST_F(PlicTest, higher_priority_goes_first_and_lower_number_among_equals) {
    route(3, 0, 2);
    route(4, 0, 5);
    route(5, 0, 5);
    plic.set_level(3, true);
    plic.set_level(5, true);
    plic.set_level(4, true);
    EXPECT_EQ(read(claim(0)), 4U);
    EXPECT_EQ(read(claim(0)), 5U);
    EXPECT_EQ(read(claim(0)), 3U);
    EXPECT_EQ(read(claim(0)), 0U);
}

TEST_F(PlicTest, threshold_masks_up_to_its_own_priority) {
    route(7, 0, 3);
    write(threshold(0), 3);
    plic.set_level(7, true);
    EXPECT_FALSE(lines.asserted[0]);
    write(threshold(0), 2);
    EXPECT_TRUE(lines.asserted[0]);
}

TEST_F(PlicTest, priority_zero_never_interrupts) {
    route(7, 0, 0);
    plic.set_level(7, true);
    EXPECT_FALSE(lines.asserted[0]);
    EXPECT_EQ(read(claim(0)), 0U);
}

TEST_F(PlicTest, disabling_lowers_the_line) {
    route(7, 0, 1);
    plic.set_level(7, true);
    write(enable(0), 0);
    EXPECT_FALSE(lines.asserted[0]);
}

TEST_F(PlicTest, completion_of_a_source_not_enabled_here_is_ignored) {
    route(7, 0, 1);
    plic.set_level(7, true);
    EXPECT_EQ(read(claim(0)), 7U);
    write(claim(1), 7);
    EXPECT_FALSE(lines.asserted[0]);
    write(claim(0), 7);
    EXPECT_TRUE(lines.asserted[0]);
}

TEST_F(PlicTest, one_source_enabled_on_two_harts_is_claimed_by_one) {
    route(7, 0, 1);
    route(7, 1, 1);
    plic.set_level(7, true);
    EXPECT_TRUE(lines.asserted[0] && lines.asserted[1]);
    EXPECT_EQ(read(claim(1)), 7U);
    EXPECT_FALSE(lines.asserted[0] || lines.asserted[1]);
    EXPECT_EQ(read(claim(0)), 0U);
}

TEST_F(PlicTest, machine_mode_contexts_lead_nowhere) {
    write(priority(7), 1);
    write(0x2000, 1U << 7);
    plic.set_level(7, true);
    EXPECT_EQ(lines.changes, 0);
}

TEST_F(PlicTest, priorities_and_thresholds_keep_three_bits_and_source_zero_none) {
    write(priority(1), 0xffffffff);
    write(priority(0), 7);
    write(threshold(0), 0xffffffff);
    write(enable(0), 0xffffffff);
    EXPECT_EQ(read(priority(1)), 7U);
    EXPECT_EQ(read(priority(0)), 0U);
    EXPECT_EQ(read(threshold(0)), 7U);
    EXPECT_EQ(read(enable(0)), 0xfffffffeU);
}

TEST_F(PlicTest, wild_offsets_values_and_sources_are_harmless) {
    for (std::uint64_t offset = 0; offset < Plic::kSize; offset += 0x1004) {
        write(offset / 4 * 4, 0xffffffff);
        read(offset / 4 * 4);
    }
    write(claim(0), 0xffffffff);
    write(0x200000 + 0x1000 * 63, 1);
    EXPECT_EQ(read(0x200000 + 0x1000 * 63), 0U);
    plic.set_level(0, true);
    plic.set_level(32, true);
    plic.set_level(~0U, true);
    std::uint64_t value = 0;
    EXPECT_FALSE(plic.mmio_read({0, 1, 0}, &value));
    EXPECT_FALSE(plic.mmio_write({0, 8, 0}, 1));
}

TEST_F(PlicTest, saved_state_continues_in_another) {
    route(3, 0, 2);
    route(4, 1, 2);
    plic.set_level(3, true);
    plic.set_level(4, true);
    EXPECT_EQ(read(claim(1)), 4U);
    vmm::StateWriter out;
    plic.save(out);

    Lines other_lines;
    Plic other(2, other_lines);
    vmm::StateReader in(out.bytes());
    ASSERT_TRUE(other.load(in).has_value());
    EXPECT_TRUE(in.at_end());
    EXPECT_TRUE(other_lines.asserted[0]);
    EXPECT_FALSE(other_lines.asserted[1]) << "claimed before the save";
    EXPECT_TRUE(other.mmio_write({claim(1), 4, 0}, 4));
    EXPECT_TRUE(other_lines.asserted[1]);
}

TEST_F(PlicTest, damaged_state_is_refused) {
    vmm::StateWriter out;
    plic.save(out);
    auto bytes = out.take();
    vmm::StateReader truncated(std::span(bytes).first(bytes.size() - 1));
    EXPECT_FALSE(plic.load(truncated).has_value());
    bytes[4] = std::byte{8};  // threshold of context 0, above the largest priority
    vmm::StateReader wild(bytes);
    EXPECT_FALSE(plic.load(wild).has_value());
}

TEST_F(PlicTest, lines_and_claims_from_several_threads_lose_nothing) {
    route(1, 0, 1);
    route(2, 0, 1);
    constexpr unsigned kRounds = 2000;
    std::vector<std::jthread> devices;
    for (const unsigned source : {1U, 2U}) {
        devices.emplace_back([this, source] {
            for (unsigned i = 0; i < kRounds; ++i) {
                plic.set_level(source, i % 2 == 0);
            }
            plic.set_level(source, true);
        });
    }
    for (unsigned i = 0; i < kRounds; ++i) {
        write(claim(0), read(claim(0)));
    }
    devices.clear();
    EXPECT_TRUE(lines.asserted[0]);
    EXPECT_EQ(read(kPending), 0b110U);
}

}  // namespace
