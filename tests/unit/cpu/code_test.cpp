// SPDX-License-Identifier: Apache-2.0
// Code that changes, and code that is not code.
#include "hart_fixture.hpp"

#include <random>

using namespace rv;
using cpu_test::EngineTest;
using cpu_test::kRam;
using vmm::ExitKind;
using vmm::FenceKind;

namespace {

class CodeChanges : public EngineTest {
protected:
    CodeChanges() {
        put(kTarget, {li(a0, 1), jalr(0, ra, 0)});
        state.x[s0] = kTarget;
    }
    static constexpr std::uint64_t kTarget = kRam + 0x3000;
};

COPS_ON_EVERY_ENGINE(CodeChanges);

}  // namespace

TEST_P(CodeChanges, stored_instructions_run_after_fence_i) {
    state.x[s1] = li(a0, 2);
    run_code({jalr(ra, s0, 0), mv(a1, a0), sw(s1, s0, 0), kFenceI, jalr(ra, s0, 0)});
    EXPECT_EQ(x(a1), 1U);
    EXPECT_EQ(x(a0), 2U);
}

TEST_P(CodeChanges, code_may_change_the_very_next_instruction) {
    // The word after the fence.i is overwritten by the store before it.
    state.x[s1] = li(a0, 9);
    state.x[s2] = kRam;
    run_code({sw(s1, s2, 8), kFenceI, li(a0, 1)});
    EXPECT_EQ(x(a0), 9U);
}

TEST_P(CodeChanges, a_page_of_code_and_data_survives_many_fences) {
    // The counter is on the page of the loop, but not in bytes that were decoded.
    state.x[s2] = kRam + 0x800;
    Code code;
    code.load(t0, 5000);
    code << ld(a0, s2, 0) << addi(a0, a0, 1) << sd(a0, s2, 0) << kFenceI << addi(t0, t0, -1)
         << bne(t0, x0, -20);
    run_code(code);
    EXPECT_EQ(value_at(kRam + 0x800), 5000U);
}

TEST_P(CodeChanges, changes_by_others_count_after_fence_i) {
    host.on_mmio_write = [this] { put_value<Word>(kTarget, li(a0, 3)); };
    state.x[s1] = cpu_test::kDevice;
    run_code({jalr(ra, s0, 0), mv(a1, a0), sw(x0, s1, 0), kFenceI, jalr(ra, s0, 0)});
    EXPECT_EQ(x(a1), 1U);
    EXPECT_EQ(x(a0), 3U);
}

TEST_P(CodeChanges, a_posted_fence_is_done_before_the_next_instruction) {
    std::uint64_t ticket = 0;
    host.on_mmio_write = [&] {
        put_value<Word>(kTarget, li(a0, 4));
        ticket = vcpu->post_fence(FenceKind::instruction);
        EXPECT_FALSE(vcpu->fence_done(ticket));
        vcpu->serve_fences();
        EXPECT_TRUE(vcpu->fence_done(ticket));
    };
    state.x[s1] = cpu_test::kDevice;
    run_code({jalr(ra, s0, 0), mv(a1, a0), sw(x0, s1, 0), jalr(ra, s0, 0)});
    EXPECT_EQ(x(a1), 1U);
    EXPECT_EQ(x(a0), 4U);
}

TEST_P(CodeChanges, a_fence_posted_outside_of_run_counts_as_done_and_is_done_on_entry) {
    put(kRam, {jalr(ra, s0, 0), kEcall});
    ASSERT_EQ(run(), ExitKind::ended);
    put_value<Word>(kTarget, li(a0, 6));
    const std::uint64_t ticket = vcpu->post_fence(FenceKind::instruction);
    EXPECT_TRUE(vcpu->fence_done(ticket));
    // Without load(), which would forget everything anyway.
    put(kRam + 4, {kEcall});
    host.on_sbi_call = {};
    vmm::riscv::State again = vcpu->save();
    EXPECT_EQ(again.pc, kRam + 8);
    put(kRam + 8, {jalr(ra, s0, 0), kEcall});
    vcpu->post_fence(FenceKind::instruction);
    ASSERT_EQ(vcpu->run({.deadline = ~vmm::Nanos{0}}), ExitKind::ended);
    EXPECT_EQ(vcpu->save().x[a0], 6U);
}

TEST_P(CodeChanges, a_full_code_cache_is_emptied_and_execution_goes_on) {
    // A new instruction in the same place each round: each makes new blocks.
    state.x[s1] = kRam + 0x3000;
    Code code;
    code.load(t0, 20000).load(t1, li(a0, 0)).load(t2, 1 << 20);
    code << sw(t1, s1, 0) << kFenceI << jalr(ra, s1, 0) << add(a1, a1, a0) << add(t1, t1, t2)
         << i(0x13, 7, t3, t0, 0x3ff) << bne(t3, x0, 8) << r(0x13, 0, 0, 0, 0, 0)
         << addi(t0, t0, -1) << bne(t0, x0, -36);
    put(kTarget, {li(a0, 0), jalr(0, ra, 0)});
    run_code(code);
    EXPECT_EQ(x(t0), 0U);
}

TEST_P(CodeChanges, random_bytes_as_code_never_crash_the_host) {
    std::mt19937_64 random(20261121);
    for (unsigned round = 0; round < 400; ++round) {
        std::vector<std::uint64_t> bytes(1024);
        for (std::uint64_t& word : bytes) {
            word = random();
            if (round % 2 == 1) {  // likelier to be 32-bit instructions
                word |= 0x0000000300000003;
            }
        }
        put_bytes(kRam, bytes.data(), bytes.size() * 8);
        put_bytes(kRam + 0x10000, bytes.data(), 4096);
        state = {};
        state.pc = kRam + random() % 8192;
        state.stvec = kRam + random() % 0x12000;
        state.utvec = kRam + random() % 0x12000;
        state.sstatus = random();
        state.sie = state.sip = random();
        state.privilege =
            round % 3 == 0 ? vmm::riscv::Privilege::user : vmm::riscv::Privilege::supervisor;
        state.sedeleg = state.sideleg = random();
        state.satp = round % 4 == 0 ? std::uint64_t{8} << 60 | kRam >> 12 : 0;
        for (unsigned n = 1; n < 32; ++n) {
            state.x[n] = n % 2 == 0 ? kRam + random() % cpu_test::kRamBytes : random();
            state.f[n] = random();
        }
        vcpu->load(state);
        for (unsigned turn = 0; turn < 20; ++turn) {
            vcpu->run({.deadline = 0});
        }
        state = vcpu->save();
        EXPECT_EQ(state.x[0], 0U);
    }
}
