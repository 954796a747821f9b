// SPDX-License-Identifier: Apache-2.0
// Stock Linux is stopped in the middle of its life, saved, and goes on in another machine.
#include "initramfs.hpp"
#include "machine/machine.hpp"
#include "process.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>

namespace {

using vmm::Ending;

constexpr unsigned kHarts = 2;
constexpr std::chrono::seconds kLimit{300};

/// A machine whose harts take turns on the calling thread.
struct Runner {
    std::string output;
    std::unique_ptr<vmm::Machine> machine;

    Runner(const std::string& image, const std::string& initrd) {
        vmm::MachineConfig config;
        config.cpus = kHarts;
        config.memory_bytes = std::uint64_t{256} << 20;
        config.engine = "interp";
        config.kernel = image;
        config.initrds = {initrd};
        config.cmdline = "console=ttyS0 quiet";
        auto made =
            vmm::Machine::create(std::move(config), nullptr, [this](std::span<const char> bytes) {
                output.append(bytes.data(), bytes.size());
            });
        EXPECT_TRUE(made.has_value()) << made.error().message;
        machine = std::move(*made);
    }

    /// Until the guest has printed `text`, or ended, or the limit has passed.
    void run_until(std::string_view text) {
        constexpr vmm::Nanos kTurn = 1'000'000;
        const auto limit = std::chrono::steady_clock::now() + kLimit;
        while (!output.contains(text) && !machine->ended()
               && std::chrono::steady_clock::now() < limit) {
            for (unsigned hart = 0; hart < kHarts; ++hart) {
                machine->run(hart, {.deadline = machine->clock().now() + kTurn});
            }
        }
    }
};

TEST(LinuxSnapshot, goes_on_in_another_machine_where_it_was_saved) {
    const auto cache = test_support::debian_cache();
    if (!cache) {
        GTEST_SKIP() << "SKIPPED: Debian's riscv64 kernel and busybox could not be fetched";
    }
    const test_support::TemporaryDirectory directory;
    const std::string initrd = directory / "initrd.gz";
    ASSERT_EQ(test_support::make_initramfs(*cache, initrd), "");

    Runner first(*cache / "Image", initrd);
    const auto booted = first.machine->boot();
    ASSERT_TRUE(booted.has_value()) << booted.error().message;
    first.run_until("guest: harts 2");
    ASSERT_FALSE(first.machine->ended()) << first.output;
    ASSERT_TRUE(first.output.contains("guest: harts 2")) << first.output;
    const auto saved = first.machine->save();
    ASSERT_TRUE(saved.has_value()) << saved.error().message;

    Runner second(*cache / "Image", initrd);
    const auto loaded = second.machine->load(*saved);
    ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
    second.run_until("(never printed)");
    EXPECT_EQ(second.machine->outcome().ending, Ending::powered_off) << second.output;
    EXPECT_FALSE(second.output.contains("guest: Linux")) << "printed before the save";
    for (const std::string_view line :
         {"guest: sum 67d4ff71", "guest: ran on 1", "guest: harts with it again 2", "guest: slept"
         }) {
        EXPECT_TRUE((first.output + second.output).contains(line)) << line << second.output;
    }
    EXPECT_FALSE(second.output.contains("Call trace")) << second.output;
}

}  // namespace
