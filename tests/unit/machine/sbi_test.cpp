// SPDX-License-Identifier: Apache-2.0
#include "fake_vcpu.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstring>
#include <thread>

namespace {

using test::FakeMachine;
using test::FakeVcpu;
using vmm::Ending;
using vmm::ExitKind;
using vmm::GuestPhys;
using vmm::SbiReply;

constexpr std::uint64_t kBase = 0x10;
constexpr std::uint64_t kTime = 0x54494d45;
constexpr std::uint64_t kIpi = 0x735049;
constexpr std::uint64_t kRfence = 0x52464e43;
constexpr std::uint64_t kHsm = 0x48534d;
constexpr std::uint64_t kSrst = 0x53525354;
constexpr std::uint64_t kDbcn = 0x4442434e;
constexpr std::uint64_t kSta = 0x535441;
constexpr std::uint64_t kAll = ~std::uint64_t{0};
constexpr GuestPhys kBuffer{0x80400000};
constexpr std::uint64_t kRamEnd = 0x81000000;

constexpr std::int64_t kNotSupported = -2;
constexpr std::int64_t kInvalidParam = -3;
constexpr std::int64_t kInvalidAddress = -5;
constexpr std::int64_t kAlreadyAvailable = -6;

/// A booted machine of four harts of which 0 runs and, after SetUp(), 1 and 2 have been started.
struct SbiTest : testing::Test {
    FakeMachine fake{4};
    void SetUp() override {
        fake.boot();
        fake.run(0);
        for (const unsigned hart : {1U, 2U}) {
            ASSERT_EQ(call(kHsm, 0, hart, 0x80200000, 0).error, 0);
            ASSERT_EQ(fake.run(hart), ExitKind::idle);
        }
    }
    /// An ecall of hart 0.
    SbiReply call(
        std::uint64_t extension,
        std::uint64_t function,
        std::uint64_t a0 = 0,
        std::uint64_t a1 = 0,
        std::uint64_t a2 = 0
    ) {
        return fake.vcpus[0]->sbi(extension, function, a0, a1, a2);
    }
    void put(GuestPhys address, std::string_view text) {
        ASSERT_TRUE(fake.machine->memory().write(address, std::as_bytes(std::span(text))));
    }
    std::string get(GuestPhys address, std::size_t bytes) {
        std::string text(bytes, '?');
        EXPECT_TRUE(fake.machine->memory().read(address, std::as_writable_bytes(std::span(text))));
        return text;
    }
};

TEST_F(SbiTest, base_tells_version_and_extensions) {
    EXPECT_EQ(call(kBase, 0).value, 0x2000000U);
    EXPECT_EQ(call(kBase, 1).value, 0x434f5053U);
    for (const std::uint64_t extension :
         {std::uint64_t{0},
          std::uint64_t{1},
          std::uint64_t{2},
          std::uint64_t{8},
          kBase,
          kTime,
          kIpi,
          kRfence,
          kHsm,
          kSrst,
          kDbcn,
          kSta}) {
        EXPECT_EQ(call(kBase, 3, extension).value, 1U) << extension;
    }
    for (const std::uint64_t extension :
         {std::uint64_t{4}, std::uint64_t{5}, std::uint64_t{0x504d55}, kAll}) {
        EXPECT_EQ(call(kBase, 3, extension).value, 0U) << extension;
    }
    for (std::uint64_t function = 4; function <= 6; ++function) {
        EXPECT_EQ(call(kBase, function).error, 0);
    }
    EXPECT_EQ(call(kBase, 7).error, kNotSupported);
}

TEST_F(SbiTest, unknown_extensions_and_functions_are_not_supported) {
    for (const std::uint64_t extension :
         {std::uint64_t{0x11}, std::uint64_t{0x504d55}, std::uint64_t{0xffffffff}, kAll}) {
        EXPECT_EQ(call(extension, 0).error, kNotSupported);
        EXPECT_FALSE(call(extension, 0).legacy);
    }
    for (const std::uint64_t extension : {kTime, kIpi, kRfence, kHsm, kSrst, kDbcn, kSta}) {
        EXPECT_EQ(call(extension, kAll).error, kNotSupported) << extension;
    }
}

TEST_F(SbiTest, timer_goes_to_the_caller) {
    EXPECT_EQ(call(kTime, 0, 12345).error, 0);
    EXPECT_EQ(fake.vcpus[0]->timer, 12345U);
    const SbiReply legacy = call(0, 0, 99);
    EXPECT_TRUE(legacy.legacy);
    EXPECT_EQ(legacy.error, 0);
    EXPECT_EQ(fake.vcpus[0]->timer, 99U);
}

TEST_F(SbiTest, ipi_reaches_the_started_harts_of_the_mask) {
    EXPECT_EQ(call(kIpi, 0, 0b10, 0).error, 0);
    EXPECT_TRUE(fake.vcpus[1]->software);
    EXPECT_FALSE(fake.vcpus[2]->software);
    EXPECT_EQ(fake.listener.interrupted.back(), std::pair(1U, vmm::WakeCause::ipi));
    EXPECT_EQ(call(kIpi, 0, 0b11, 2).error, 0);
    EXPECT_TRUE(fake.vcpus[2]->software);
    EXPECT_FALSE(fake.vcpus[3]->software) << "stopped";
    EXPECT_EQ(call(kIpi, 0, 0, kAll).error, 0);
    EXPECT_TRUE(fake.vcpus[0]->software);
    EXPECT_EQ(call(3, 0).error, 0);  // legacy clear_ipi
    EXPECT_FALSE(fake.vcpus[0]->software);
}

TEST_F(SbiTest, hart_masks_that_name_absent_harts_are_invalid) {
    for (const auto& [mask, base] :
         {std::pair<std::uint64_t, std::uint64_t>{0b10000, 0},
          {1, 4},
          {1, 64},
          {1, kAll - 1},
          {0b110000, 60},
          {kAll, 0},
          {kAll, 1},
          {std::uint64_t{1} << 63, 1}}) {
        EXPECT_EQ(call(kIpi, 0, mask, base).error, kInvalidParam) << mask << ' ' << base;
        EXPECT_EQ(call(kRfence, 0, mask, base).error, kInvalidParam) << mask << ' ' << base;
    }
    EXPECT_EQ(call(kIpi, 0, 0, 100).error, 0);
}

TEST_F(SbiTest, fences_are_done_on_return_and_idle_harts_count_as_done) {
    EXPECT_EQ(call(kRfence, 0, 0b0011, 0).error, 0);
    EXPECT_EQ(fake.vcpus[0]->fences_done, 1U);
    EXPECT_EQ(fake.vcpus[1]->instruction_fences, 1U);
    EXPECT_EQ(fake.vcpus[1]->fences_done, 0U) << "done on its next entry";
    EXPECT_EQ(call(kRfence, 1, 0, kAll).error, 0);
    EXPECT_EQ(call(kRfence, 2, 0, kAll).error, 0);
    EXPECT_EQ(fake.vcpus[0]->fences_done, 3U);
    EXPECT_EQ(fake.vcpus[0]->instruction_fences, 1U);
    EXPECT_EQ(call(kRfence, 3, 0, kAll).error, kNotSupported);
}

TEST_F(SbiTest, harts_that_fence_each_other_all_go_on) {
    constexpr int kRounds = 500;
    std::vector<std::jthread> threads;
    for (const unsigned hart : {0U, 1U, 2U}) {
        fake.vcpus[hart]->guest = [](FakeVcpu& vcpu) {
            for (int i = 0; i < kRounds; ++i) {
                EXPECT_EQ(vcpu.sbi(kRfence, 1, 0, kAll).error, 0);
            }
            return ExitKind::idle;
        };
        threads.emplace_back([this, hart] { fake.run(hart); });
    }
    threads.clear();
    EXPECT_GE(fake.vcpus[0]->fences_done, std::uint64_t{kRounds});
}

TEST_F(SbiTest, hart_life_from_start_to_stop_and_start_again) {
    EXPECT_EQ(call(kHsm, 2, 3).value, 1U);  // stopped
    EXPECT_EQ(call(kHsm, 0, 3, 0x80300000, 0x77).error, 0);
    EXPECT_EQ(call(kHsm, 2, 3).value, 2U);  // start pending
    EXPECT_EQ(fake.listener.started, (std::vector<unsigned>{1, 2, 3}));
    EXPECT_EQ(call(kHsm, 0, 3, 0x80300000, 0).error, kAlreadyAvailable);
    EXPECT_EQ(fake.run(3), ExitKind::idle);
    EXPECT_EQ(fake.vcpus[3]->state.pc, 0x80300000U);
    EXPECT_EQ(fake.vcpus[3]->state.x[11], 0x77U);
    EXPECT_EQ(call(kHsm, 2, 3).value, 0U);  // started
    EXPECT_EQ(call(kHsm, 0, 3, 0x80300000, 0).error, kAlreadyAvailable);

    const ExitKind exit = fake.run(3, [this](FakeVcpu& vcpu) {
        const SbiReply reply = vcpu.sbi(kHsm, 1);
        EXPECT_TRUE(reply.exit);
        EXPECT_EQ(call(kHsm, 2, 3).value, 3U);  // stop pending
        EXPECT_EQ(call(kHsm, 0, 3, 0x80300000, 0).error, kAlreadyAvailable);
        return reply.exit_kind;
    });
    EXPECT_EQ(exit, ExitKind::stopped);
    EXPECT_FALSE(fake.machine->may_run(3));
    EXPECT_EQ(call(kHsm, 0, 3, 0x80340000, 1).error, 0);
    EXPECT_EQ(fake.run(3, [](FakeVcpu&) { return ExitKind::idle; }), ExitKind::idle);
    EXPECT_EQ(fake.vcpus[3]->state.pc, 0x80340000U);
}

TEST_F(SbiTest, a_hart_that_is_not_granted_does_not_start) {
    constexpr std::int64_t kDenied = -4;
    fake.listener.denied = std::uint64_t{1} << 3;
    EXPECT_EQ(call(kHsm, 0, 3, 0x80300000, 0).error, kDenied);
    EXPECT_EQ(call(kHsm, 2, 3).value, 1U);  // stopped
    EXPECT_EQ(fake.listener.started, (std::vector<unsigned>{1, 2}));
    fake.listener.denied = 0;
    EXPECT_EQ(call(kHsm, 0, 3, 0x80300000, 0).error, 0);
}

TEST_F(SbiTest, hart_start_checks_its_arguments) {
    EXPECT_EQ(call(kHsm, 0, 4, 0x80200000).error, kInvalidParam);
    EXPECT_EQ(call(kHsm, 0, kAll, 0x80200000).error, kInvalidParam);
    for (const std::uint64_t address :
         {std::uint64_t{0}, std::uint64_t{0x10000000}, std::uint64_t{0x80200001}, kRamEnd, kAll}) {
        EXPECT_EQ(call(kHsm, 0, 3, address).error, kInvalidAddress) << address;
    }
    EXPECT_EQ(call(kHsm, 2, 4).error, kInvalidParam);
}

TEST_F(SbiTest, retentive_suspend_idles_and_resumes) {
    const ExitKind exit = fake.run(0, [](FakeVcpu& vcpu) {
        const SbiReply reply = vcpu.sbi(kHsm, 3, 0);
        EXPECT_EQ(reply.error, 0);
        EXPECT_TRUE(reply.exit);
        return reply.exit_kind;
    });
    EXPECT_EQ(exit, ExitKind::idle);
    EXPECT_EQ(fake.vcpus[1]->sbi(kHsm, 2, 0).value, 4U);  // suspended
    EXPECT_EQ(fake.vcpus[1]->sbi(kIpi, 0, 1, 0).error, 0);
    EXPECT_TRUE(fake.vcpus[0]->software);
    fake.run(0, [](FakeVcpu& vcpu) {
        EXPECT_EQ(vcpu.sbi(kHsm, 2, 0).value, 0U);
        return ExitKind::idle;
    });
    EXPECT_EQ(call(kHsm, 3, 0x80000000).error, kNotSupported);
    EXPECT_EQ(call(kHsm, 3, 1).error, kInvalidParam);
}

TEST_F(SbiTest, stopping_the_last_hart_is_a_crash) {
    for (const unsigned hart : {0U, 1U, 2U}) {
        EXPECT_EQ(fake.machine->outcome().ending, Ending::running);
        fake.run(hart, [](FakeVcpu& vcpu) { return vcpu.sbi(kHsm, 1).exit_kind; });
    }
    EXPECT_EQ(fake.machine->outcome().ending, Ending::crashed);
    EXPECT_NE(fake.machine->outcome().message.find("last hart"), std::string::npos);
}

TEST_F(SbiTest, system_reset_tells_how_the_guest_ended) {
    for (const auto& [type, reason, ending, status] :
         {std::tuple{0U, 0U, Ending::powered_off, 0U},
          std::tuple{0U, 0xe0000000U | 62, Ending::powered_off, 62U},
          std::tuple{0U, 0xe00000ffU, Ending::powered_off, 255U},
          std::tuple{0U, 1U, Ending::panicked, 0U},
          std::tuple{1U, 0U, Ending::reset, 0U},
          std::tuple{2U, 1U, Ending::reset, 0U}}) {
        FakeMachine one(1);
        one.boot();
        const auto arguments = std::pair(type, reason);
        const ExitKind exit = one.run(0, [arguments](FakeVcpu& vcpu) {
            const SbiReply reply = vcpu.sbi(kSrst, 0, arguments.first, arguments.second);
            EXPECT_TRUE(reply.exit);
            return reply.exit_kind;
        });
        EXPECT_EQ(exit, ExitKind::ended);
        EXPECT_EQ(one.machine->outcome().ending, ending);
        EXPECT_EQ(one.machine->outcome().status, status);
    }
}

TEST_F(SbiTest, system_reset_with_reserved_values_is_invalid) {
    for (const auto& [type, reason] :
         {std::pair{3U, 0U},
          {0xf0000000U, 0U},
          {0xffffffffU, 0U},
          {0U, 2U},
          {0U, 0xf0000000U},
          {0U, 0xdfffffffU}}) {
        EXPECT_EQ(call(kSrst, 0, type, reason).error, kInvalidParam) << type << ' ' << reason;
    }
    EXPECT_EQ(fake.machine->outcome().ending, Ending::running);
}

TEST_F(SbiTest, debug_console_writes_memory_and_bytes) {
    put(kBuffer, "hello\n");
    const SbiReply reply = call(kDbcn, 0, 6, kBuffer.value, 0);
    EXPECT_EQ(reply.error, 0);
    EXPECT_EQ(reply.value, 6U);
    EXPECT_EQ(call(kDbcn, 2, 0x100 | '!').error, 0);
    EXPECT_EQ(call(1, 0, '?').error, 0);  // legacy putchar
    fake.machine->flush_console();
    EXPECT_EQ(fake.output, "hello\n!?");
}

TEST_F(SbiTest, debug_console_moves_bounded_pieces) {
    const SbiReply reply = call(kDbcn, 0, 1 << 20, kBuffer.value, 0);
    EXPECT_EQ(reply.error, 0);
    EXPECT_EQ(reply.value, 65536U);
    EXPECT_EQ(fake.output.size(), 65536U);
}

TEST_F(SbiTest, debug_console_reads_what_was_typed_without_waiting) {
    EXPECT_EQ(call(kDbcn, 1, 10, kBuffer.value, 0).value, 0U);
    fake.machine->console_input(std::string_view("typed"));
    const SbiReply reply = call(kDbcn, 1, 3, kBuffer.value, 0);
    EXPECT_EQ(reply.value, 3U);
    EXPECT_EQ(get(kBuffer, 4), std::string("typ\0", 4));
    EXPECT_EQ(call(2, 0).error, 'e');  // legacy getchar
    EXPECT_EQ(call(2, 0).error, 'd');
    EXPECT_EQ(call(2, 0).error, -1);
}

TEST_F(SbiTest, debug_console_refuses_memory_that_is_not_there) {
    fake.machine->console_input(std::string_view("kept"));
    for (const auto& [bytes, low, high] :
         {std::tuple<std::uint64_t, std::uint64_t, std::uint64_t>{1, 0, 0},
          {1, kRamEnd, 0},
          {2, kRamEnd - 1, 0},
          {kAll, kBuffer.value, 0},
          {1, kBuffer.value, 1},
          {kAll, kAll, kAll},
          {1, 0x10000000, 0}}) {
        EXPECT_EQ(call(kDbcn, 0, bytes, low, high).error, kInvalidParam);
        EXPECT_EQ(call(kDbcn, 1, bytes, low, high).error, kInvalidParam);
    }
    EXPECT_EQ(call(kDbcn, 1, 10, kBuffer.value, 0).value, 4U) << "nothing was lost";
    EXPECT_EQ(fake.output, "");
}

TEST_F(SbiTest, steal_time_is_shown_in_the_guests_record) {
    put(kBuffer, std::string(64, 'x'));
    EXPECT_EQ(call(kSta, 0, kBuffer.value, 0, 0).error, 0);
    EXPECT_EQ(get(kBuffer, 64), std::string(64, '\0'));
    fake.machine->set_steal_time(0, 123456);
    fake.machine->set_steal_time(1, 999);  // has no record
    const std::string record = get(kBuffer, 64);
    std::uint32_t sequence = 0;
    std::uint64_t steal = 0;
    std::memcpy(&sequence, record.data(), 4);
    std::memcpy(&steal, record.data() + 8, 8);
    EXPECT_EQ(sequence, 2U);
    EXPECT_EQ(steal, 123456U);
    EXPECT_EQ(call(kSta, 0, kAll, kAll, 0).error, 0);
    fake.machine->set_steal_time(0, 1);
    EXPECT_EQ(get(kBuffer, 64), record);
}

TEST_F(SbiTest, steal_time_record_is_checked) {
    EXPECT_EQ(call(kSta, 0, kBuffer.value, 0, 1).error, kInvalidParam);
    EXPECT_EQ(call(kSta, 0, kBuffer.value + 8, 0, 0).error, kInvalidParam);
    EXPECT_EQ(call(kSta, 0, kBuffer.value, 1, 0).error, kInvalidAddress);
    EXPECT_EQ(call(kSta, 0, kRamEnd, 0, 0).error, kInvalidAddress);
    EXPECT_EQ(call(kSta, 0, 0, 0, 0).error, kInvalidAddress);
    EXPECT_EQ(call(kSta, 0, kAll - 63, 0, 0).error, kInvalidAddress);
}

TEST_F(SbiTest, legacy_calls_that_need_guest_virtual_masks_are_not_supported) {
    for (const std::uint64_t extension : {4U, 5U, 6U, 7U, 9U, 15U}) {
        EXPECT_EQ(call(extension, 0).error, kNotSupported);
        EXPECT_TRUE(call(extension, 0).legacy);
    }
}

TEST_F(SbiTest, legacy_shutdown_powers_off) {
    const SbiReply reply = call(8, 0);
    EXPECT_TRUE(reply.exit);
    EXPECT_EQ(reply.exit_kind, ExitKind::ended);
    EXPECT_EQ(fake.machine->outcome().ending, Ending::powered_off);
}

}  // namespace
