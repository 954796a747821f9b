// SPDX-License-Identifier: Apache-2.0
#include "elf_builder.hpp"
#include "machine/loader/file.hpp"
#include "machine/loader/kernel_image.hpp"
#include "process.hpp"

#include <gtest/gtest.h>

#include <zlib.h>

#include <cstring>
#include <string>
#include <vector>

namespace {

using vmm::GuestPhys;

constexpr vmm::RamRange kRam{{0x80000000}, 0x1000000};

/// An Image of `size` bytes with the fields of the boot-image header.
std::vector<std::byte> make_image(
    std::size_t size, std::uint64_t text_offset, std::uint64_t image_size, std::uint64_t flags = 0
) {
    std::vector<std::byte> file(size, std::byte{0x5a});
    std::memcpy(file.data() + 8, &text_offset, 8);
    std::memcpy(file.data() + 16, &image_size, 8);
    std::memcpy(file.data() + 24, &flags, 8);
    std::memcpy(file.data() + 0x30, "RISCV\0\0\0", 8);
    std::memcpy(file.data() + 0x38, "RSC\x05", 4);
    return file;
}

std::vector<std::byte> gzip(std::span<const std::byte> bytes) {
    z_stream stream{};
    EXPECT_EQ(::deflateInit2(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    std::vector<std::byte> out(::deflateBound(&stream, bytes.size()) + 64);
    stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
    stream.avail_in = static_cast<uInt>(bytes.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(::deflate(&stream, Z_FINISH), Z_STREAM_END);
    out.resize(stream.total_out);
    ::deflateEnd(&stream);
    return out;
}

std::string refusal(std::span<const std::byte> file) {
    const auto image = vmm::parse_kernel(file, "Image", kRam);
    EXPECT_FALSE(image.has_value());
    EXPECT_EQ(image.error().kind, vmm::ErrorKind::configuration);
    EXPECT_NE(image.error().message.find("kernel Image: "), std::string::npos);
    return image.error().message;
}

TEST(Image, is_placed_at_its_offset_and_occupies_its_stated_size) {
    const auto file = make_image(5000, 0x200000, 0x10000);
    const auto image = vmm::parse_kernel(file, "Image", kRam);
    ASSERT_TRUE(image.has_value()) << image.error().message;
    EXPECT_EQ(image->entry, GuestPhys{0x80200000});
    EXPECT_EQ(image->end, GuestPhys{0x80210000});
    ASSERT_EQ(image->segments.size(), 1U);
    EXPECT_EQ(image->segments[0].contents.size(), 5000U);
}

TEST(Image, size_zero_means_the_size_of_the_file) {
    const auto image = vmm::parse_kernel(make_image(5000, 0x200000, 0), "Image", kRam);
    ASSERT_TRUE(image.has_value());
    EXPECT_EQ(image->end, GuestPhys{0x80200000 + 5000});
}

TEST(Image, gzip_is_inflated) {
    const auto file = make_image(3000000, 0x200000, 4000000);
    const auto image = vmm::parse_kernel(gzip(file), "Image", kRam);
    ASSERT_TRUE(image.has_value()) << image.error().message;
    EXPECT_EQ(image->end, GuestPhys{0x80200000 + 4000000});
    ASSERT_EQ(image->segments[0].contents.size(), file.size());
    EXPECT_EQ(std::memcmp(image->segments[0].contents.data(), file.data(), file.size()), 0);
}

TEST(Image, gzipped_elf_is_accepted) {
    const std::vector<std::byte> code(64);
    const auto elf = test::ElfBuilder().load(0x80200000, code, 64).entry(0x80200000).build();
    const auto image = vmm::parse_kernel(gzip(elf), "Image", kRam);
    ASSERT_TRUE(image.has_value()) << image.error().message;
    EXPECT_EQ(image->entry, GuestPhys{0x80200000});
}

TEST(Image, truncated_gzip_is_refused) {
    const auto file = gzip(make_image(100000, 0x200000, 0));
    for (const std::size_t length :
         {std::size_t{2}, std::size_t{11}, file.size() / 2, file.size() - 9, file.size() - 1}) {
        EXPECT_NE(refusal(std::span(file).first(length)).find("truncated"), std::string::npos)
            << length;
    }
}

TEST(Image, damaged_gzip_is_refused) {
    auto file = gzip(make_image(100000, 0x200000, 0));
    file[file.size() - 6] ^= std::byte{0xff};  // its checksum
    EXPECT_NE(refusal(file).find("damaged"), std::string::npos);
}

TEST(Image, gzip_that_inflates_beyond_memory_is_stopped) {
    const std::vector<std::byte> bomb(kRam.bytes + 5000000);
    EXPECT_NE(refusal(gzip(bomb)).find("larger than the guest's memory"), std::string::npos);
}

TEST(Image, gzip_in_gzip_is_not_a_kernel) {
    EXPECT_NE(
        refusal(gzip(gzip(make_image(5000, 0x200000, 0)))).find("format is unknown"),
        std::string::npos
    );
}

TEST(Image, impossible_headers_are_refused) {
    constexpr std::uint64_t kTop = ~std::uint64_t{0};
    const auto file = make_image(5000, 0x200000, 0);
    EXPECT_NE(refusal(make_image(5000, 0x200000, 0, 1)).find("big-endian"), std::string::npos);
    EXPECT_NE(refusal(make_image(5000, 0x200001, 0)).find("load offset"), std::string::npos);
    EXPECT_NE(refusal(make_image(5000, 0x2000000, 0)).find("more than"), std::string::npos);
    EXPECT_NE(refusal(make_image(5000, 0x200000, kTop)).find("more than"), std::string::npos);
    EXPECT_NE(
        refusal(make_image(5000, kTop / 4096 * 4096, 0)).find("more than"), std::string::npos
    );
    EXPECT_NE(refusal(make_image(5000, 0x200000, kRam.bytes)).find("more than"), std::string::npos);
    EXPECT_NE(refusal(std::span(file).first(63)).find("truncated"), std::string::npos);
}

TEST(Image, other_files_are_refused_with_what_is_accepted) {
    EXPECT_NE(refusal({}).find("RISC-V Image"), std::string::npos);
    const std::string script = "#!/bin/sh\necho I am longer than sixty-four bytes, but no kernel\n";
    EXPECT_NE(
        refusal(std::as_bytes(std::span(script))).find("format is unknown"), std::string::npos
    );
}

TEST(LoaderFile, missing_files_and_directories_are_named) {
    const auto missing = vmm::read_whole_file("/nonexistent/kernel", "kernel");
    ASSERT_FALSE(missing.has_value());
    EXPECT_EQ(missing.error().kind, vmm::ErrorKind::configuration);
    EXPECT_EQ(
        missing.error().message, "cannot open kernel /nonexistent/kernel: No such file or directory"
    );
    const auto directory = vmm::read_whole_file("/", "initrd");
    ASSERT_FALSE(directory.has_value());
    EXPECT_EQ(directory.error().message, "initrd / is a directory, not a file");
    EXPECT_FALSE(vmm::write_whole_file("/nonexistent/x", "device tree file", {}).has_value());
}

TEST(LoaderFile, what_was_written_is_read) {
    const test_support::TemporaryDirectory directory;
    const std::string path = directory / "file";
    const std::vector<std::byte> bytes(10000, std::byte{7});
    ASSERT_TRUE(vmm::write_whole_file(path, "file", bytes).has_value());
    const auto back = vmm::read_whole_file(path, "file");
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(*back, bytes);
}

}  // namespace
