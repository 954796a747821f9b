// SPDX-License-Identifier: Apache-2.0
// Loads, stores and atomics without translation: RAM, devices, and nothing at all.
#include "hart_fixture.hpp"

using namespace rv;
using cpu_test::EngineTest;
using cpu_test::kDevice;
using cpu_test::kRam;

namespace {

constexpr std::uint64_t kPlace = kRam + 0x20000;
constexpr std::uint64_t kPattern = 0xf8e7d6c5b4a39281;

class Memory : public EngineTest {
protected:
    Memory() {
        state.x[s0] = kPlace;
        put_value(kPlace, kPattern);
    }
    void expect_fault(Word word, std::uint64_t cause, std::uint64_t value) {
        state.pc = kRam;
        put(kRam, {nop(), word});
        ASSERT_EQ(run(), vmm::ExitKind::ended);
        EXPECT_EQ(state.scause, cause) << std::hex << word;
        EXPECT_EQ(state.stval, value) << std::hex << word;
        EXPECT_EQ(state.sepc, kRam + 4) << std::hex << word;
    }
};

COPS_ON_EVERY_ENGINE(Memory);

}  // namespace

TEST_P(Memory, loads_extend_as_they_should) {
    run_code(
        {lb(a0, s0, 0),
         lh(a1, s0, 0),
         lw(a2, s0, 0),
         ld(a3, s0, 0),
         i(3, 4, a4, s0, 0),
         i(3, 5, a5, s0, 0),
         i(3, 6, a6, s0, 0)}
    );
    EXPECT_EQ(x(a0), 0xffffffffffffff81);
    EXPECT_EQ(x(a1), 0xffffffffffff9281);
    EXPECT_EQ(x(a2), 0xffffffffb4a39281);
    EXPECT_EQ(x(a3), kPattern);
    EXPECT_EQ(x(a4), 0x81U);
    EXPECT_EQ(x(a5), 0x9281U);
    EXPECT_EQ(x(a6), 0xb4a39281U);
}

TEST_P(Memory, stores_write_their_width_only) {
    state.x[a0] = 0;
    run_code({sb(a0, s0, 7), sh(a0, s0, 4), sw(a0, s0, 0)});
    EXPECT_EQ(value_at(kPlace), 0x00e7000000000000U);
}

TEST_P(Memory, misaligned_accesses_work_within_a_page_and_across) {
    for (const std::uint64_t place : {kPlace + 1, kPlace + 0xffd, kPlace + 0xfff}) {
        state.pc = kRam;
        state.x[s1] = place;
        state.x[a0] = kPattern;
        run_code({sd(a0, s1, 0), ld(a1, s1, 0), lw(a2, s1, 0), lh(a3, s1, 0), sh(x0, s1, 0)});
        EXPECT_EQ(x(a1), kPattern);
        EXPECT_EQ(x(a2), 0xffffffffb4a39281);
        EXPECT_EQ(x(a3), 0xffffffffffff9281);
        EXPECT_EQ(value_at(place), kPattern & ~std::uint64_t{0xffff});
    }
}

TEST_P(Memory, a_load_into_x0_still_faults) {
    state.x[s1] = 0x1000;
    expect_fault(ld(x0, s1, 0), 5, 0x1000);
}

TEST_P(Memory, nothing_there_is_an_access_fault_with_the_address) {
    state.x[s1] = 0x40000000;
    expect_fault(lw(a0, s1, 4), 5, 0x40000004);
    expect_fault(sw(a0, s1, 4), 7, 0x40000004);
    expect_fault(amo(0, 2, a0, s1, a1), 7, 0x40000000);
    expect_fault(lr_w(a0, s1), 5, 0x40000000);
    expect_fault(sc_w(a0, s1, a1), 7, 0x40000000);
}

TEST_P(Memory, accesses_over_the_end_of_memory_fault_and_change_nothing) {
    const std::uint64_t end = kRam + cpu_test::kRamBytes;
    put_value<std::uint32_t>(end - 4, 0x12345678);
    state.x[s1] = end - 4;
    state.x[a0] = 7;
    expect_fault(ld(a1, s1, 0), 5, end);
    expect_fault(sd(a0, s1, 0), 7, end);
    EXPECT_EQ(value_at<std::uint32_t>(end - 4), 0x12345678U);
    EXPECT_EQ(x(a1), 0U);
}

TEST_P(Memory, devices_are_reached_in_their_width) {
    state.x[s1] = kDevice;
    state.x[a0] = kPattern;
    run_code({lb(a1, s1, 3), i(3, 5, a2, s1, 2), sw(a0, s1, 8), sb(a0, s1, 1), sd(a0, s1, 16)});
    EXPECT_EQ(x(a1), 0x45U);  // 0x...44 + size 1
    EXPECT_EQ(x(a2), 0x4446U);
    ASSERT_EQ(host.mmio_writes.size(), 3U);
    EXPECT_EQ(host.mmio_writes[0].address, kDevice + 8);
    EXPECT_EQ(host.mmio_writes[0].size, 4U);
    EXPECT_EQ(static_cast<std::uint32_t>(host.mmio_writes[0].value), 0xb4a39281U);
    EXPECT_EQ(host.mmio_writes[1].size, 1U);
    EXPECT_EQ(host.mmio_writes[2].size, 8U);
    EXPECT_EQ(vcpu->counters().mmio_exits, 5U);
}

