// SPDX-License-Identifier: Apache-2.0
#include "io/grants.hpp"
#include "process.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

namespace vmm::io {
namespace {

class Grants : public testing::Test {
protected:
    Grants() {
        test_support::write_file(path("file"), "text");
        std::filesystem::create_directory(path("dir"));
    }
    std::string path(const char* name) const { return (directory.path() / name).string(); }
    Grant file(const char* name = "g", const char* where = "file", bool writable = false) const {
        return {.name = name, .kind = Grant::Kind::file, .path = path(where), .writable = writable};
    }
    Grant dir(const char* name = "d", const char* where = "dir") const {
        return {.name = name, .kind = Grant::Kind::directory, .path = path(where)};
    }
    static std::string error_of(std::vector<Grant> grants) {
        const auto opened = open_grants(grants);
        EXPECT_FALSE(opened);
        EXPECT_EQ(opened.error().kind, ErrorKind::configuration);
        return opened.error().message;
    }

    test_support::TemporaryDirectory directory;
};

TEST_F(Grants, files_and_directories_are_opened_once) {
    const auto opened = open_grants(std::vector{file("a"), file("b", "file", true), dir("c")});
    ASSERT_TRUE(opened) << opened.error().message;
    ASSERT_EQ(opened->size(), 3U);
    char byte = 0;
    EXPECT_EQ(::pread((*opened)[0].file->fd(), &byte, 1, 1), 1);
    EXPECT_EQ(byte, 'e');
    EXPECT_LT(::pwrite((*opened)[0].file->fd(), "x", 1, 0), 0);
    EXPECT_EQ(::pwrite((*opened)[1].file->fd(), "x", 1, 0), 1);
    EXPECT_EQ((*opened)[2].kind, Grant::Kind::directory);
}

TEST_F(Grants, what_moves_later_is_still_what_was_granted) {
    const auto opened = open_grants(std::vector{file()});
    ASSERT_TRUE(opened);
    std::filesystem::rename(path("file"), path("old"));
    test_support::write_file(path("file"), "another");
    char bytes[5]{};
    EXPECT_EQ(::pread((*opened)[0].file->fd(), bytes, 4, 0), 4);
    EXPECT_STREQ(bytes, "text");
}

TEST_F(Grants, absent_file_names_the_grant_and_the_path) {
    const std::string said = error_of({file("data", "absent")});
    EXPECT_NE(said.find("grant data"), std::string::npos) << said;
    EXPECT_NE(said.find(path("absent")), std::string::npos) << said;
    EXPECT_NE(said.find("No such file"), std::string::npos) << said;
}

TEST_F(Grants, kinds_must_fit) {
    EXPECT_NE(error_of({file("g", "dir")}).find("dir:PATH"), std::string::npos);
    EXPECT_NE(error_of({file("g", "dir", true)}).find("dir:PATH"), std::string::npos);
    EXPECT_NE(error_of({dir("d", "file")}).find("file:PATH"), std::string::npos);
}

TEST_F(Grants, names_are_checked) {
    for (const char* name : {"", ".", "..", "a/b", "a b", "\xc3\xa4"}) {
        EXPECT_NE(error_of({file(name)}).find("name"), std::string::npos) << name;
    }
    EXPECT_NE(error_of({file(std::string(64, 'a').c_str())}).find("name"), std::string::npos);
    EXPECT_TRUE(open_grants(std::vector{file(std::string(63, 'a').c_str()), file("...")}));
}

TEST_F(Grants, two_of_one_name_are_refused) {
    EXPECT_NE(error_of({file("same"), dir("same")}).find("another grant"), std::string::npos);
}

TEST_F(Grants, a_fifo_without_a_writer_does_not_hold_up_the_start) {
    ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
    const auto opened = open_grants(std::vector{file("f", "fifo")});
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_FALSE((*opened)[0].file->seekable());
    EXPECT_EQ(::fcntl((*opened)[0].file->fd(), F_GETFL) & O_NONBLOCK, 0);
}

}  // namespace
}  // namespace vmm::io
