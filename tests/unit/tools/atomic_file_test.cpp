// SPDX-License-Identifier: Apache-2.0
#include "process.hpp"
#include "support.hpp"
#include "support/atomic_file.hpp"
#include "support/leftovers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tools {
namespace {

using test_support::read_file;
using ::testing::HasSubstr;

std::size_t files_in(const test_support::TemporaryDirectory& directory) {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(directory.path()), {})
    );
}

TEST(AtomicFile, appears_whole_at_commit) {
    const test_support::TemporaryDirectory directory;
    test_support::write_file(directory / "report", "old");
    {
        AtomicFile file(directory / "report");
        file.write("new");
        EXPECT_EQ(read_file(directory / "report"), "old");
        file.commit();
        EXPECT_EQ(read_file(directory / "report"), "new");
    }
    EXPECT_EQ(files_in(directory), 1U);
}

TEST(AtomicFile, leaves_nothing_without_commit) {
    const test_support::TemporaryDirectory directory;
    {
        AtomicFile file(directory / "report");
        file.write("half");
        EXPECT_EQ(files_in(directory), 1U);
    }
    EXPECT_EQ(files_in(directory), 0U);
}

TEST(AtomicFile, unfinished_ones_can_be_removed_from_anywhere) {
    const test_support::TemporaryDirectory directory;
    AtomicFile file(directory / "report");
    remove_leftovers();
    EXPECT_EQ(files_in(directory), 0U);
}

TEST(AtomicFile, a_link_is_kept_and_its_target_replaced) {
    const test_support::TemporaryDirectory directory;
    test_support::write_file(directory / "target", "old");
    std::filesystem::create_symlink("target", directory / "link");
    AtomicFile file(directory / "link");
    file.write("new");
    file.commit();
    EXPECT_TRUE(std::filesystem::is_symlink(directory / "link"));
    EXPECT_EQ(read_file(directory / "target"), "new");
}

TEST(AtomicFile, a_device_is_written_in_place) {
    AtomicFile file("/dev/null");
    file.write("gone");
    file.commit();
    EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
}

TEST(AtomicFile, a_path_that_cannot_be_written_is_told_at_once) {
    const test_support::TemporaryDirectory directory;
    for (const auto& path : {directory / "missing/report", directory.path()}) {
        const auto message =
            test::failure_of(vmm::ErrorKind::configuration, [&path] { AtomicFile file(path); });
        EXPECT_THAT(message, HasSubstr("cannot write " + path.string()));
    }
}

}  // namespace
}  // namespace tools
