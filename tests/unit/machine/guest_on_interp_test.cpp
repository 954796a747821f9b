// SPDX-License-Identifier: Apache-2.0
// A guest of real instructions on the interpreter, in a whole machine.
#include "elf_builder.hpp"
#include "machine/machine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <string>

namespace {

using vmm::Ending;
using vmm::ExitKind;

constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz";

/// Prints the alphabet by legacy putchar with a long loop before each letter, then shuts down.
constexpr std::array<std::uint32_t, 19> kPrinter{
    0x00050493,  // addi s1, a0, 0
    0x00000413,  // addi s0, zero, 0
    0x000182b7,  // lui t0, 0x18
    0x6a02829b,  // addiw t0, t0, 1696       100000 rounds
    0xfff28293,  // addi t0, t0, -1
    0xfe029ee3,  // bne t0, zero, -4
    0x06140513,  // addi a0, s0, 'a'
    0x00100893,  // addi a7, zero, 1         legacy putchar
    0x00000073,  // ecall
    0x00140413,  // addi s0, s0, 1
    0x01a00313,  // addi t1, zero, 26
    0xfc644ee3,  // blt s0, t1, -36          next letter
    0x00000513,  // addi a0, zero, 0         SRST: shutdown
    0x00000593,  // addi a1, zero, 0         no reason
    0x00000813,  // addi a6, zero, 0
    0x535258b7,  // lui a7, 0x53525
    0x3548889b,  // addiw a7, a7, 0x354
    0x00000073,  // ecall
    0x0000006f,  // jal zero, 0
};

struct Runner {
    std::string output;
    std::unique_ptr<vmm::Machine> machine;

    Runner() {
        vmm::MachineConfig config;
        config.memory_bytes = std::uint64_t{16} << 20;
        config.engine = "interp";
        const auto file = test::ElfBuilder()
                              .load(0x80200000, std::as_bytes(std::span(kPrinter)), 4096)
                              .entry(0x80200000)
                              .build();
        config.kernel_bytes.resize(file.size());
        std::memcpy(config.kernel_bytes.data(), file.data(), file.size());
        auto made =
            vmm::Machine::create(std::move(config), nullptr, [this](std::span<const char> bytes) {
                output.append(bytes.data(), bytes.size());
            });
        EXPECT_TRUE(made.has_value()) << made.error().message;
        machine = std::move(*made);
    }
    /// Runs short turns until `letters` were printed or the end.
    void run_until(std::size_t letters) {
        constexpr vmm::Nanos kTurn = 50'000;
        ExitKind exit = ExitKind::interrupted;
        while (output.size() < letters && exit != ExitKind::ended) {
            exit = machine->run(0, {.deadline = machine->clock().now() + kTurn});
        }
    }
};

TEST(GuestOnInterp, runs_to_its_end) {
    Runner guest;
    ASSERT_TRUE(guest.machine->boot().has_value());
    guest.run_until(100);
    EXPECT_EQ(guest.output, kAlphabet);
    EXPECT_EQ(guest.machine->outcome().ending, Ending::powered_off);
}

TEST(GuestOnInterp, continues_in_a_new_machine_where_it_was_saved) {
    Runner first;
    ASSERT_TRUE(first.machine->boot().has_value());
    first.run_until(7);
    ASSERT_FALSE(first.machine->ended());
    const auto saved = first.machine->save();
    ASSERT_TRUE(saved.has_value());

    Runner second;
    const auto loaded = second.machine->load(*saved);
    ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
    second.run_until(100);
    EXPECT_EQ(first.output + second.output, kAlphabet);
    EXPECT_EQ(second.machine->outcome().ending, Ending::powered_off);

    // The original is no worse for having been saved.
    first.run_until(100);
    EXPECT_EQ(first.output, kAlphabet);
}

TEST(GuestOnInterp, takes_any_register_values_of_a_saved_machine) {
    Runner first;
    ASSERT_TRUE(first.machine->boot().has_value());
    first.run_until(2);
    const auto good = first.machine->save();
    ASSERT_TRUE(good.has_value());
    std::mt19937_64 random(7);
    int accepted = 0;
    for (int round = 0; round < 100; ++round) {
        auto bytes = *good;
        // Hart, interrupt controller and UART are at the end of the stream.
        const std::size_t tail = std::min<std::size_t>(bytes.size(), 1200);
        for (int i = 0; i < 4; ++i) {
            bytes[bytes.size() - 1 - random() % tail] = static_cast<std::byte>(random());
        }
        Runner second;
        const bool loaded = second.machine->load(bytes).has_value();
        accepted += loaded ? 1 : 0;
        for (int turn = 0; loaded && turn < 3; ++turn) {
            second.machine->run(0, {.deadline = second.machine->clock().now() + 50'000});
        }
    }
    EXPECT_GT(accepted, 0) << "the test is to reach the engine";
}

TEST(GuestOnInterp, runs_again_after_a_reboot) {
    Runner guest;
    ASSERT_TRUE(guest.machine->boot().has_value());
    guest.run_until(3);
    guest.machine->end({Ending::reset, 0, {}});
    guest.machine->begin_reset();
    guest.output.clear();
    ASSERT_TRUE(guest.machine->reboot().has_value());
    guest.run_until(100);
    EXPECT_EQ(guest.output, kAlphabet);
}

}  // namespace
