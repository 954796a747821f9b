// SPDX-License-Identifier: Apache-2.0
#include "boot/boot_archive.hpp"

#include <gtest/gtest.h>

namespace tools {
namespace {

std::string archive(const std::vector<std::uint8_t>& app, const std::vector<std::string>& words) {
    const std::vector<std::string> environment{"A=1", "B="};
    const auto bytes = make_boot_archive(app, words, environment);
    return {bytes.begin(), bytes.end()};
}

TEST(BootArchive, a_reader_of_cpio_archives_finds_the_files) {
    // Debian's python3 has no cpio, so this walks the archive by the format's text.
    const std::string text = archive({1, 2, 3, 4, 5}, {"app", "x y", ""});
    std::size_t at = 0;
    std::vector<std::pair<std::string, std::string>> files;
    const auto field = [&](std::size_t index) {
        return std::stoul(text.substr(at + 6 + 8 * index, 8), nullptr, 16);
    };
    const auto aligned = [](std::size_t offset) { return (offset + 3) & ~std::size_t{3}; };
    while (at + 110 <= text.size()) {
        ASSERT_EQ(text.substr(at, 6), "070701");
        const std::size_t size = field(6);
        const std::size_t name_size = field(11);
        const std::string name = text.substr(at + 110, name_size - 1);
        const std::size_t contents = aligned(at + 110 + name_size);
        files.emplace_back(name, text.substr(contents, size));
        at = aligned(contents + size);
    }
    EXPECT_EQ(at, text.size());
    ASSERT_EQ(files.size(), 4U);
    EXPECT_EQ(files[0], std::pair(std::string("app"), std::string("\1\2\3\4\5")));
    EXPECT_EQ(files[1], std::pair(std::string("argv"), std::string("app\0x y\0\0", 9)));
    EXPECT_EQ(files[2], std::pair(std::string("env"), std::string("A=1\0B=\0", 7)));
    EXPECT_EQ(files[3].first, "TRAILER!!!");
}

TEST(BootArchive, an_archive_may_follow) {
    for (std::size_t size = 0; size < 8; ++size) {
        EXPECT_EQ(archive(std::vector<std::uint8_t>(size), {"a"}).size() % 4, 0U);
    }
}

}  // namespace
}  // namespace tools
