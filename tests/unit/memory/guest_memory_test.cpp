// SPDX-License-Identifier: Apache-2.0
#include "memory/guest_memory.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <limits>
#include <thread>
#include <vector>

namespace {

using vmm::GuestMemory;
using vmm::GuestPhys;
using vmm::kPageSize;

constexpr GuestPhys kBase{0x80000000};
constexpr std::uint64_t kSize = 16 * kPageSize;
constexpr std::uint64_t kTop = std::numeric_limits<std::uint64_t>::max();

std::unique_ptr<GuestMemory> make_memory() {
    auto memory = GuestMemory::create(kBase, kSize);
    EXPECT_TRUE(memory.has_value());
    return std::move(*memory);
}

std::span<const std::byte> bytes_of(const auto& value) {
    return std::as_bytes(std::span(&value, 1));
}

TEST(GuestMemory, new_ram_is_zero_and_writable) {
    const auto memory = make_memory();
    std::array<std::byte, 64> bytes;
    bytes.fill(std::byte{0xff});
    EXPECT_TRUE(memory->read(kBase, bytes));
    EXPECT_EQ(bytes, (std::array<std::byte, 64>{}));
    EXPECT_EQ(memory->ram().base, kBase);
    EXPECT_EQ(memory->ram().size, kSize);
    EXPECT_TRUE(memory->ram().guest_writable);
}

TEST(GuestMemory, what_was_written_is_read_at_every_alignment_and_length) {
    const auto memory = make_memory();
    std::vector<std::byte> pattern(40);
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        pattern[i] = std::byte(i + 1);
    }
    for (std::uint64_t offset = 0; offset < 9; ++offset) {
        for (std::size_t length = 0; length <= pattern.size(); ++length) {
            const auto part = std::span(pattern).first(length);
            std::vector<std::byte> back(length);
            ASSERT_TRUE(memory->write(kBase + offset, part));
            ASSERT_TRUE(memory->read(kBase + offset, back));
            ASSERT_TRUE(std::ranges::equal(back, part)) << offset << ' ' << length;
        }
    }
}

TEST(GuestMemory, last_byte_is_inside_and_the_next_is_not) {
    const auto memory = make_memory();
    const std::uint8_t one = 1;
    EXPECT_TRUE(memory->write(kBase + (kSize - 1), bytes_of(one)));
    EXPECT_FALSE(memory->write(kBase + kSize, bytes_of(one)));
    EXPECT_FALSE(memory->write({kBase.value - 1}, bytes_of(one)));
    EXPECT_FALSE(memory->write(kBase + (kSize - 1), bytes_of(std::uint16_t{1})));
}

TEST(GuestMemory, ranges_that_wrap_are_refused) {
    const auto memory = make_memory();
    EXPECT_EQ(memory->writable_range(kBase, kTop), nullptr);
    EXPECT_EQ(memory->writable_range(kBase + 1, kTop), nullptr);
    EXPECT_EQ(memory->writable_range({kTop}, 1), nullptr);
    EXPECT_EQ(memory->writable_range({kTop}, 2), nullptr);
    EXPECT_EQ(memory->writable_range({kTop - 7}, 8), nullptr);
    EXPECT_EQ(memory->readable_range({0}, kTop), nullptr);
    EXPECT_EQ(memory->writable_range(kBase, kSize + 1), nullptr);
    EXPECT_NE(memory->writable_range(kBase, kSize), nullptr);
}

TEST(GuestMemory, refused_write_copies_nothing) {
    const auto memory = make_memory();
    const std::array<std::uint64_t, 2> words{1, 2};
    EXPECT_FALSE(memory->write(kBase + (kSize - 8), std::as_bytes(std::span(words))));
    std::uint64_t last = 7;
    EXPECT_TRUE(memory->read(kBase + (kSize - 8), std::as_writable_bytes(std::span(&last, 1))));
    EXPECT_EQ(last, 0U);
}

TEST(GuestMemory, host_region_is_readable_but_not_writable_for_the_guest) {
    const auto memory = make_memory();
    const auto region = memory->add_host_region({0x11000000}, kPageSize);
    ASSERT_TRUE(region.has_value());
    (*region)[5] = std::byte{42};
    std::uint8_t value = 0;
    EXPECT_TRUE(memory->read({0x11000005}, std::as_writable_bytes(std::span(&value, 1))));
    EXPECT_EQ(value, 42);
    EXPECT_FALSE(memory->write({0x11000005}, bytes_of(value)));
    EXPECT_EQ(memory->writable_range({0x11000000}, 1), nullptr);
    EXPECT_EQ(memory->readable_range({0x11000000}, kPageSize + 1), nullptr);
}

