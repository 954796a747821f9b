// SPDX-License-Identifier: Apache-2.0
#include "elf_builder.hpp"
#include "machine/loader/kernel_image.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace {

using test::ElfBuilder;
using vmm::GuestPhys;

constexpr vmm::RamRange kRam{{0x80000000}, 0x100000};
constexpr std::uint64_t kTop = ~std::uint64_t{0};
const std::array<std::byte, 16> kCode{std::byte{0x13}};

ElfBuilder good() {
    return ElfBuilder().load(0x80010000, kCode, 64).entry(0x80010004);
}

/// The message with which `builder`'s file is refused.
std::string refusal(const ElfBuilder& builder) {
    const auto file = builder.build();
    const auto image = vmm::parse_elf(file, "k.elf", kRam);
    EXPECT_FALSE(image.has_value());
    EXPECT_EQ(image.error().kind, vmm::ErrorKind::configuration);
    EXPECT_NE(image.error().message.find("kernel k.elf: "), std::string::npos);
    EXPECT_NE(image.error().message.find("is accepted"), std::string::npos);
    return image.error().message;
}

TEST(Elf, segments_entry_and_end_are_physical) {
    auto builder = good();
    builder.load(0x80020000, kCode, 16);
    builder.segments[0].p_vaddr = 0xffffffff80010000;
    builder.entry(0xffffffff80010008);
    const auto file = builder.build();
    const auto image = vmm::parse_elf(file, "k.elf", kRam);
    ASSERT_TRUE(image.has_value()) << image.error().message;
    EXPECT_EQ(image->entry, GuestPhys{0x80010008});
    EXPECT_EQ(image->end, GuestPhys{0x80020010});
    ASSERT_EQ(image->segments.size(), 2U);
    EXPECT_EQ(image->segments[0].address, GuestPhys{0x80010000});
    EXPECT_EQ(image->segments[0].bytes, 64U);
    EXPECT_EQ(image->segments[0].contents.size(), 16U);
    EXPECT_EQ(image->segments[0].contents[0], std::byte{0x13});
}

TEST(Elf, position_independent_static_files_are_accepted) {
    auto builder = good();
    builder.header.e_type = ET_DYN;
    EXPECT_TRUE(vmm::parse_elf(builder.build(), "k.elf", kRam).has_value());
}

TEST(Elf, segment_may_fill_ram_exactly) {
    const auto builder = ElfBuilder().load(0x80000000, kCode, 0x100000).entry(0x80000000);
    EXPECT_TRUE(vmm::parse_elf(builder.build(), "k.elf", kRam).has_value());
}

TEST(Elf, every_truncation_is_refused) {
    const auto file = good().build();
    for (std::size_t length = 0; length < file.size(); ++length) {
        const auto image = vmm::parse_elf(std::span(file).first(length), "k.elf", kRam);
        ASSERT_FALSE(image.has_value()) << length;
        EXPECT_NE(image.error().message.find("truncated"), std::string::npos) << length;
    }
}

TEST(Elf, wrong_kind_of_file_is_named) {
    auto builder = good();
    builder.header.e_ident[EI_CLASS] = ELFCLASS32;
    EXPECT_NE(refusal(builder).find("not 64-bit"), std::string::npos);
    builder = good();
    builder.header.e_ident[EI_DATA] = ELFDATA2MSB;
    EXPECT_NE(refusal(builder).find("not little-endian"), std::string::npos);
    builder = good();
    builder.header.e_machine = EM_X86_64;
    EXPECT_NE(refusal(builder).find("another architecture"), std::string::npos);
    builder = good();
    builder.header.e_type = ET_REL;
    EXPECT_NE(refusal(builder).find("not an executable"), std::string::npos);
    builder = good();
    builder.header.e_version = 9;
    EXPECT_NE(refusal(builder).find("version"), std::string::npos);
    builder = good();
    builder.header.e_phentsize = 1;
    EXPECT_NE(refusal(builder).find("impossible size"), std::string::npos);
    builder = good();
    builder.segments.clear();
    EXPECT_NE(refusal(builder).find("no program headers"), std::string::npos);
    builder = good();
    builder.segments[0].p_type = PT_NOTE;
    EXPECT_NE(refusal(builder).find("nothing to load"), std::string::npos);
    builder = good();
    builder.segments.push_back({.p_type = PT_INTERP});
    EXPECT_NE(refusal(builder).find("dynamically linked"), std::string::npos);
}

TEST(Elf, segments_outside_of_ram_are_refused) {
    for (const auto& [address, size] :
         {std::pair<std::uint64_t, std::uint64_t>{0x7fffffff, 16},
          {0x800ffff1, 16},
          {0x80100000, 16},
          {0, 16},
          {kTop, 16},
          {kTop - 15, 16},
          {0x80000000, 0x100001},
          {0x80000010, kTop},
          {0x80000010, kTop - 15}}) {
        const auto builder = ElfBuilder().load(address, kCode, size).entry(address);
        EXPECT_NE(refusal(builder).find("outside of the guest's memory"), std::string::npos)
            << address;
    }
}

TEST(Elf, file_ranges_that_wrap_are_refused) {
    auto builder = good();
    builder.segments[0].p_filesz = kTop;
    builder.segments[0].p_memsz = kTop;
    refusal(builder);
    builder = good();
    builder.segments[0].p_offset = kTop - 1000;
    refusal(builder);
    builder = good();
    builder.header.e_phoff = kTop - 10;
    EXPECT_NE(refusal(builder).find("truncated"), std::string::npos);
}

TEST(Elf, segment_larger_in_the_file_than_in_memory_is_refused) {
    EXPECT_NE(
        refusal(ElfBuilder().load(0x80010000, kCode, 8).entry(0x80010000))
            .find("larger in the file"),
        std::string::npos
    );
}

TEST(Elf, overlapping_segments_are_refused_in_any_order) {
    auto builder = good();
    builder.load(0x8001003f, kCode, 16);
    EXPECT_NE(refusal(builder).find("overlap"), std::string::npos);
    builder = ElfBuilder().load(0x80020000, kCode, 16).load(0x80010000, kCode, 0x20000);
    builder.entry(0x80010000);
    EXPECT_NE(refusal(builder).find("overlap"), std::string::npos);
    builder = ElfBuilder().load(0x80010000, kCode, 16).load(0x80010000, kCode, 16);
    builder.entry(0x80010000);
    EXPECT_NE(refusal(builder).find("overlap"), std::string::npos);
}

TEST(Elf, entry_outside_of_the_segments_is_refused) {
    auto builder = good();
    for (const std::uint64_t entry :
         {std::uint64_t{0}, std::uint64_t{0x8000ffff}, std::uint64_t{0x80010040}, kTop}) {
        EXPECT_NE(refusal(builder.entry(entry)).find("entry point"), std::string::npos) << entry;
    }
    EXPECT_NE(refusal(builder.entry(0x80010001)).find("odd"), std::string::npos);
}

}  // namespace
