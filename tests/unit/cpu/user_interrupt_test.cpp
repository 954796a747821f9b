// SPDX-License-Identifier: Apache-2.0
// The N extension as virtio_cops/user_interrupts.h numbers it.
#include "hart_fixture.hpp"

#include <virtio_cops/user_interrupts.h>

using namespace rv;
using cpu_test::EngineTest;
using cpu_test::kRam;
using vmm::ExitKind;
using vmm::riscv::Privilege;

namespace {

constexpr std::uint64_t kInterrupt = std::uint64_t{1} << 63;
constexpr std::uint64_t kUie = COPS_USTATUS_UIE, kUpie = COPS_USTATUS_UPIE;
constexpr std::uint64_t kSoftware = 1, kTimer = 16, kExternal = 256;
constexpr std::uint64_t kUserHandler = kRam + 0x4000;

class UserInterrupt : public EngineTest {
protected:
    UserInterrupt() {
        state.privilege = Privilege::user;
        state.sstatus |= kUie;
        state.utvec = kUserHandler;
        state.sie = state.sideleg = kSoftware | kTimer | kExternal;
        put(kRam, {addi(a0, a0, 1), beq(0, 0, -4)});
        // An ecall from U-mode ends the run through the supervisor's handler.
        put(kUserHandler,
            {csrr(s0, COPS_CSR_UCAUSE),
             csrr(s1, COPS_CSR_UEPC),
             csrr(s2, COPS_CSR_USTATUS),
             csrr(s3, COPS_CSR_UTVAL),
             kEcall});
    }
};

COPS_ON_EVERY_ENGINE(UserInterrupt);

}  // namespace

TEST_P(UserInterrupt, a_raised_interrupt_enters_utvec_without_a_supervisor_trap) {
    vcpu->load(state);
    vcpu->raise_user_interrupt();
    ASSERT_EQ(vcpu->run({.deadline = ~vmm::Nanos{0}}), ExitKind::ended);
    state = vcpu->save();
    EXPECT_EQ(x(s0), kInterrupt | 0);
    EXPECT_EQ(x(s1), kRam) << "before the first instruction";
    EXPECT_EQ(x(s2), kUpie) << "UIE moved to UPIE";
    EXPECT_EQ(x(s3), 0U);
    EXPECT_EQ(state.scause, 8U);
    EXPECT_EQ(vcpu->counters().user_interrupts, 1U);
    EXPECT_EQ(vcpu->counters().supervisor_traps, 1U) << "the ecall that ended the test";
}

TEST_P(UserInterrupt, external_goes_before_software_before_timer) {
    host.time = 100;
    state.utimecmp = 50;
    state.sip = kSoftware | kExternal;
    ASSERT_EQ(run(), ExitKind::ended);
    EXPECT_EQ(x(s0), kInterrupt | 8);
    for (const std::uint64_t number : {0U, 4U}) {
        state.pc = kRam;
        state.privilege = Privilege::user;
        state.sstatus |= kUie;
        state.sip = number == 0 ? kSoftware : 0;
        ASSERT_EQ(run(), ExitKind::ended);
        EXPECT_EQ(x(s0), kInterrupt | number);
    }
}

TEST_P(UserInterrupt, vectored_mode_adds_four_times_the_number) {
    state.utvec = kUserHandler | 1;
    put(kUserHandler + 16, {li(s4, 4), kEcall});
    host.time = 100;
    state.utimecmp = 50;
    ASSERT_EQ(run(), ExitKind::ended);
    EXPECT_EQ(x(s4), 4U);
}

TEST_P(UserInterrupt, uret_goes_back_and_enables_again) {
    put(kUserHandler, {csrrci(0, COPS_CSR_UIP, 1), addi(a1, a1, 1), kUret});
    put(kRam, {li(a0, 1), csrr(s2, COPS_CSR_USTATUS), kEcall});
    state.sip = kSoftware;
    ASSERT_EQ(run(), ExitKind::ended);
    EXPECT_EQ(x(a1), 1U);
    EXPECT_EQ(x(a0), 1U);
    EXPECT_EQ(x(s2), kUie | kUpie);
    EXPECT_EQ(state.sip & kSoftware, 0U);
    EXPECT_EQ(state.instret, 6U);
}

TEST_P(UserInterrupt, uret_in_supervisor_mode_goes_to_user_mode) {
    state.privilege = Privilege::supervisor;
    state.uepc = kRam + 0x100;
    put(kRam, {kUret});
    put(kRam + 0x100, {kEcall});
    ASSERT_EQ(run(), ExitKind::ended);
    EXPECT_EQ(state.scause, 8U);
    EXPECT_EQ(state.sepc, kRam + 0x100);
}

