// SPDX-License-Identifier: Apache-2.0
#include "cpu/riscv/encoding.hpp"
#include "hart_fixture.hpp"

using namespace rv;
using cpu_test::EngineTest;
using cpu_test::kRam;

namespace {

class Csr : public EngineTest {
protected:
    /// Executes one instruction in the given mode; true when it was illegal.
    bool illegal(Word word, vmm::riscv::Privilege privilege) {
        state.pc = kRam;
        state.privilege = privilege;
        put(kRam, {word, kEcall});
        EXPECT_EQ(run(), vmm::ExitKind::ended);
        const bool is_illegal = state.scause == 2 && state.sepc == kRam;
        if (is_illegal) {
            EXPECT_EQ(state.stval, word);
        }
        state.scause = 0;
        return is_illegal;
    }
    static constexpr auto kUser = vmm::riscv::Privilege::user;
    static constexpr auto kSupervisor = vmm::riscv::Privilege::supervisor;
};

COPS_ON_EVERY_ENGINE(Csr);

}  // namespace

TEST_P(Csr, machine_registers_and_unknown_ones_are_illegal) {
    for (const unsigned number :
         {0x300U,
          0x301U,
          0x30aU,
          0xf11U,
          0xf14U,
          0x7a0U,
          0x5a8U,
          0xc03U,
          0xb00U,
          0x200U,
          0x643U,
          0x10cU,
          0x15dU,
          0xfffU}) {
        EXPECT_TRUE(illegal(csrr(a0, number), kSupervisor)) << std::hex << number;
    }
}

TEST_P(Csr, supervisor_registers_are_illegal_in_user_mode) {
    for (const unsigned number :
         {0x100U,
          0x104U,
          0x105U,
          0x106U,
          0x10aU,
          0x140U,
          0x141U,
          0x142U,
          0x143U,
          0x144U,
          0x14dU,
          0x180U,
          0x102U,
          0x103U}) {
        EXPECT_FALSE(illegal(csrr(a0, number), kSupervisor)) << std::hex << number;
        EXPECT_TRUE(illegal(csrr(a0, number), kUser)) << std::hex << number;
        EXPECT_TRUE(illegal(csrw(number, a0), kUser)) << std::hex << number;
    }
}

TEST_P(Csr, read_only_registers_can_be_read_but_not_written) {
    for (const unsigned number : {0xc00U, 0xc01U, 0xc02U}) {
        EXPECT_FALSE(illegal(csrr(a0, number), kSupervisor));
        EXPECT_FALSE(illegal(csrrsi(a0, number, 0), kSupervisor));
        EXPECT_TRUE(illegal(csrw(number, a0), kSupervisor));
        EXPECT_TRUE(illegal(csrrs(a0, number, a1), kSupervisor)) << "even when a1 is zero";
        EXPECT_TRUE(illegal(csrrsi(a0, number, 1), kSupervisor));
    }
}

TEST_P(Csr, counters_are_gated_by_scounteren) {
    for (const unsigned bit : {0U, 1U, 2U}) {
        state.scounteren = 7U & ~(1U << bit);
        EXPECT_TRUE(illegal(csrr(a0, 0xc00 + bit), kUser));
        EXPECT_FALSE(illegal(csrr(a0, 0xc00 + bit), kSupervisor));
        state.scounteren = 1U << bit;
        EXPECT_FALSE(illegal(csrr(a0, 0xc00 + bit), kUser));
    }
}

TEST_P(Csr, time_and_instret_have_their_values) {
    host.time = 123456789;
    run_code({csrr(a0, 0xc01), csrr(a1, 0xc02), nop(), nop(), csrr(a2, 0xc02)});
    EXPECT_EQ(x(a0), 123456789U);
    EXPECT_EQ(x(a2) - x(a1), 3U);
}

TEST_P(Csr, a_read_of_time_knows_exactly_how_many_instructions_have_retired) {
    state.x[a3] = 1000;
    run_code(
        {csrr(a0, 0xc02),
         csrr(a1, 0xc01),
         addi(a3, a3, -1),
         bne(a3, x0, -4),
         csrr(a2, 0xc01),
         csrr(a4, 0xc02)}
    );
    ASSERT_EQ(host.time_read_at.size(), 2U);
    EXPECT_EQ(host.time_read_at[0], x(a0) + 1);
    EXPECT_EQ(host.time_read_at[1], x(a0) + 2 + 2000);
    EXPECT_EQ(host.time_read_at[1], x(a4) - 1);
}

TEST_P(Csr, the_six_instructions_read_set_clear_and_write) {
    state.sscratch = 0xf0;
    state.x[a0] = 0x0f;
    run_code(
        {csrrs(a1, 0x140, a0),
         csrrc(a2, 0x140, a0),
         csrrw(a3, 0x140, a0),
         csrrsi(a4, 0x140, 16),
         csrrci(a5, 0x140, 1),
         csrrwi(a6, 0x140, 5),
         csrrw(a0, 0x140, a0)}
    );
    EXPECT_EQ(x(a1), 0xf0U);
    EXPECT_EQ(x(a2), 0xffU);
    EXPECT_EQ(x(a3), 0xf0U);
    EXPECT_EQ(x(a4), 0x0fU);
    EXPECT_EQ(x(a5), 0x1fU);
    EXPECT_EQ(x(a6), 0x1eU);
    EXPECT_EQ(x(a0), 5U) << "source and target may be one register";
    EXPECT_EQ(state.sscratch, 0x0fU);
}

