// SPDX-License-Identifier: Apache-2.0
// A hart of `dbt` that is interpreted first (EngineOptions::interpret_first): what goes over to
// translated code, and what reaches the interpreter from outside.
#include "hart_fixture.hpp"

#include <gtest/gtest.h>

using namespace rv;
using cpu_test::kDevice;
using cpu_test::kRam;
using vmm::ExitKind;

namespace {

constexpr std::uint64_t kNever = 1'000'000;
constexpr unsigned kFflags = 1;

class YoungHart : public cpu_test::HartTest {
protected:
    YoungHart()
        : HartTest("dbt") {}

    void interpret_first(std::uint64_t count) {
        const vmm::EngineOptions options{.collect_stats = true, .interpret_first = count};
        vcpu = std::move(vmm::make_vcpu("dbt", *memory, host, 0, options).value());
    }
    /// Runs code that has to do the same wherever translation begins in it.
    void at_every_instruction(const Code& code, auto expect) {
        const vmm::riscv::State start = state;
        for (std::uint64_t count = 0; count <= code.words().size(); ++count) {
            SCOPED_TRACE(count);
            state = start;
            interpret_first(count);
            run_code(code);
            expect();
        }
    }
};

}  // namespace

TEST_F(YoungHart, counts_what_is_interpreted_and_translates_the_rest) {
    for (const std::uint64_t count : {1U, 2U, 100U, 4097U}) {
        interpret_first(count);
        state = {};
        state.pc = kRam;
        Code code;
        code.load(t0, 3000);
        code << addi(t0, t0, -1) << bne(t0, x0, -4);
        run_code(code);
        EXPECT_EQ(vcpu->stats().interpreted, count);
        EXPECT_GE(vcpu->stats().translated_blocks, 1U);
    }
}

TEST_F(YoungHart, translates_nothing_while_it_is_young) {
    interpret_first(kNever);
    run_code({addi(a0, x0, 1)});
    EXPECT_EQ(vcpu->stats().interpreted, state.instret);
    EXPECT_EQ(vcpu->stats().translated_blocks, 0U);
}

TEST_F(YoungHart, rounding_mode_and_flags_go_over) {
    constexpr Word kFdiv = 0x1a11'7053;     // fdiv.d f0, f2, f1, dyn
    constexpr Word kFdivRne = 0x1a11'01d3;  // fdiv.d f3, f2, f1, rne
    constexpr Word kFcvt = 0xc202'8653;     // fcvt.w.d a2, f5, rne: invalid, which no host says
    state.f[1] = 0x4008'0000'0000'0000;     // 3.0
    state.f[2] = 0x3ff0'0000'0000'0000;     // 1.0
    state.f[5] = 0x7ff8'0000'0000'0000;     // NaN
    constexpr std::uint64_t kUp = 3;
    state.fcsr = kUp << 5;
    const Code code{kFdivRne, kFdiv, kFcvt, addi(a1, x0, 1), csrr(a0, kFflags), kFdiv};
    at_every_instruction(code, [this] {
        EXPECT_EQ(state.f[0], 0x3fd5'5555'5555'5556U);
        EXPECT_EQ(state.f[3], 0x3fd5'5555'5555'5555U);
        EXPECT_EQ(x(a0), 0x11U);
        EXPECT_EQ(state.fcsr, kUp << 5 | 0x11);
    });
}

TEST_F(YoungHart, a_reservation_goes_over) {
    state.x[s0] = kRam + 0x4000;
    const Code code{lr_d(t0, s0), addi(t0, t0, 1), sc_d(a0, s0, t0), sc_d(a1, s0, t0)};
    at_every_instruction(code, [this] {
        EXPECT_EQ(x(a0), 0U);
        EXPECT_EQ(x(a1), 1U);
    });
}

TEST_F(YoungHart, a_limit_that_ends_with_the_interpreters_part_is_a_stop) {
    interpret_first(5);
    put(state.pc, {addi(a0, a0, 1), jal(x0, -4)});
    vcpu->load(state);
    for (const std::uint64_t count : {5U, 1U, 7U}) {
        vcpu->debug()->set_instruction_limit(count);
        EXPECT_EQ(vcpu->run({.deadline = ~vmm::Nanos{0}}), ExitKind::counted);
    }
    EXPECT_EQ(vcpu->save().instret, 13U);
    EXPECT_EQ(vcpu->save().x[a0], 7U);
}

TEST_F(YoungHart, posted_fences_and_breakpoints_reach_the_interpreter) {
    interpret_first(kNever);
    const auto again = [this] {
        state.pc = kRam;
        vcpu->load(state);
        return vcpu->run({.deadline = ~vmm::Nanos{0}});
    };
    put(kRam, {addi(a0, x0, 1), kEcall});
    EXPECT_EQ(again(), ExitKind::ended);
    put(kRam, {addi(a0, x0, 2), kEcall});
    vcpu->post_fence(vmm::FenceKind::instruction);
    EXPECT_EQ(again(), ExitKind::ended);
    EXPECT_EQ(vcpu->save().x[a0], 2U);

    const std::uint64_t address = kRam + 4;
    vcpu->debug()->set_breakpoints({&address, 1});
    EXPECT_EQ(again(), ExitKind::breakpoint);
    EXPECT_EQ(vcpu->save().pc, address);
    EXPECT_EQ(vcpu->stats().translated_blocks, 0U);
}

TEST_F(YoungHart, its_devices_are_no_accesses_of_translated_code) {
    state.x[s0] = kDevice;
    const Code code{sw(x0, s0, 0), sw(x0, s0, 0), sw(x0, s0, 0), lw(a0, s0, 0)};
    interpret_first(2);
    run_code(code);
    EXPECT_EQ(vcpu->stats().slow_accesses, 2U);
    EXPECT_EQ(vcpu->stats().tlb_hits, 0U);
    EXPECT_EQ(vcpu->stats().tlb_misses, 0U);
}
