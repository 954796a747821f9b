// SPDX-License-Identifier: Apache-2.0
// Applications in a guest: programs of the stock toolchain, files of the host.
#include "command.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <filesystem>

namespace {

using command::guest;
using command::run;
using ::testing::HasSubstr;

TEST(Application, hello_in_c_by_the_stock_compiler_runs_unmodified) {
    const auto result = run({"run", "--", guest("hello-c"), "one", "two words"});
    EXPECT_EQ(result.out, "hello from C, 3 words, last two words\n");
    EXPECT_EQ(result.exit_code, 64 + 7) << result.err;
}

TEST(Application, hello_in_cpp_by_the_stock_compiler_runs_unmodified) {
    const auto result =
        run({"run", "--env", "GREETING=bonjour", guest("hello-cpp"), "b", "a", "--cpus"});
    EXPECT_EQ(
        result.out,
        "hello from C++, caught " + guest("hello-cpp") + " --cpus a b bonjour\nto stderr\n"
    );
    EXPECT_EQ(result.exit_code, 64 + 9) << result.err;
}

TEST(Application, runs_on_several_harts_and_workers) {
    for (const char* cpus : {"1", "2", "4"}) {
        for (const char* workers : {"1", "2"}) {
            const auto result = run({"run", "--cpus", cpus, "--workers", workers, "hello"});
            EXPECT_EQ(result.exit_code, 0) << cpus << " " << workers << result.err;
        }
    }
}

TEST(Application, hashes_a_host_file_as_the_host_does) {
    const std::string file = std::string(COPS_SOURCE_DIR) + "/README.md";
    const auto ours =
        run({"run", "--cpus", "2", "--grant", "f=file:README.md:ro", "--", "sha256sum", "/host/f"},
            {.directory = COPS_SOURCE_DIR});
    const auto theirs = test_support::run_process({"sha256sum", file});
    EXPECT_EQ(ours.exit_code, 0) << ours.err;
    EXPECT_EQ(ours.out.substr(0, 64), theirs.out.substr(0, 64));
    EXPECT_EQ(ours.out.substr(64), "  /host/f\n");
}

TEST(Application, reads_a_granted_folder_and_nothing_beside_it) {
    const test_support::TemporaryDirectory directory;
    std::filesystem::create_directory(directory / "in");
    test_support::write_file(directory / "in/file", "abc");
    test_support::write_file(directory / "secret", "abc");
    std::filesystem::create_symlink("../secret", directory / "in/link");
    const std::string grant = "d=dir:" + (directory / "in").string();
    const auto hash = [&grant](const std::string& path) {
        return run({"run", "--grant", grant, "--", "sha256sum", path});
    };
    EXPECT_THAT(hash("/host/d/file").out, HasSubstr("ba7816bf"));
    for (const char* path :
         {"/host/d/../secret", "/host/d/link", "/host/e", "/host/d/missing", "/etc/passwd"}) {
        const auto result = hash(path);
        EXPECT_EQ(result.exit_code, 65) << path << result.out << result.err;
    }
}

/// It said 100 % when the first of several files was hashed and the others had not been opened.
TEST(Application, progress_of_digest_counts_files_that_wait) {
    const test_support::TemporaryDirectory directory;
    for (const char* name : {"urgent-0", "urgent-1", "urgent-2", "patient-0"}) {
        test_support::write_file(directory / name, std::string(300'000, 'x'));
    }
    const auto result = run(
        {"run",
         "--grant",
         "d=dir:" + directory.path().string(),
         "--",
         "digest",
         "--urgent",
         "3",
         "/host/d"}
    );
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.out, HasSubstr("progress level=2 percent=100 bytes=900000\n"));
    EXPECT_THAT(result.out, HasSubstr("progress level=20 percent=100 bytes=300000\n"));
}

TEST(Application, more_archives_add_files) {
    const test_support::TemporaryDirectory directory;
    const std::string archive = directory / "more.cpio";
    test_support::write_file(directory / "extra", "abc");
    const auto made = test_support::run_process(
        {std::string(COPS_SOURCE_DIR) + "/tests/support/mkinitramfs.py",
         archive,
         "file extra " + (directory / "extra").string()}
    );
    ASSERT_EQ(made.exit_code, 0) << made.err;
    const auto result = run({"run", "--initrd", archive, "--", "sha256sum", "/extra"});
    EXPECT_THAT(result.out, HasSubstr("ba7816bf")) << result.err;
}

TEST(Application, knows_the_date) {
    const auto before = std::time(nullptr);
    const auto result = run({"run", "--", guest("date")});
    const auto after = std::time(nullptr);
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_GE(std::stoll(result.out), before);
    EXPECT_LE(std::stoll(result.out), after);
    // Who wants another date says so.
    EXPECT_EQ(
        run({"run", "--cmdline", "boot_time=86400000000000", "--", guest("date")}).out, "86400\n"
    );
}

TEST(Application, opens_as_many_files_as_its_guest_may_and_no_more) {
    const std::string grant = "f=file:" + std::string(COPS_SOURCE_DIR) + "/README.md";
    const auto opens = [&grant](const std::string& limit) {
        return run(
            {"run", "--open-files", limit, "--grant", grant, "--", guest("open-files"), "/host/f"}
        );
    };
    const std::string eight = "8 files, then: Too many open files in system\n";
    EXPECT_EQ(opens("8").out, eight + eight);
    // The guest's own limit: 256 in each process, three of them taken.
    const std::string process = "253 files, then: Too many open files\n";
    EXPECT_EQ(opens("1024").out, process + process);
}

TEST(Application, leaves_the_process_the_files_that_it_needs_itself) {
    const test_support::TemporaryDirectory directory;
    const std::string report = directory / "report.json";
    const auto result = test_support::run_process(
        {"sh",
         "-c",
         "ulimit -n 200; exec \"$@\"",
         "sh",
         COPS_COMMAND,
         "run",
         "--json",
         report,
         "--grant",
         "d=dir:" + std::string(COPS_SOURCE_DIR),
         "--",
         guest("open-files"),
         "/host/d/README.md"}
    );
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.out, HasSubstr(" files, then: Too many open files in system\n"));
    EXPECT_THAT(result.err, HasSubstr("instead of 1024"));
    EXPECT_TRUE(std::filesystem::exists(report));
}

}  // namespace
