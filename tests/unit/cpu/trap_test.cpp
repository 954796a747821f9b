// SPDX-License-Identifier: Apache-2.0
// Exceptions, interrupts, wfi and the ways in and out of run().
#include "hart_fixture.hpp"

using namespace rv;
using cpu_test::EngineTest;
using cpu_test::kRam;
using vmm::ExitKind;
using vmm::InterruptLine;
using vmm::riscv::Privilege;

namespace {

constexpr std::uint64_t kInterrupt = std::uint64_t{1} << 63;
constexpr std::uint64_t kSie = 2, kSpie = 32, kSpp = 256;

class Trap : public EngineTest {
protected:
    /// Runs what `state` says without setting it again.
    ExitKind go_on(vmm::Nanos deadline = ~vmm::Nanos{0}) {
        const ExitKind kind = vcpu->run({.deadline = deadline});
        state = vcpu->save();
        return kind;
    }
};

COPS_ON_EVERY_ENGINE(Trap);

}  // namespace

TEST_P(Trap, ecall_from_user_mode_traps_to_supervisor_mode) {
    state.privilege = Privilege::user;
    state.sstatus |= kSie;
    put(kRam, {nop(), kEcall});
    EXPECT_EQ(run(), ExitKind::ended);
    EXPECT_EQ(state.scause, 8U);
    EXPECT_EQ(state.stval, 0U);
    EXPECT_EQ(state.sepc, kRam + 4);
    EXPECT_EQ(state.privilege, Privilege::supervisor);
    EXPECT_EQ(state.sstatus & (kSie | kSpie | kSpp), kSpie);
    EXPECT_EQ(vcpu->counters().supervisor_traps, 1U);
}

TEST_P(Trap, ecall_from_supervisor_mode_is_an_sbi_call) {
    host.on_sbi_call = [](const vmm::SbiCall& call) -> vmm::SbiReply {
        if (call.extension == 0x10) {
            EXPECT_EQ(call.function, 6U);
            EXPECT_EQ(call.args[0], 11U);
            EXPECT_EQ(call.args[5], 16U);
            return {.error = -2, .value = 77};
        }
        if (call.extension == 1) {
            return {.error = 5, .legacy = true};
        }
        return {.exit = true, .exit_kind = ExitKind::ended};
    };
    run_code(
        {li(a0, 11),
         li(a1, 12),
         li(a5, 16),
         li(a6, 6),
         li(a7, 0x10),
         kEcall,
         mv(s0, a0),
         mv(s1, a1),
         li(a7, 1),
         kEcall,
         mv(s2, a0),
         mv(s3, a1),
         li(a7, 2)}
    );
    EXPECT_EQ(x(s0), std::uint64_t(-2));
    EXPECT_EQ(x(s1), 77U);
    EXPECT_EQ(x(s2), 5U);
    EXPECT_EQ(x(s3), 77U) << "legacy calls keep a1";
    EXPECT_EQ(vcpu->counters().sbi_calls, 3U);
}

TEST_P(Trap, ebreak_reports_its_own_address) {
    put(kRam, {nop(), kEbreak});
    EXPECT_EQ(run(), ExitKind::ended);
    EXPECT_EQ(state.scause, 3U);
    EXPECT_EQ(state.stval, kRam + 4);
}

TEST_P(Trap, a_compressed_illegal_instruction_reports_sixteen_bits) {
    put_value<std::uint16_t>(kRam, 0x0001);
    put_value<std::uint16_t>(kRam + 2, 0x2001);  // reserved
    put_value<std::uint16_t>(kRam + 4, 0xffff);
    EXPECT_EQ(run(), ExitKind::ended);
    EXPECT_EQ(state.scause, 2U);
    EXPECT_EQ(state.stval, 0x2001U);
    EXPECT_EQ(state.sepc, kRam + 2);
}