TEST_P(Csr, fields_that_are_fixed_stay_so) {
    state.x[a0] = ~std::uint64_t{0};
    run_code(
        {csrw(0x100, a0),
         csrr(a1, 0x100),
         csrw(0x105, a0),
         csrr(a2, 0x105),
         csrw(0x106, a0),
         csrr(a3, 0x106),
         csrw(0x141, a0),
         csrr(a4, 0x141),
         csrw(0x10a, a0),
         csrr(a5, 0x10a),
         csrw(0x104, x0),
         csrw(0x100, x0),
         csrw(0x104, a0),
         csrr(a6, 0x104)}
    );
    EXPECT_EQ(x(a1), 0x80000002000c6133U) << "sstatus";
    EXPECT_EQ(x(a2), ~std::uint64_t{2}) << "stvec";
    EXPECT_EQ(x(a3), 7U) << "scounteren";
    EXPECT_EQ(x(a4), ~std::uint64_t{1}) << "sepc";
    EXPECT_EQ(x(a5), 1U) << "senvcfg.FIOM";
    EXPECT_EQ(x(a6), 0x333U) << "sie";
}

TEST_P(Csr, without_user_interrupts_their_bits_and_registers_do_not_exist) {
    vcpu = make_hart(0, false);
    state.x[a0] = ~std::uint64_t{0};
    run_code({csrw(0x104, a0), csrr(a1, 0x104), csrw(0x104, x0), csrw(0x100, a0), csrr(a2, 0x100)});
    EXPECT_EQ(x(a1), 0x222U);
    EXPECT_EQ(x(a2), 0x80000002000c6122U);
    for (const unsigned number :
         {0x000U, 0x004U, 0x005U, 0x040U, 0x041U, 0x042U, 0x043U, 0x044U, 0x800U, 0x102U, 0x103U}) {
        EXPECT_TRUE(illegal(csrr(a0, number), kSupervisor)) << std::hex << number;
    }
    EXPECT_TRUE(illegal(kUret, kUser));
    EXPECT_TRUE(illegal(kWfi, kUser));
    vcpu->raise_user_interrupt();
    EXPECT_EQ(vcpu->save().sip, 0U);
    EXPECT_FALSE(vcpu->has_user_interrupts());
}

TEST_P(Csr, satp_ignores_modes_that_do_not_exist) {
    for (std::uint64_t mode = 1; mode < 16; ++mode) {
        if (mode == 8 || mode == 9) {
            continue;  // Sv39 and Sv48
        }
        state.pc = kRam;
        state.satp = 0;
        Code code;
        code.load(a0, mode << 60 | 0x1234);
        code << csrw(0x180, a0) << csrr(a1, 0x180);
        run_code(code);
        EXPECT_EQ(x(a1), 0U) << mode;
    }
}

TEST_P(Csr, fcsr_is_frm_and_fflags) {
    run_code(
        {csrrwi(0, 2, 3),
         csrrwi(0, 1, 17),
         csrr(a0, 3),
         li(a1, 0x7f),
         csrrw(a2, 3, a1),
         csrr(a3, 1),
         csrr(a4, 2)}
    );
    EXPECT_EQ(x(a0), 0x71U);
    EXPECT_EQ(x(a3), 0x1fU);
    EXPECT_EQ(x(a4), 3U);
}

TEST_P(Csr, sip_lets_the_guest_write_only_its_software_interrupts) {
    vcpu->load(state);
    vcpu->set_interrupt(vmm::InterruptLine::supervisor_external, true);
    state.x[a0] = ~std::uint64_t{0};
    state.stimecmp = 5000;
    host.time = 10;
    state.sip = 1 << 9;
    run_code({csrw(0x144, a0), csrr(a1, 0x144), csrw(0x144, x0), csrr(a2, 0x144)});
    EXPECT_EQ(x(a1), 0x303U) << "SEIP by the line, SSIP, USIP, UEIP";
    EXPECT_EQ(x(a2), 0x200U);
}

TEST_P(Csr, stimecmp_makes_stip_pending_when_its_time_comes) {
    host.time = 1000;
    run_code(
        {li(a0, 1001),
         csrw(0x14d, a0),
         csrr(a1, 0x144),
         li(a0, 1000),
         csrw(0x14d, a0),
         csrr(a2, 0x144),
         li(a0, -1),
         csrw(0x14d, a0),
         csrr(a3, 0x144)}
    );
    EXPECT_EQ(x(a1), 0U);
    EXPECT_EQ(x(a2), 1U << 5);
    EXPECT_EQ(x(a3), 0U);
}
