// SPDX-License-Identifier: Apache-2.0
// Random S- and U-mode programs on every engine and on qemu-system-riscv64; the log of all traps
// and all of memory have to agree. See options.hpp for how to replay one, and how to run many.
#include "options.hpp"
#include "process.hpp"
#include "system_runner.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iostream>

namespace {

using differential::Seeds;
using differential::system::Image;
using differential::system::Options;
using differential::system::Runner;

/// About what a program executes.
constexpr std::uint64_t kInstructions = 250'000;

/// What engines left, to be compared with one another.
class Engines {
public:
    /// Runs the image on all; false (and a failure) when they don't agree.
    void run(const Image& image, bool user_interrupts, std::uint64_t seed) {
        const std::uint64_t interpreted = differential::interpret_first(seed, kInstructions);
        for (const std::string& engine : test_support::test_vcpus(interpreted)) {
            Runner runner(engine, image, user_interrupts);
            ASSERT_TRUE(runner.run()) << engine << " did not end" << Seeds::again(seed);
            const std::span<const std::uint8_t> ram = runner.ram();
            ASSERT_NE(differential::system::log_entries(ram), 0U) << engine << Seeds::again(seed);
            if (engine == test_support::test_engines().front()) {
                expected.assign(ram.begin(), ram.end());
                instructions += runner.vcpu().save().instret;
                traps += differential::system::log_entries(ram);
            } else {
                const std::string text = differential::system::difference(
                    ram, expected, test_support::test_engines().front()
                );
                ASSERT_EQ(text, "") << engine << Seeds::again(seed);
            }
        }
    }
    std::vector<std::uint8_t> expected;
    std::uint64_t instructions = 0;
    std::uint64_t traps = 0;
};

/// For a look at what went wrong: objdump -D -b binary -m riscv --adjust-vma=0x80000000.
void keep(const Image& image) {
    std::ofstream file("differential-image", std::ios::binary);
    file.write(
        reinterpret_cast<const char*>(image.bytes.data()),
        static_cast<std::streamsize>(image.bytes.size())
    );
    std::cout << "the image of RAM is in ./differential-image\n";
}

void report(const Seeds& seeds, const Engines& engines) {
    std::cout << seeds.done() << " programs, " << engines.traps << " traps, "
              << engines.instructions << " instructions on each engine\n";
}

}  // namespace

TEST(SystemDifferential, random_programs_log_what_they_log_on_qemu) {
    if (test_support::run_process({"qemu-system-riscv64", "--version"}).exit_code != 0) {
        GTEST_SKIP() << "SKIPPED: qemu-system-riscv64 (package qemu-system-misc) is not installed";
    }
    const test_support::TemporaryDirectory directory;
    Options options;
    options.sv48 = differential::system::engines_have_sv48();
    options.subset.store_conditional = false;
    Engines engines;
    Seeds seeds(40);
    for (std::uint64_t seed = 0; seeds.next(seed);) {
        const Image image = differential::system::make_image(seed, options);
        if (seeds.replaying()) {
            keep(image);
        }
        ASSERT_NO_FATAL_FAILURE(engines.run(image, false, seed));
        std::string error;
        const auto qemu = differential::system::run_on_qemu(image, directory / "ram", error);
        ASSERT_FALSE(qemu.empty()) << error << Seeds::again(seed);
        ASSERT_EQ(differential::system::qemu_difference(engines.expected, qemu), "")
            << Seeds::again(seed);
    }
    report(seeds, engines);
}

TEST(SystemDifferential, engines_agree_on_programs_with_user_interrupts) {
    Options options;
    options.sv48 = differential::system::engines_have_sv48();
    options.subset.unknown_to_qemu = true;
    options.user_interrupts = true;
    Engines engines;
    Seeds seeds(60);
    for (std::uint64_t seed = 0; seeds.next(seed);) {
        const Image image = differential::system::make_image(seed, options);
        if (seeds.replaying()) {
            keep(image);
        }
        ASSERT_NO_FATAL_FAILURE(engines.run(image, true, seed));
    }
    report(seeds, engines);
}