TEST_P(Trap, fetching_from_nowhere_is_an_access_fault) {
    state.x[t0] = 0x40000001;
    put(kRam, {jalr(ra, t0, 1)});
    EXPECT_EQ(run(), ExitKind::ended);
    EXPECT_EQ(state.scause, 1U);
    EXPECT_EQ(state.stval, 0x40000002U);
    EXPECT_EQ(state.sepc, 0x40000002U);
    EXPECT_EQ(x(ra), kRam + 4);
}

TEST_P(Trap, an_instruction_that_leaves_memory_faults_at_its_second_half) {
    const std::uint64_t end = kRam + cpu_test::kRamBytes;
    put_value<std::uint16_t>(end - 2, 0x0013);  // the first half of a nop
    state.pc = end - 2;
    EXPECT_EQ(run(), ExitKind::ended);
    EXPECT_EQ(state.scause, 1U);
    EXPECT_EQ(state.stval, end);
    EXPECT_EQ(state.sepc, end - 2);
}

TEST_P(Trap, a_handler_that_cannot_be_fetched_does_not_hang_the_host) {
    state.stvec = 0x40000000;
    put(kRam, {kEbreak});
    vcpu->load(state);
    // A deadline in the past ends the turn at the first look at the clock.
    EXPECT_EQ(go_on(0), ExitKind::interrupted);
    EXPECT_EQ(state.sepc, 0x40000000U);
    EXPECT_LT(state.instret, 100U);
}

TEST_P(Trap, sret_restores_privilege_and_enables) {
    state.sstatus |= kSpie;
    state.sepc = kRam + 0x100;
    put(kRam, {kSret});
    put(kRam + 0x100, {kEcall});
    EXPECT_EQ(run(), ExitKind::ended);
    EXPECT_EQ(state.scause, 8U) << "it ran in user mode";
    EXPECT_EQ(state.sepc, kRam + 0x100);
}

TEST_P(Trap, privileged_instructions_are_illegal_in_user_mode) {
    for (const Word word :
         {kSret, sfence_vma(), kWfi, sinval_vma(), kSfenceWInval, kSfenceInvalIr}) {
        state.pc = kRam;
        state.privilege = Privilege::user;
        put(kRam, {word});
        EXPECT_EQ(run(), ExitKind::ended);
        EXPECT_EQ(state.scause, 2U) << std::hex << word;
    }
}

TEST_P(Trap, interrupts_are_taken_by_priority_when_enabled) {
    put(kRam, {nop(), beq(0, 0, -4)});
    state.sie = 0x222;
    state.sip = 0x202;
    state.stimecmp = 0;
    state.sstatus |= kSie;
    EXPECT_EQ(run(), ExitKind::ended);
    EXPECT_EQ(state.scause, kInterrupt | 9);
    EXPECT_EQ(state.sepc, kRam);
    EXPECT_EQ(state.stval, 0U);
    for (const std::uint64_t enabled : {0x22U, 0x20U}) {
        state.pc = kRam;
        state.sie = enabled;
        state.sstatus |= kSie;
        EXPECT_EQ(run(), ExitKind::ended);
        EXPECT_EQ(state.scause, kInterrupt | (enabled == 0x22 ? 1 : 5));
    }
}

TEST_P(Trap, disabled_interrupts_wait_for_sie_and_are_always_on_in_user_mode) {
    state.sie = 2;
    state.sip = 2;
    run_code({li(a0, 1)});
    EXPECT_EQ(x(a0), 1U);
    state.pc = kRam;
    put(kRam, {li(a0, 2), csrrsi(0, 0x100, 2), li(a0, 3)});
    EXPECT_EQ(run(), ExitKind::ended);
    EXPECT_EQ(state.scause, kInterrupt | 1);
    EXPECT_EQ(state.sepc, kRam + 8) << "right after the write that enabled it";
    EXPECT_EQ(x(a0), 2U);
    state.pc = kRam;
    state.sstatus &= ~kSie;
    state.privilege = Privilege::user;
    EXPECT_EQ(run(), ExitKind::ended);
    EXPECT_EQ(state.scause, kInterrupt | 1);
    EXPECT_EQ(state.sepc, kRam);
}

