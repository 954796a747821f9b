// SPDX-License-Identifier: Apache-2.0
// Exact stops: at a count of instructions, at an address.
#include "hart_fixture.hpp"

#include <array>
#include <string>
#include <vector>

using namespace rv;
using cpu_test::EngineTest;
using cpu_test::kDevice;
using cpu_test::kRam;
using vmm::ExitKind;
using vmm::VcpuDebug;

namespace {

class ExactStops : public EngineTest {
protected:
    ExactStops() { debug = vcpu->debug(); }
    void SetUp() override { ASSERT_NE(debug, nullptr) << GetParam() << " has no exact stops"; }

    ExitKind go() {
        const ExitKind kind = vcpu->run({.deadline = ~vmm::Nanos{0}});
        state = vcpu->save();
        return kind;
    }
    ExitKind step() {
        debug->set_instruction_limit(1);
        return go();
    }
    void begin(const Code& code) {
        put(state.pc, code);
        vcpu->load(state);
    }
    void stop_at(std::vector<std::uint64_t> addresses) { debug->set_breakpoints(addresses); }

    VcpuDebug* debug = nullptr;
};

/// Counts a0 up forever: a loop of two instructions.
const Code kCount{addi(a0, a0, 1), jal(x0, -4)};

/// A loop of `length` + 1 instructions that counts a0 up by `length`.
Code straight(unsigned length) {
    Code code;
    for (unsigned n = 0; n < length; ++n) {
        code << addi(a0, a0, 1);
    }
    return code << jal(x0, -4 * static_cast<std::int64_t>(length));
}

TEST_P(ExactStops, the_count_is_exact_for_every_limit_around_blocks_and_polls) {
    constexpr unsigned kLength = 150;
    for (const std::uint64_t limit :
         {0U,   1U,   2U,   3U,    95U,   96U,   97U,   98U,     149U, 150U,
          151U, 152U, 300U, 511U,  512U,  513U,  607U,  608U,    609U, 610U,
          703U, 704U, 999U, 1000U, 4095U, 4096U, 4097U, 100'003U}) {
        state = {};
        state.pc = kRam;
        begin(straight(kLength));
        debug->set_instruction_limit(limit);
        ASSERT_EQ(go(), ExitKind::counted) << limit;
        const std::uint64_t rounds = limit / (kLength + 1);
        const std::uint64_t rest = limit % (kLength + 1);
        EXPECT_EQ(x(a0), rounds * kLength + rest) << limit;
        EXPECT_EQ(state.pc, kRam + rest * 4) << limit;
        EXPECT_EQ(state.instret, limit);
    }
}

TEST_P(ExactStops, a_reached_limit_stays_until_there_is_another) {
    begin(kCount);
    debug->set_instruction_limit(10);
    EXPECT_EQ(go(), ExitKind::counted);
    EXPECT_EQ(go(), ExitKind::counted);
    EXPECT_EQ(x(a0), 5U);
    debug->set_instruction_limit(4);
    EXPECT_EQ(go(), ExitKind::counted);
    EXPECT_EQ(x(a0), 7U);
    debug->set_instruction_limit(VcpuDebug::kNoLimit);
    vcpu->request_exit();
    EXPECT_EQ(go(), ExitKind::interrupted);
}

TEST_P(ExactStops, a_limit_goes_on_over_several_runs) {
    begin({addi(a0, a0, 1), sw(x0, s1, 0), jal(x0, -8)});
    state.x[s1] = kDevice;
    vcpu->load(state);
    host.on_mmio_write = [this] { vcpu->request_exit(); };
    debug->set_instruction_limit(3000);
    unsigned interruptions = 0;
    while (go() == ExitKind::interrupted) {
        ++interruptions;
    }
    EXPECT_GT(interruptions, 0U);
    EXPECT_EQ(state.instret, 3000U);
    EXPECT_EQ(x(a0), 1000U);
    EXPECT_EQ(host.mmio_writes.size(), 1000U);
}

TEST_P(ExactStops, steps_and_one_run_end_in_the_same_state) {
    // Loads, stores, calls, atomics, a CSR and a trap with its way back.
    Code code;
    code.load(s0, kRam + 0x4000);
    code << li(t0, 20)  // loop:
         << sd(t0, s0, 0) << ld(t1, s0, 0) << add(a0, a0, t1) << amo(0, 3, t2, s0, t0)
         << csrrs(t3, 0xc02, x0)  // instret
         << kEbreak               // the handler skips it
         << jal(ra, 16) << addi(t0, t0, -1) << bne(t0, x0, -32) << kEcall << addi(a1, a1, 3)
         << jalr(x0, ra, 0);
    put(state.stvec, {csrr(t4, 0x141), addi(t4, t4, 4), csrw(0x141, t4), kSret});
    begin(code);
    const vmm::riscv::State start = state;
    host.on_sbi_call = cpu_test::TestHost::ended;
    ASSERT_EQ(go(), ExitKind::ended);
    const vmm::riscv::State whole = state;

    vcpu->load(start);
    std::uint64_t steps = 1;
    for (; step() == ExitKind::counted; ++steps) {
        ASSERT_EQ(state.instret, steps);
        ASSERT_LT(steps, 10'000U);
    }
    EXPECT_EQ(state.instret, whole.instret);
    EXPECT_EQ(steps, whole.instret);
    EXPECT_EQ(state.x, whole.x);
    EXPECT_EQ(state.pc, whole.pc);
    EXPECT_EQ(state.sepc, whole.sepc);
    EXPECT_EQ(state.sstatus, whole.sstatus);
}

TEST_P(ExactStops, an_exception_does_not_retire) {
    put(state.stvec, {nop(), nop()});
    begin({nop(), 0});
    EXPECT_EQ(step(), ExitKind::counted);
    EXPECT_EQ(state.pc, kRam + 4);
    // The illegal word traps; the handler's first instruction is the one that retires.
    EXPECT_EQ(step(), ExitKind::counted);
    EXPECT_EQ(state.pc, state.stvec + 4);
    EXPECT_EQ(state.scause, 2U);
    EXPECT_EQ(state.instret, 2U);
}

TEST_P(ExactStops, a_limit_is_no_reason_to_miss_requests) {
    // A handler that can't be fetched: nothing ever retires.
    state.stvec = 0x1000;
    begin({0});
    debug->set_instruction_limit(5);
    vcpu->request_exit();
    EXPECT_EQ(go(), ExitKind::interrupted);
    EXPECT_EQ(state.instret, 0U);
}

TEST_P(ExactStops, an_interrupt_comes_after_the_stop_before_the_next_instruction) {
    state.sie = 2;
    state.stvec = kRam + 0x200;
    put(state.stvec, {nop(), nop()});
    begin({csrrsi(x0, 0x100, 2), addi(a0, a0, 1)});
    vcpu->set_interrupt(vmm::InterruptLine::supervisor_software, true);
    EXPECT_EQ(step(), ExitKind::counted);
    EXPECT_EQ(state.pc, kRam + 4);
    EXPECT_EQ(step(), ExitKind::counted);
    EXPECT_EQ(state.pc, state.stvec + 4);
    EXPECT_EQ(state.sepc, kRam + 4);
    EXPECT_EQ(x(a0), 0U);
}

TEST_P(ExactStops, compressed_and_page_crossing_instructions_count_as_one) {
    // Ten c.addi a0, 1, then an addi that lies across two pages, and again.
    constexpr std::uint64_t kStart = kRam + 0x1000 - 22;
    for (unsigned n = 0; n < 10; ++n) {
        put_value<std::uint16_t>(kStart + 2 * n, 0x0505);
    }
    put_value<Word>(kRam + 0x1000 - 2, addi(a0, a0, 100));
    put_value<Word>(kRam + 0x1002, jal(x0, -24));
    state.pc = kStart;
    for (std::uint64_t limit = 0; limit < 40; ++limit) {
        state = {};
        state.pc = kStart;
        vcpu->load(state);
        debug->set_instruction_limit(limit);
        ASSERT_EQ(go(), ExitKind::counted);
        const std::uint64_t rest = limit % 12;
        EXPECT_EQ(x(a0), limit / 12 * 110 + (rest <= 10 ? rest : 110)) << limit;
        EXPECT_EQ(state.instret, limit);
    }
}

TEST_P(ExactStops, a_limit_of_astronomic_size_is_none) {
    state.instret = 100;
    begin({nop(), kEcall});
    debug->set_instruction_limit(VcpuDebug::kNoLimit - 1);
    EXPECT_EQ(go(), ExitKind::ended);
    EXPECT_EQ(state.instret, 102U);
}

TEST_P(ExactStops, a_breakpoint_stops_before_its_instruction) {
    begin({addi(a0, a0, 1), addi(a0, a0, 2), addi(a0, a0, 4), kEcall});
    stop_at({kRam + 8});
    EXPECT_EQ(go(), ExitKind::breakpoint);
    EXPECT_EQ(state.pc, kRam + 8);
    EXPECT_EQ(x(a0), 3U);
    EXPECT_EQ(state.instret, 2U);
    // It stops there again, until it is gone.
    EXPECT_EQ(go(), ExitKind::breakpoint);
    EXPECT_EQ(state.instret, 2U);
    stop_at({});
    EXPECT_EQ(go(), ExitKind::ended);
    EXPECT_EQ(state.instret, 4U);
}

TEST_P(ExactStops, a_breakpoint_in_a_hot_loop_is_seen_at_once) {
    begin(kCount);
    debug->set_instruction_limit(5000);
    ASSERT_EQ(go(), ExitKind::counted);
    debug->set_instruction_limit(VcpuDebug::kNoLimit);
    for (const std::uint64_t at : {kRam + 4, kRam, kRam + 4}) {
        stop_at({at});
        EXPECT_EQ(go(), ExitKind::breakpoint);
        EXPECT_EQ(state.pc, at);
    }
    stop_at({});
    debug->set_instruction_limit(5000);
    EXPECT_EQ(go(), ExitKind::counted);
}

TEST_P(ExactStops, a_limit_that_ends_at_a_breakpoint_is_counted) {
    begin({nop(), nop(), kEcall});
    stop_at({kRam + 4});
    EXPECT_EQ(step(), ExitKind::counted);
    EXPECT_EQ(state.pc, kRam + 4);
    EXPECT_EQ(step(), ExitKind::breakpoint);
}

TEST_P(ExactStops, other_addresses_of_the_same_page_offset_are_executed) {
    // Page 0 jumps to page 1 at the offset of the breakpoint, which is for page 2.
    put(kRam + 0x1000,
        {addi(a0, a0, 1), addi(a0, a0, 1), addi(a0, a0, 1), jal(x0, 0x2000 - 0x100c)});
    put(kRam + 0x2000, {addi(a0, a0, 1), addi(a0, a0, 1), kEcall});
    begin({jal(x0, 0x1000)});
    stop_at({kRam + 0x2004, kRam + 0x5000});
    EXPECT_EQ(go(), ExitKind::breakpoint);
    EXPECT_EQ(state.pc, kRam + 0x2004);
    EXPECT_EQ(x(a0), 4U);
    EXPECT_EQ(state.instret, 6U);
}

TEST_P(ExactStops, a_breakpoint_inside_an_instruction_is_never_met) {
    begin({addi(a0, a0, 1), kEcall});
    stop_at({kRam + 2, kRam + 6});
    EXPECT_EQ(go(), ExitKind::ended);
}

TEST_P(ExactStops, a_breakpoint_on_a_page_crossing_instruction_stops) {
    put_value<Word>(kRam + 0xffe, addi(a0, a0, 1));
    put_value<Word>(kRam + 0x1002, kEcall);
    state.pc = kRam + 0xffe;
    vcpu->load(state);
    stop_at({kRam + 0xffe});
    EXPECT_EQ(go(), ExitKind::breakpoint);
    EXPECT_EQ(x(a0), 0U);
    stop_at({});
    EXPECT_EQ(go(), ExitKind::ended);
    EXPECT_EQ(x(a0), 1U);
}

TEST_P(ExactStops, a_breakpoint_holds_when_the_code_changes_below_it) {
    begin({sw(s1, s0, 8), kFenceI, nop(), kEcall});
    state.x[s0] = kRam;
    state.x[s1] = addi(a0, a0, 7);
    vcpu->load(state);
    stop_at({kRam + 8});
    EXPECT_EQ(go(), ExitKind::breakpoint);
    EXPECT_EQ(state.pc, kRam + 8);
    stop_at({});
    EXPECT_EQ(go(), ExitKind::ended);
    EXPECT_EQ(x(a0), 7U);
}

TEST_P(ExactStops, a_breakpoint_in_a_trap_handler_stops) {
    put(state.stvec, {nop(), kEcall});
    begin({nop(), 0});
    stop_at({state.stvec});
    EXPECT_EQ(go(), ExitKind::breakpoint);
    EXPECT_EQ(state.pc, state.stvec);
    EXPECT_EQ(state.sepc, kRam + 4);
    EXPECT_EQ(state.instret, 1U);
}

COPS_ON_EVERY_ENGINE(ExactStops);

}  // namespace