TEST(GuestMemory, host_region_over_other_memory_is_refused) {
    const auto memory = make_memory();
    EXPECT_FALSE(memory->add_host_region(kBase, kPageSize).has_value());
    EXPECT_FALSE(memory->add_host_region({kBase.value - kPageSize}, 2 * kPageSize).has_value());
    EXPECT_FALSE(memory->add_host_region({0x11000001}, kPageSize).has_value());
    EXPECT_FALSE(memory->add_host_region({0x11000000}, 100).has_value());
    EXPECT_FALSE(memory->add_host_region({kTop - kPageSize + 1}, kPageSize).has_value());
    EXPECT_TRUE(memory->add_host_region({kBase.value - kPageSize}, kPageSize).has_value());
}

TEST(GuestMemory, impossible_sizes_are_errors_not_crashes) {
    EXPECT_EQ(GuestMemory::create(kBase, 0).error().kind, vmm::ErrorKind::configuration);
    EXPECT_EQ(GuestMemory::create(kBase, 4097).error().kind, vmm::ErrorKind::configuration);
    EXPECT_EQ(
        GuestMemory::create(kBase, kTop / kPageSize * kPageSize).error().kind,
        vmm::ErrorKind::configuration
    );
    const auto huge = GuestMemory::create(kBase, std::uint64_t{1} << 62);
    ASSERT_FALSE(huge.has_value());
    EXPECT_EQ(huge.error().kind, vmm::ErrorKind::unavailable);
    EXPECT_NE(huge.error().message.find("4611686018427387904 bytes"), std::string::npos);
}

struct Recorder final : vmm::WriteObserver {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> seen;
    void memory_written(GuestPhys address, std::uint64_t bytes) noexcept override {
        seen.emplace_back(address.value, bytes);
    }
};

TEST(GuestMemory, observers_hear_of_each_successful_write) {
    const auto memory = make_memory();
    Recorder recorder;
    memory->add_observer(&recorder);
    EXPECT_TRUE(memory->write(kBase + 8, bytes_of(std::uint32_t{1})));
    EXPECT_FALSE(memory->write({0}, bytes_of(std::uint32_t{1})));
    memory->note_write(kBase + 100, 50);
    const std::vector<std::pair<std::uint64_t, std::uint64_t>> expected{
        {kBase.value + 8, 4}, {kBase.value + 100, 50}
    };
    EXPECT_EQ(recorder.seen, expected);
}

TEST(GuestMemory, cleared_ram_is_zero_and_unused) {
    const auto memory = make_memory();
    ASSERT_TRUE(memory->write(kBase + 3 * kPageSize, bytes_of(std::uint64_t{~0ULL})));
    const auto used = memory->next_used(0);
    EXPECT_EQ(used.offset, 3 * kPageSize);
    EXPECT_EQ(used.bytes, kPageSize);
    EXPECT_EQ(memory->next_used(used.offset + used.bytes).bytes, 0U);
    ASSERT_TRUE(memory->clear_ram().has_value());
    std::uint64_t word = 1;
    EXPECT_EQ(memory->next_used(0).bytes, 0U);
    EXPECT_TRUE(memory->read(kBase + 3 * kPageSize, std::as_writable_bytes(std::span(&word, 1))));
    EXPECT_EQ(word, 0U);
}

TEST(GuestMemory, words_never_tear_between_threads) {
    const auto memory = make_memory();
    constexpr int kRounds = 20000;
    std::jthread writer([&memory] {
        for (int i = 0; i < kRounds; ++i) {
            const std::uint64_t word = i % 2 == 0 ? 0 : ~std::uint64_t{0};
            EXPECT_TRUE(memory->write(kBase, bytes_of(word)));
        }
    });
    int torn = 0;
    for (int i = 0; i < kRounds; ++i) {
        std::uint64_t word = 0;
        EXPECT_TRUE(memory->read(kBase, std::as_writable_bytes(std::span(&word, 1))));
        torn += static_cast<int>(word != 0 && word != ~std::uint64_t{0});
    }
    EXPECT_EQ(torn, 0);
}

}  // namespace