TEST_P(Trap, a_vectored_handler_is_entered_by_number_for_interrupts_only) {
    state.stvec = (kRam + 0x1000) | 1;
    put(kRam + 0x1000, {kEcall});
    put(kRam + 0x1000 + 4 * 9, {li(a0, 9), kEcall});
    put(kRam, {beq(0, 0, 0)});
    state.sie = state.sip = 0x200;
    state.sstatus |= kSie;
    EXPECT_EQ(run(), ExitKind::ended);
    EXPECT_EQ(x(a0), 9U);
    state.pc = kRam;
    state.sip = 0;
    put(kRam, {kEbreak});
    EXPECT_EQ(run(), ExitKind::ended);
    EXPECT_EQ(state.pc, kRam + 0x1004);
}

TEST_P(Trap, the_timer_interrupts_a_loop) {
    put(kRam, {beq(0, 0, 0)});
    host.time = 100;
    state.stimecmp = 50;
    state.sie = 0x20;
    state.sstatus |= kSie;
    EXPECT_EQ(run(), ExitKind::ended);
    EXPECT_EQ(state.scause, kInterrupt | 5);
}

TEST_P(Trap, set_timer_from_an_sbi_call_counts_at_once) {
    host.time = 100;
    state.sie = 0x20;
    state.sstatus |= kSie;
    host.on_sbi_call = [this](const vmm::SbiCall& call) -> vmm::SbiReply {
        if (call.extension == 1) {
            vcpu->set_timer(99);
            return {};
        }
        return {.exit = true, .exit_kind = ExitKind::ended};
    };
    put(kRam, {li(a7, 1), kEcall, li(a7, 2), beq(0, 0, 0)});
    put(kRam + 0x10000, {li(a7, 3), kEcall});
    EXPECT_EQ(run(), ExitKind::ended);
    EXPECT_EQ(state.scause, kInterrupt | 5);
    EXPECT_EQ(state.sepc, kRam + 8);
}

TEST_P(Trap, wfi_waits_when_nothing_enabled_is_pending) {
    put(kRam, {kWfi, li(a0, 1), kEcall});
    state.sie = 0x200;
    state.sip = 2;  // pending but not enabled
    EXPECT_EQ(run(), ExitKind::idle);
    EXPECT_EQ(state.pc, kRam + 4);
    EXPECT_FALSE(vcpu->has_pending_interrupt());
    vcpu->set_interrupt(InterruptLine::supervisor_external, true);
    EXPECT_TRUE(vcpu->has_pending_interrupt());
    EXPECT_EQ(go_on(), ExitKind::ended);
    EXPECT_EQ(x(a0), 1U) << "pending but globally disabled: wfi just ends";
}

TEST_P(Trap, wfi_does_not_wait_for_what_is_pending_already) {
    put(kRam, {kWfi, li(a0, 1), kEcall});
    state.sie = state.sip = 2;
    EXPECT_EQ(run(), ExitKind::ended);
    EXPECT_EQ(x(a0), 1U);
}

TEST_P(Trap, timer_deadline_is_that_of_the_enabled_timer) {
    state.stimecmp = 5000;
    state.sie = 0;
    vcpu->load(state);
    EXPECT_EQ(vcpu->timer_deadline(), ~vmm::Nanos{0});
    state.sie = 0x20;
    vcpu->load(state);
    EXPECT_EQ(vcpu->timer_deadline(), 50000U);
    state.sie = 0x30;
    state.utimecmp = 400;
    vcpu->load(state);
    EXPECT_EQ(vcpu->timer_deadline(), 4000U);
}

TEST_P(Trap, a_requested_exit_is_consumed_by_one_run) {
    put(kRam, {addi(a0, a0, 1), li(t0, 1), bne(t0, x0, -8)});
    vcpu->load(state);
    vcpu->request_exit();
    EXPECT_EQ(go_on(), ExitKind::interrupted);
    EXPECT_EQ(state.pc, kRam) << "asked before: nothing was executed";
    EXPECT_EQ(go_on(0), ExitKind::interrupted);
}