TEST_P(UserInterrupt, nothing_is_taken_while_uie_is_clear_and_all_of_it_when_it_is_set) {
    state.sstatus &= ~kUie;
    state.sip = kSoftware;
    put(kRam, {li(a0, 1), csrrsi(0, COPS_CSR_USTATUS, 1), li(a0, 2)});
    ASSERT_EQ(run(), ExitKind::ended);
    EXPECT_EQ(x(s0), kInterrupt | 0);
    EXPECT_EQ(x(s1), kRam + 8);
    EXPECT_EQ(x(a0), 1U);
}

TEST_P(UserInterrupt, one_that_is_not_enabled_or_not_delegated_is_held) {
    struct {
        std::uint64_t sie, sideleg;
    } const cases[] = {{0, kSoftware}, {kSoftware, 0}, {kTimer, kSoftware}};
    for (const auto& c : cases) {
        state.pc = kRam;
        state.privilege = Privilege::user;
        state.sstatus |= kUie;
        state.sip = kSoftware;
        state.sie = c.sie;
        state.sideleg = c.sideleg;
        put(kRam, {li(a0, 7), kEcall});
        ASSERT_EQ(run(), ExitKind::ended);
        EXPECT_EQ(x(a0), 7U);
        EXPECT_EQ(state.scause, 8U) << "only the ecall trapped";
        EXPECT_EQ(state.sip & kSoftware, kSoftware) << "and it is still pending";
    }
}

TEST_P(UserInterrupt, it_is_held_in_supervisor_mode_until_sret) {
    state.privilege = Privilege::supervisor;
    state.sstatus |= 2;  // SIE makes no difference
    state.sip = kSoftware;
    state.sepc = kRam + 0x100;
    put(kRam, {nop(), nop(), csrr(s5, 0x144), kSret});
    put(kRam + 0x100, {li(a0, 1), kEcall});
    ASSERT_EQ(run(), ExitKind::ended);
    EXPECT_EQ(x(s5), kSoftware);
    EXPECT_EQ(x(s0), kInterrupt | 0);
    EXPECT_EQ(x(s1), kRam + 0x100);
    EXPECT_EQ(x(a0), 0U);
}

TEST_P(UserInterrupt, supervisor_interrupts_go_before_user_ones) {
    state.sie |= 2;
    state.sip = kSoftware | 2;
    ASSERT_EQ(run(), ExitKind::ended);
    EXPECT_EQ(state.scause, kInterrupt | 1);
    EXPECT_EQ(vcpu->counters().user_interrupts, 0U);
}

TEST_P(UserInterrupt, the_user_timer_interrupts_a_loop_and_follows_utimecmp) {
    host.time = 1000;
    put(kRam, {li(a0, 999), csrw(COPS_CSR_UTIMECMP, a0), li(a0, 1), beq(0, 0, 0)});
    ASSERT_EQ(run(), ExitKind::ended);
    EXPECT_EQ(x(s0), kInterrupt | 4);
    EXPECT_EQ(x(a0), 999U) << "at once after the write";
    state.pc = kRam;
    state.privilege = Privilege::user;
    put(kRam, {li(a0, 1001), csrw(COPS_CSR_UTIMECMP, a0), csrr(a1, COPS_CSR_UIP), kEcall});
    state.sstatus &= ~kUie;
    ASSERT_EQ(run(), ExitKind::ended);
    EXPECT_EQ(x(a1), 0U);
}

TEST_P(UserInterrupt, user_registers_are_views_of_the_supervisors_masked_by_sideleg) {
    state.sstatus &= ~kUie;
    state.sideleg = kSoftware | kTimer;
    state.sie = 0x222;
    state.sip = kExternal;
    state.x[a0] = ~std::uint64_t{0};
    put(kRam,
        {csrw(COPS_CSR_UIE, a0),
         csrr(a1, COPS_CSR_UIE),
         csrw(COPS_CSR_UIP, a0),
         csrr(a2, COPS_CSR_UIP),
         csrrci(0, COPS_CSR_UIP, 1),
         csrr(a3, COPS_CSR_UIP),
         csrr(a4, COPS_CSR_USTATUS),
         kEcall});
    ASSERT_EQ(run(), ExitKind::ended);
    EXPECT_EQ(x(a1), kSoftware | kTimer);
    EXPECT_EQ(x(a2), kSoftware) << "only USIP is writable";
    EXPECT_EQ(x(a3), 0U);
    EXPECT_EQ(x(a4), 0U);
    EXPECT_EQ(state.sie, 0x222 | kSoftware | kTimer);
    EXPECT_EQ(state.sip & 0x111, kExternal) << "not delegated: neither seen nor touched";
}

