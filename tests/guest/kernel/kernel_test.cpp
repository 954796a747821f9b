// SPDX-License-Identifier: Apache-2.0
// The guest kernel seen from a program and from the command line.
#include "process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

namespace {

using test_support::ProcessOptions;
using test_support::ProcessResult;
using test_support::run_process;
using test_support::TemporaryDirectory;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Words = std::vector<std::string>;

std::string program(const std::string& name) {
    return std::string(COPS_GUEST_PROGRAM_DIR) + "/" + name;
}

ProcessResult run(const Words& app, const Words& options = {}) {
    Words command = {COPS_COMMAND, "run"};
    command.insert(command.end(), options.begin(), options.end());
    command.emplace_back("--");
    command.insert(command.end(), app.begin(), app.end());
    return run_process(command);
}

class OnHarts : public ::testing::TestWithParam<const char*> {
protected:
    Words options(const Words& more = {}) const {
        Words all = {"--cpus", GetParam()};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }
};

TEST_P(OnHarts, c_program_gets_arguments_and_environment_and_returns_its_status) {
    const ProcessResult result =
        run({program("kernel_hello"), "5", "two words"}, options({"--env", "KERNEL_TEST=set"}));
    EXPECT_EQ(result.exit_code, 64 + 5) << result.err;
    EXPECT_EQ(result.out, "argument 1: 5\nargument 2: two words\nenvironment: set\n");
}

TEST_P(OnHarts, cpp_program_throws_computes_and_reads_files) {
    const TemporaryDirectory directory;
    test_support::write_file(directory / "note", "a line of the host\nanother\n");
    const ProcessResult result =
        run({program("kernel_hello_cpp"), "/host/note"},
            options({"--grant", "note=file:" + (directory / "note").string()}));
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
    EXPECT_EQ(result.out, "thrown and caught\n1000 12\n/host/note: a line of the host\n");
}

TEST_P(OnHarts, cpp_program_walks_and_writes_a_folder_of_the_host) {
    const TemporaryDirectory directory;
    const std::filesystem::path root = directory / "root";
    std::filesystem::create_directories(root / "sub");
    std::filesystem::create_directory(root / "many");
    test_support::write_file(root / "a.txt", "one\n");
    test_support::write_file(root / "sub" / "b.txt", "two two\n");
    for (int i = 0; i < 300; ++i) {
        test_support::write_file(root / "many" / std::to_string(i), "");
    }
    const ProcessResult result =
        run({program("kernel_filesystem"), "/host/d"},
            options({"--grant", "d=dir:" + root.string() + ":rw"}));
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
    EXPECT_THAT(result.out, HasSubstr("filesystem: all passed"));
}

TEST_P(OnHarts, hostile_system_calls_harm_nothing) {
    const ProcessResult result = run({program("kernel_calls")}, options());
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
    EXPECT_THAT(result.out, HasSubstr("survived thousands of calls\n"));
}

TEST_P(OnHarts, memory_exhaustion_makes_malloc_fail) {
    const ProcessResult result =
        run({program("kernel_faults"), "exhaust"}, options({"--memory", "64M"}));
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(result.out, "malloc gave up after many blocks\n");
}

INSTANTIATE_TEST_SUITE_P(Harts, OnHarts, ::testing::Values("1", "2"));

struct Fault {
    const char* how;
    int status;
    const char* line;
};

class Faults : public ::testing::TestWithParam<Fault> {};

TEST_P(Faults, fault_ends_the_process_with_one_clear_line) {
    const ProcessResult result = run({program("kernel_faults"), GetParam().how});
    EXPECT_EQ(result.exit_code, 127);  // 64 + status is above what an exit code holds
    EXPECT_THAT(result.err, HasSubstr("status " + std::to_string(GetParam().status)));
    EXPECT_THAT(result.out, ContainsRegex(GetParam().line));
    EXPECT_LE(std::count(result.out.begin(), result.out.end(), '\n'), 1) << result.out;
}

INSTANTIATE_TEST_SUITE_P(
    Kinds,
    Faults,
    ::testing::Values(
        Fault{"null", 139, "store to 0x10: page fault at pc .*nothing is mapped there.*signal 11"},
        Fault{"kernel", 139, "load from 0xffffffc080200000: page fault .*the kernel's memory"},
        Fault{"jump", 139, "jump to 0x1234560: page fault at pc 0x1234560"},
        Fault{"illegal", 132, "illegal instruction at pc .*signal 4"},
        Fault{"stack", 139, "store to .*: page fault at pc .*: stack overflow"},
        Fault{"abort", 134, ""}
    )
);

TEST(Kernel, console_carries_the_program_only) {
    const ProcessResult result = run({program("kernel_hello")});
    EXPECT_EQ(result.out, "environment: (none)\n");
}

// No virtio-cops and no N extension there: another machine, another SBI.
TEST(Kernel, runs_on_qemu_virt) {
    if (run_process({"qemu-system-riscv64", "--version"}).exit_code != 0) {
        GTEST_SKIP() << "SKIPPED: qemu-system-riscv64 is not installed";
    }
    const TemporaryDirectory directory;
    std::filesystem::copy_file(program("kernel_hello"), directory / "app");
    test_support::write_file(
        directory / "argv",
        std::string(
            "hello\0"
            "9\0",
            8
        )
    );
    test_support::write_file(directory / "env", std::string("KERNEL_TEST=qemu\0", 17));
    const ProcessResult archive = run_process(
        {"sh", "-c", "printf '%s\\n' app argv env | cpio -o -H newc --quiet > initrd"},
        {.directory = directory.path()}
    );
    if (archive.exit_code != 0) {
        GTEST_SKIP() << "SKIPPED: cpio is not installed";
    }
    for (const char* harts : {"1", "2"}) {
        const ProcessResult result = run_process(
            {"qemu-system-riscv64",
             "-M",
             "virt",
             "-smp",
             harts,
             "-m",
             "128M",
             "-bios",
             "default",
             "-nographic",
             "-kernel",
             std::string(COPS_IMAGE_DIR) + "/cops-kernel",
             "-initrd",
             (directory / "initrd").string()}
        );
        EXPECT_EQ(result.exit_code, 9) << result.out << result.err;
        EXPECT_THAT(result.out, HasSubstr("argument 1: 9"));
        EXPECT_THAT(result.out, HasSubstr("environment: qemu"));
    }
}

}  // namespace