TEST_P(Memory, misaligned_and_atomic_device_accesses_fault) {
    state.x[s1] = kDevice;
    expect_fault(lw(a0, s1, 2), 5, kDevice + 2);
    expect_fault(sh(a0, s1, 1), 7, kDevice + 1);
    expect_fault(amo(0, 2, a0, s1, a1), 7, kDevice);
}

TEST_P(Memory, a_device_store_may_end_the_turn_right_after_it) {
    state.x[s1] = kDevice;
    host.on_mmio_write = [this] { vcpu->request_exit(); };
    put(kRam, {sw(x0, s1, 0), li(a0, 1), kEcall});
    EXPECT_EQ(run(), vmm::ExitKind::interrupted);
    EXPECT_EQ(state.pc, kRam + 4);
    EXPECT_EQ(x(a0), 0U);
    host.on_mmio_write = {};
    EXPECT_EQ(run(), vmm::ExitKind::ended);
    EXPECT_EQ(x(a0), 1U);
}

TEST_P(Memory, host_pages_can_be_read_and_not_written) {
    constexpr std::uint64_t kPage = 0x11000000;
    const auto bytes = memory->add_host_region(vmm::GuestPhys{kPage}, 4096).value();
    bytes[16] = std::byte{0x5a};
    state.x[s1] = kPage;
    run_code({lb(a0, s1, 16), lb(a1, s1, 16)});
    EXPECT_EQ(x(a0), 0x5aU);
    EXPECT_EQ(x(a1), 0x5aU);
    expect_fault(sb(a0, s1, 16), 7, kPage + 16);
    expect_fault(amo(0, 2, a0, s1, a1), 7, kPage);
    expect_fault(sc_w(a0, s1, a1), 7, kPage);
    EXPECT_EQ(bytes[16], std::byte{0x5a});
}

TEST_P(Memory, atomics_return_the_old_value_and_store_the_new) {
    struct {
        const char* name;
        Word funct5;
        std::uint64_t expected;
    } const cases[] = {
        {"swap", 1, 5},
        {"add", 0, kPattern + 5},
        {"xor", 4, kPattern ^ 5},
        {"and", 12, kPattern & 5},
        {"or", 8, kPattern | 5},
        {"min", 16, kPattern},
        {"max", 20, 5},
        {"minu", 24, 5},
        {"maxu", 28, kPattern},
    };
    for (const auto& c : cases) {
        for (const Word aqrl : {0U, 1U, 2U, 3U}) {
            state.pc = kRam;
            put_value(kPlace, kPattern);
            state.x[a1] = 5;
            run_code({amo(c.funct5, 3, a0, s0, a1, aqrl)});
            EXPECT_EQ(x(a0), kPattern) << c.name;
            EXPECT_EQ(value_at(kPlace), c.expected) << c.name;
        }
    }
}

TEST_P(Memory, word_atomics_compare_words_and_sign_extend) {
    state.x[a1] = 0xffffffff00000001;    // as a word: 1
    run_code({amo(16, 2, a0, s0, a1)});  // amomin.w: 0xb4a39281 is negative
    EXPECT_EQ(x(a0), 0xffffffffb4a39281);
    EXPECT_EQ(value_at(kPlace), kPattern);
    state.pc = kRam;
    run_code({amo(24, 2, x0, s0, a1)});  // amominu.w
    EXPECT_EQ(value_at(kPlace), 0xf8e7d6c500000001);
}

TEST_P(Memory, misaligned_atomics_raise_misaligned_exceptions) {
    state.x[s1] = kPlace + 4;
    expect_fault(amo(0, 3, a0, s1, a1), 6, kPlace + 4);
    expect_fault(lr_d(a0, s1), 4, kPlace + 4);
    expect_fault(sc_d(a0, s1, a1), 6, kPlace + 4);
    state.x[s1] = kPlace + 2;
    expect_fault(lr_w(a0, s1), 4, kPlace + 2);
}

TEST_P(Memory, sc_succeeds_once_after_lr_and_only_there) {
    state.x[a1] = 99;
    state.x[s1] = kPlace + 8;
    run_code(
        {sc_d(a2, s0, a1),
         lr_d(a0, s0),
         sc_d(a3, s0, a1),
         sc_d(a4, s0, a1),
         lr_d(a0, s0),
         sc_d(a5, s1, a1),
         lr_d(a0, s0),
         sc_w(a6, s0, a1)}
    );
    EXPECT_NE(x(a2), 0U) << "without lr";
    EXPECT_EQ(x(a3), 0U) << "after lr";
    EXPECT_NE(x(a4), 0U) << "the reservation is used up";
    EXPECT_NE(x(a5), 0U) << "another address";
    EXPECT_NE(x(a6), 0U) << "another width";
    EXPECT_EQ(value_at(kPlace), 99U);
}

TEST_P(Memory, sc_fails_when_the_word_changed) {
    state.x[a1] = 99;
    run_code({lr_d(a0, s0), sd(a1, s0, 0), sc_d(a2, s0, x0)});
    EXPECT_NE(x(a2), 0U);
    EXPECT_EQ(value_at(kPlace), 99U);
}

TEST_P(Memory, fences_are_accepted) {
    run_code({kFence, 0x0330000f, 0x8330000f /* fence.tso */, 0x0100000f /* pause */, li(a0, 1)});
    EXPECT_EQ(x(a0), 1U);
}