TEST_P(UserInterrupt, usip_cannot_be_written_from_user_mode_unless_delegated) {
    state.sideleg = kTimer;
    put(kRam, {csrrsi(0, COPS_CSR_UIP, 1), kEcall});
    ASSERT_EQ(run(), ExitKind::ended);
    EXPECT_EQ(state.sip & kSoftware, 0U);
}

TEST_P(UserInterrupt, wfi_in_user_mode_is_legal_exactly_with_something_delegated) {
    state.sideleg = 0;
    put(kRam, {kWfi, li(a0, 1), kEcall});
    ASSERT_EQ(run(), ExitKind::ended);
    EXPECT_EQ(state.scause, 2U);
    for (const std::uint64_t delegated : {kSoftware, kTimer, kExternal}) {
        state.pc = kRam;
        state.privilege = Privilege::user;
        state.sideleg = delegated;
        EXPECT_EQ(run(), ExitKind::idle);
        EXPECT_EQ(state.pc, kRam + 4);
    }
}

TEST_P(UserInterrupt, wfi_in_user_mode_ends_for_a_pending_interrupt_whatever_uie_says) {
    state.sstatus &= ~kUie;
    put(kRam, {kWfi, li(a0, 1), kEcall});
    EXPECT_EQ(run(), ExitKind::idle);
    vcpu->raise_user_interrupt();
    EXPECT_TRUE(vcpu->has_pending_interrupt());
    ASSERT_EQ(vcpu->run({.deadline = ~vmm::Nanos{0}}), ExitKind::ended);
    EXPECT_EQ(vcpu->save().x[a0], 1U);
}

TEST_P(UserInterrupt, an_idle_hart_takes_the_interrupt_after_wfi) {
    put(kRam, {kWfi, kEbreak});
    EXPECT_EQ(run(), ExitKind::idle);
    vcpu->raise_user_interrupt();
    ASSERT_EQ(vcpu->run({.deadline = ~vmm::Nanos{0}}), ExitKind::ended);
    state = vcpu->save();
    EXPECT_EQ(x(s0), kInterrupt | 0);
    EXPECT_EQ(x(s1), kRam + 4);
}

TEST_P(UserInterrupt, exceptions_are_delegated_by_sedeleg) {
    state.sedeleg = 1 << 3;
    put(kRam, {nop(), kEbreak});
    ASSERT_EQ(run(), ExitKind::ended);
    EXPECT_EQ(x(s0), 3U);
    EXPECT_EQ(x(s1), kRam + 4);
    EXPECT_EQ(x(s3), kRam + 4) << "utval";
    EXPECT_EQ(vcpu->counters().user_interrupts, 1U);
    // One raised in S-mode is never delegated.
    state.pc = kRam;
    state.privilege = Privilege::supervisor;
    ASSERT_EQ(run(), ExitKind::ended);
    EXPECT_EQ(state.scause, 3U);
}

TEST_P(UserInterrupt, delegation_registers_take_only_what_can_be_delegated) {
    state.privilege = Privilege::supervisor;
    state.x[a0] = ~std::uint64_t{0};
    run_code(
        {csrw(COPS_CSR_SEDELEG, a0),
         csrr(a1, COPS_CSR_SEDELEG),
         csrw(COPS_CSR_SIDELEG, a0),
         csrr(a2, COPS_CSR_SIDELEG),
         csrw(COPS_CSR_UEPC, a0),
         csrr(a3, COPS_CSR_UEPC),
         csrw(COPS_CSR_UTVEC, a0),
         csrr(a4, COPS_CSR_UTVEC),
         csrw(COPS_CSR_USCRATCH, a0),
         csrr(a5, COPS_CSR_USCRATCH)}
    );
    EXPECT_EQ(x(a1), 0xb1ffU);
    EXPECT_EQ(x(a2), 0x111U);
    EXPECT_EQ(x(a3), ~std::uint64_t{1});
    EXPECT_EQ(x(a4), ~std::uint64_t{2});
    EXPECT_EQ(x(a5), ~std::uint64_t{0});
}
