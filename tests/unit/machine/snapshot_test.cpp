// SPDX-License-Identifier: Apache-2.0
#include "fake_vcpu.hpp"

#include <gtest/gtest.h>

#include <linux/serial_reg.h>

#include <array>
#include <random>

namespace {

using test::FakeMachine;
using test::FakeVcpu;
using vmm::Ending;
using vmm::ExitKind;
using vmm::GuestPhys;

constexpr GuestPhys kUart{0x10000000};
constexpr GuestPhys kMark{0x80654000};

/// Hart 1 started and waiting, input typed, its interrupt routed to hart 0, memory marked.
void prepare(FakeMachine& fake) {
    fake.boot();
    fake.run(0, [](FakeVcpu& vcpu) {
        EXPECT_EQ(vcpu.sbi(0x48534d, 0, 1, 0x80200000, 5).error, 0);
        EXPECT_TRUE(vcpu.host.mmio_write(kUart + UART_IER, 1, UART_IER_RDI));
        EXPECT_TRUE(vcpu.host.mmio_write({0x0c000000 + 4 * 10}, 4, 1));
        EXPECT_TRUE(vcpu.host.mmio_write({0x0c002080}, 4, 1U << 10));
        EXPECT_EQ(vcpu.sbi(0x535441, 0, 0x80500000).error, 0);
        return ExitKind::idle;
    });
    fake.run(1);
    fake.vcpus[1]->state.x[5] = 0x1234567890;
    fake.vcpus[1]->state.utimecmp = 77;
    fake.machine->console_input(std::string_view("z"));
    ASSERT_TRUE(fake.machine->memory().write(kMark, std::array{std::byte{0xaa}}));
    fake.machine->clock().advance(5000);
}

std::vector<std::byte> saved(FakeMachine& fake) {
    auto bytes = fake.machine->save();
    EXPECT_TRUE(bytes.has_value());
    return std::move(*bytes);
}

TEST(Snapshot, everything_continues_in_a_new_machine) {
    FakeMachine first;
    prepare(first);
    const auto bytes = saved(first);

    FakeMachine second;
    const auto loaded = second.machine->load(bytes);
    ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
    EXPECT_EQ(second.machine->clock().guest_time(), first.machine->clock().guest_time());
    EXPECT_TRUE(second.machine->may_run(0));
    EXPECT_TRUE(second.machine->may_run(1));
    EXPECT_EQ(second.vcpus[1]->state.pc, 0x80200000U);
    EXPECT_EQ(second.vcpus[1]->state.x[5], 0x1234567890U);
    EXPECT_EQ(second.vcpus[1]->state.utimecmp, 77U);
    EXPECT_TRUE(second.vcpus[0]->external) << "the typed byte still interrupts";
    std::byte mark{};
    ASSERT_TRUE(second.machine->memory().read(kMark, std::span(&mark, 1)));
    EXPECT_EQ(mark, std::byte{0xaa});
    second.machine->set_steal_time(0, 42);
    std::uint64_t steal = 0;
    ASSERT_TRUE(
        second.machine->memory().read({0x80500008}, std::as_writable_bytes(std::span(&steal, 1)))
    );
    EXPECT_EQ(steal, 42U);
    second.run(0, [](FakeVcpu& vcpu) {
        std::uint64_t value = 0;
        EXPECT_TRUE(vcpu.host.mmio_read(kUart, 1, &value));
        EXPECT_EQ(value, std::uint64_t{'z'});
        return ExitKind::idle;
    });
}

TEST(Snapshot, saving_what_was_loaded_gives_the_same_bytes) {
    FakeMachine first;
    prepare(first);
    const auto bytes = saved(first);
    FakeMachine second;
    ASSERT_TRUE(second.machine->load(bytes).has_value());
    EXPECT_EQ(saved(second), bytes);
}

TEST(Snapshot, a_start_that_was_pending_still_happens) {
    FakeMachine first;
    first.boot();
    const auto bytes = saved(first);
    FakeMachine second;
    ASSERT_TRUE(second.machine->load(bytes).has_value());
    EXPECT_TRUE(second.machine->may_run(0));
    EXPECT_EQ(second.run(0), ExitKind::idle);
    EXPECT_EQ(second.vcpus[0]->state.pc, 0x80200000U);
}

TEST(Snapshot, an_ended_machine_stays_ended) {
    FakeMachine first;
    first.boot();
    first.machine->end({Ending::crashed, 3, "why"});
    const auto bytes = saved(first);
    FakeMachine second;
    ASSERT_TRUE(second.machine->load(bytes).has_value());
    EXPECT_EQ(second.run(0), ExitKind::ended);
    EXPECT_EQ(second.machine->outcome().ending, Ending::crashed);
    EXPECT_EQ(second.machine->outcome().message, "why");
}

TEST(Snapshot, untouched_memory_takes_no_room) {
    FakeMachine fake;
    fake.boot();
    EXPECT_LT(saved(fake).size(), std::size_t{1} << 20);
}

TEST(Snapshot, another_shape_of_machine_is_refused_with_both_shapes) {
    FakeMachine first(2);
    first.boot();
    const auto bytes = saved(first);
    FakeMachine second(1);
    const auto loaded = second.machine->load(bytes);
    ASSERT_FALSE(loaded.has_value());
    EXPECT_EQ(loaded.error().kind, vmm::ErrorKind::configuration);
    EXPECT_NE(loaded.error().message.find("has 2 CPUs"), std::string::npos);
}

TEST(Snapshot, other_files_are_refused) {
    FakeMachine fake;
    const std::string text = "not a machine at all, but long enough to hold the header of one.....";
    const auto loaded = fake.machine->load(std::as_bytes(std::span(text)));
    ASSERT_FALSE(loaded.has_value());
    EXPECT_NE(loaded.error().message.find("not a machine saved"), std::string::npos);
    EXPECT_FALSE(FakeMachine().machine->load({}).has_value());
}

TEST(Snapshot, truncated_bytes_are_refused) {
    FakeMachine first;
    prepare(first);
    const auto bytes = saved(first);
    for (std::size_t length = 0; length < bytes.size(); length += 1 + length / 16) {
        EXPECT_FALSE(FakeMachine().machine->load(std::span(bytes).first(length)).has_value())
            << length;
    }
    auto longer = bytes;
    longer.push_back(std::byte{0});
    EXPECT_FALSE(FakeMachine().machine->load(longer).has_value());
}

TEST(Snapshot, hostile_bytes_never_crash) {
    FakeMachine first;
    prepare(first);
    const auto good = saved(first);
    std::mt19937 random(1);
    for (int round = 0; round < 300; ++round) {
        auto bytes = good;
        for (int i = 0; i < 8; ++i) {
            // Spoil headers and registers rather than the contents of memory.
            const std::size_t span = i % 2 == 0 ? 200 : 2000;
            const std::size_t back = random() % std::min(span, bytes.size());
            const std::size_t at = i % 4 < 2 ? back : bytes.size() - 1 - back;
            bytes[at] = static_cast<std::byte>(random());
        }
        FakeMachine fake;
        if (fake.machine->load(bytes).has_value()) {
            fake.run(0);
        }
    }
}

}  // namespace
