// SPDX-License-Identifier: Apache-2.0
// Debian trixie's stock riscv64 kernel with a busybox initramfs, booted through the command line.
#include "engines.hpp"
#include "initramfs.hpp"
#include "process.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace {

using test_support::ProcessOptions;
using test_support::ProcessResult;
using test_support::run_process;

constexpr std::chrono::seconds kBootLimit{300};

struct Shape {
    int harts;
    int workers;
    std::string engine = "auto";
    bool work = false;  ///< Also runs the longer part of the script.
};

/// Everything on the translator; on the interpreter, the oracle, that it boots.
std::vector<Shape> shapes() {
    std::vector<Shape> result;
    for (const std::string& engine : test_support::test_engines()) {
        const bool fast = engine != "interp";
        result.push_back({1, 1, engine, fast});
        result.push_back({2, 2, engine, false});
        result.push_back({1, 2, engine, false});
        result.push_back({2, 1, engine, false});
        if (fast) {
            result.push_back({4, 2, engine, true});
        }
    }
    return result;
}

class Linux : public testing::TestWithParam<Shape> {
protected:
    static void SetUpTestSuite() {
        cache() = test_support::debian_cache();
        if (!cache()) {
            return;
        }
        directory().emplace();
        ASSERT_EQ(test_support::make_initramfs(*cache(), initrd()), "");
    }
    static void TearDownTestSuite() { directory().reset(); }

    void SetUp() override {
        if (!cache()) {
            GTEST_SKIP() << "SKIPPED: Debian's riscv64 kernel and busybox could not be fetched";
        }
    }

    static std::optional<std::filesystem::path>& cache() {
        static std::optional<std::filesystem::path> path;
        return path;
    }
    static std::optional<test_support::TemporaryDirectory>& directory() {
        static std::optional<test_support::TemporaryDirectory> made;
        return made;
    }
    static std::string initrd() { return *directory() / "initrd.gz"; }
    static std::string image() { return *cache() / "Image"; }

    static ProcessResult boot(
        Shape shape,
        const std::string& cmdline,
        std::vector<std::string> more = {},
        ProcessOptions options = {}
    ) {
        std::vector<std::string> command{
            COPS_COMMAND,
            "run",
            "--kernel",
            image(),
            "--initrd",
            initrd(),
            "--memory",
            "256M",
            "--engine",
            shape.engine,
            "--cpus",
            std::to_string(shape.harts),
            "--workers",
            std::to_string(shape.workers),
            "--cmdline",
            "console=ttyS0 quiet " + cmdline,
        };
        command.insert(command.end(), more.begin(), more.end());
        options.timeout = kBootLimit;
        return run_process(command, options);
    }
};

/// What test and reader want to see of a boot that went wrong.
std::string story(const ProcessResult& result) {
    return "exit code " + std::to_string(result.exit_code) + (result.timed_out ? " (hung)" : "")
           + "\n--- stdout\n" + result.out + "\n--- stderr\n" + result.err;
}

TEST_P(Linux, boots_to_its_script_and_powers_off) {
    const ProcessResult result = boot(GetParam(), GetParam().work ? "cops.work" : "");
    const std::string harts = std::to_string(GetParam().harts);
    EXPECT_EQ(result.exit_code, 0) << story(result);
    EXPECT_NE(result.out.find("guest: Linux riscv64"), std::string::npos) << story(result);
    EXPECT_NE(result.out.find("guest: harts " + harts + "\r\n"), std::string::npos)
        << story(result);
    // sha256sum of what seq 1 1000 prints.
    EXPECT_NE(
        result.out.find(
            "guest: sum 67d4ff71d43921d5739f387da09746f405e425b07d727e4c69d029461d1f051f"
        ),
        std::string::npos
    ) << story(result);
    for (int hart = 0; hart < GetParam().harts; ++hart) {
        const std::string line = "guest: ran on " + std::to_string(hart) + "\r\n";
        EXPECT_NE(result.out.find(line), std::string::npos) << story(result);
    }
    const bool hotplug = result.out.contains("guest: harts without the second 1\r\n")
                         && result.out.contains("guest: harts with it again 2\r\n");
    EXPECT_EQ(hotplug, GetParam().harts == 2) << story(result);
    EXPECT_NE(result.out.find("guest: slept"), std::string::npos) << story(result);
    EXPECT_EQ(result.out.find("Call trace"), std::string::npos) << story(result);
    if (!GetParam().work) {
        return;
    }
    // What the same commands print elsewhere.
    for (const std::string line :
         {"guest: large d2d7c0abc3eb76d91b0b5a2702e92a9f2908269c9c1b3604bdfe2521c71d6274  -",
          "guest: packed",
          "guest: copied 1, 3 files",
          "guest: processes 200",
          "guest: float 15.3485983648 3.872649e+02 -55.324 15348"}) {
        EXPECT_NE(result.out.find(line), std::string::npos) << line << "\n" << story(result);
    }
}

INSTANTIATE_TEST_SUITE_P(
    shapes,
    Linux,
    testing::ValuesIn(shapes()),
    [](const testing::TestParamInfo<Shape>& info) {
        return info.param.engine + "_" + std::to_string(info.param.harts) + "_harts_"
               + std::to_string(info.param.workers) + "_workers";
    }
);

using LinuxConsole = Linux;

TEST_F(LinuxConsole, input_piped_in_before_the_kernel_runs_reaches_the_script) {
    const ProcessResult result =
        boot({1, 1}, "cops.read", {}, {.input = "typed long before anybody listened\n"});
    EXPECT_EQ(result.exit_code, 0) << story(result);
    EXPECT_NE(result.out.find("guest: read typed long before anybody listened"), std::string::npos)
        << story(result);
}

TEST_F(LinuxConsole, gzipped_image_boots) {
    const std::string packed = *directory() / "Image.gz";
    ASSERT_EQ(
        run_process({"sh", "-c", "gzip -1 <'" + image() + "' >'" + packed + "'"}).exit_code, 0
    );
    // The later --kernel wins or is refused; so the command is put together anew.
    const ProcessResult result = run_process(
        {COPS_COMMAND,
         "run",
         "--kernel",
         packed,
         "--initrd",
         initrd(),
         "--memory",
         "256M",
         "--cmdline",
         "console=ttyS0 quiet"},
        {.timeout = kBootLimit}
    );
    EXPECT_EQ(result.exit_code, 0) << story(result);
    EXPECT_NE(result.out.find("guest: slept"), std::string::npos) << story(result);
}

TEST_F(LinuxConsole, reboot_with_no_reboot_is_exit_code_32) {
    const ProcessResult result = boot({1, 1}, "cops.end=reboot", {"--no-reboot"});
    EXPECT_EQ(result.exit_code, 32) << story(result);
    EXPECT_NE(result.out.find("guest: slept"), std::string::npos) << story(result);
}

TEST_F(LinuxConsole, initrd_that_does_not_fit_is_a_configuration_error) {
    const std::string large = *directory() / "large";
    std::filesystem::copy_file(image(), large, std::filesystem::copy_options::overwrite_existing);
    const ProcessResult result = run_process(
        {COPS_COMMAND, "run", "--kernel", image(), "--initrd", large, "--memory", "40M"},
        {.timeout = kBootLimit}
    );
    EXPECT_EQ(result.exit_code, 3) << story(result);
    EXPECT_NE(result.err.find("initrd"), std::string::npos) << story(result);
    EXPECT_NE(result.err.find("does not fit"), std::string::npos) << story(result);
    EXPECT_EQ(result.out, "");
}

}  // namespace