TEST_P(Trap, a_ring_flag_ends_the_turn_at_a_precise_state) {
    put(kRam, {addi(a0, a0, 1), beq(0, 0, -4)});
    unsigned flags = 4;
    vcpu->load(state);
    EXPECT_EQ(
        vcpu->run({.deadline = ~vmm::Nanos{0}, .ring_flags = &flags, .ring_mask = 4}),
        ExitKind::interrupted
    );
    flags = 3;
    EXPECT_EQ(
        vcpu->run({.deadline = 0, .ring_flags = &flags, .ring_mask = 4}), ExitKind::interrupted
    );
    state = vcpu->save();
    EXPECT_EQ(state.instret, 2 * x(a0) - (state.pc == kRam ? 0 : 1));
}

TEST_P(Trap, a_stopped_hart_runs_after_start) {
    host.on_sbi_call = [](const vmm::SbiCall&) -> vmm::SbiReply {
        return {.exit = true, .exit_kind = ExitKind::stopped};
    };
    put(kRam, {kEcall});
    EXPECT_EQ(run(), ExitKind::stopped);
    EXPECT_EQ(state.stopped, 1U);
    EXPECT_EQ(go_on(), ExitKind::stopped);
    put(kRam + 0x100, {li(t0, 5), kEcall});
    vcpu->start(vmm::GuestPhys{kRam + 0x100}, 0xabc);
    host.on_sbi_call = {};
    EXPECT_EQ(go_on(), ExitKind::ended);
    EXPECT_EQ(x(t0), 5U);
    EXPECT_EQ(state.privilege, Privilege::supervisor);
    EXPECT_EQ(state.satp, 0U);
    EXPECT_EQ(state.scounteren, 7U) << "programs of a stock Linux read the time by themselves";
    EXPECT_EQ(host.sbi.args[0], 0U) << "a0: hart id";
    EXPECT_EQ(host.sbi.args[1], 0xabcU) << "a1: opaque";
}

TEST_P(Trap, a_saved_hart_continues_in_another_one) {
    Code code;
    code.load(t0, 1000000);
    code << addi(a0, a0, 1) << addi(t0, t0, -1) << bne(t0, x0, -8) << kEcall;
    put(kRam, code);
    state.f[7] = 0x123;
    state.sip = 2;
    state.utvec = 0x44;
    vcpu->load(state);
    unsigned turns = 0;
    while (go_on(0) == ExitKind::interrupted) {
        // Every turn on a vCPU made for it.
        ++turns;
        vcpu = make_hart(0);
        vcpu->load(state);
    }
    EXPECT_GT(turns, 10U);
    EXPECT_EQ(x(a0), 1000000U);
    EXPECT_EQ(state.instret, 11 + 3000000U + 1);
    EXPECT_EQ(state.f[7], 0x123U);
    EXPECT_EQ(state.sip & 2, 2U);
    EXPECT_EQ(state.utvec, 0x44U);
}

TEST_P(Trap, save_gives_what_load_was_given) {
    vmm::riscv::State given;
    for (unsigned n = 1; n < 32; ++n) {
        given.x[n] = n * 0x0101010101010101;
        given.f[n] = ~given.x[n];
    }
    given.pc = 0x80001234;
    given.fcsr = 0x65;
    given.sstatus = kSie | kSpp | 0x11 | 3 << 13;
    given.sie = 0x333;
    given.sip = 0x203;
    given.satp = std::uint64_t{8} << 60 | 0x80200;
    given.stimecmp = 12345;
    given.instret = 99;
    given.privilege = Privilege::user;
    given.sideleg = 0x11;
    given.utimecmp = 777;
    vcpu->load(given);
    const vmm::riscv::State got = vcpu->save();
    EXPECT_EQ(std::memcmp(&got, &given, sizeof got), 0);
}
