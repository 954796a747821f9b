// SPDX-License-Identifier: Apache-2.0
// Four harts on two workers: contention, and one hart that changes page tables or code which the
// others use all the time, with remote fences by SBI.
//
// Under ThreadSanitizer this watches the interpreter and what engines share; code that a translator
// emits is invisible to it, so for translators only the outcome counts.
#include "harts.hpp"

using namespace cpu_stress;
using namespace rv;

namespace {

constexpr unsigned kHarts = 4;
constexpr unsigned kWorkers = 2;
constexpr std::uint64_t kMain = kRam + 0x1000;
constexpr std::uint64_t kReader = kRam + 0x2000;
constexpr std::uint64_t kGeneration = kRam + 0x8000;
constexpr std::uint64_t kCounters = kRam + 0x9000;
constexpr std::uint64_t kFrames = kRam + 0x10'0000;  // two, one page each
constexpr std::uint64_t kRoot = kRam + 0x2'0000;
constexpr std::uint64_t kMiddle = kRam + 0x2'1000;
constexpr std::uint64_t kLeaf = kRam + 0x2'2000;
constexpr std::uint64_t kPage = 0x20'0000'0000 >> 1;  // virtual; the root's entry 64
constexpr std::uint64_t kChanges = kSlow ? 100 : 400;

class Shootdown : public EngineTest {
protected:
    Shootdown()
        : machine(GetParam(), kHarts) {
        // All of RAM at its place, and kPage through tables that change.
        machine.word(kRoot + 2 * 8).store(entry(kRam, 0xcf));
        machine.word(kRoot + (kPage >> 30) * 8).store(entry(kMiddle, 1));
        machine.word(kMiddle).store(entry(kLeaf, 1));
        machine.word(kLeaf).store(entry(kFrames, 0xcf));
    }
    static constexpr std::uint64_t entry(std::uint64_t address, std::uint64_t flags) {
        return address >> 12 << 10 | flags;
    }
    static Code turn_translation_on() {
        Code code;
        code.load(t0, std::uint64_t{8} << 60 | kRoot >> 12) << csrw(0x180, t0) << sfence_vma();
        return code;
    }
    static Code remote(std::uint64_t function) {
        return {li(a6, static_cast<std::int64_t>(function)), kEcall};
    }
    static constexpr std::uint64_t kEnd = 99;

    /// The writer: for each generation s1 from 2 to kChanges+1 runs `change`, fences the others,
    /// and tells them the generation. The page has generation 1 at first.
    void write(const Code& change, std::uint64_t fence) {
        Code code = turn_translation_on();
        code.load(s0, kGeneration).load(s2, kChanges + 1) << li(s1, 1);
        const auto start = code.size();
        code << addi(s1, s1, 1) << change << kFence << remote(fence) << sd(s1, s0, 0);
        code << blt(s1, s2, start - code.size()) << remote(kEnd);
        machine.put(kMain, code);
    }
    /// A reader: `read` leaves the generation that it met in a0; s5 counts those that were older
    /// than what the writer had told before. The last generation ends it.
    void read(const Code& read) {
        Code code = turn_translation_on();
        code.load(s0, kGeneration).load(s2, kChanges + 1).load(s3, kPage) << li(s5, 0);
        const auto start = code.size();
        code << ld(s1, s0, 0) << kFence << read;
        code << b(4, a0, s1, 8) << jal(0, 8) << addi(s5, s5, 1) << addi(s6, s6, 1);
        code << blt(s1, s2, start - code.size()) << remote(kEnd);
        machine.put(kReader, code);
    }
    void run() {
        machine.word(kGeneration).store(1);
        machine.harts[0]->start(vmm::GuestPhys{kMain}, 0);
        for (unsigned n = 1; n < kHarts; ++n) {
            machine.harts[n]->start(vmm::GuestPhys{kReader}, 0);
        }
        machine.run_on_workers(kWorkers);
        EXPECT_EQ(machine.word(kGeneration).load(), kChanges + 1);
        for (unsigned n = 1; n < kHarts; ++n) {
            EXPECT_EQ(machine.harts[n]->save().x[s5], 0U) << "hart " << n << " met old contents";
            EXPECT_NE(machine.harts[n]->save().x[s6], 0U);
        }
    }
    /// Puts into s7 the frame of generation s1: they take turns.
    static Code frame_of_generation() {
        Code code;
        code.load(s7, kFrames) << i(0x13, 7, t0, s1, 1) << slli(t0, t0, 12) << add(s7, s7, t0);
        return code;
    }
    /// Maps kPage to the frame in s7 and makes this hart see it.
    static Code map_frame() {
        Code code;
        code.load(t1, kLeaf) << srli(t0, s7, 12) << slli(t0, t0, 10) << addi(t0, t0, 0xcf);
        code << sd(t0, t1, 0) << sfence_vma();
        return code;
    }
    /// Writes "li a0, s1; ret" to the address in s7.
    static Code write_function() {
        Code code;
        code << slli(t0, s1, 20) << addi(t0, t0, 0x513) << sw(t0, s7, 0);
        code.load(t0, 0x8067) << sw(t0, s7, 4);
        return code;
    }

    Machine machine;
};

}  // namespace

TEST_P(Shootdown, contended_atomics_lose_nothing) {
    constexpr std::uint64_t kRounds = kSlow ? 2000 : 50000;
    Code code;
    code.load(s0, kCounters).load(t0, kRounds) << addi(s1, s0, 64) << li(a4, 1);
    const auto start = code.size();
    code << lr_d(a2, s0) << addi(a2, a2, 1) << sc_d(a3, s0, a2) << bne(a3, 0, -12);
    code << amo(0, 3, 0, s1, a4) << amo(0, 2, 0, s0, 0);  // add 1, add 0
    code << addi(s2, s0, 128) << lr_w(a2, s2) << addi(a2, a2, 1) << sc_w(a3, s2, a2);
    code << bne(a3, 0, -12) << amo(4, 3, 0, s2, 0);  // xor 0
    code << addi(t0, t0, -1) << bne(t0, 0, start - code.size()) << remote(kEnd);
    machine.put(kMain, code);
    for (const auto& hart : machine.harts) {
        hart->start(vmm::GuestPhys{kMain}, 0);
    }
    machine.run_on_workers(kWorkers);
    EXPECT_EQ(machine.word(kCounters).load(), kHarts * kRounds);
    EXPECT_EQ(machine.word(kCounters + 64).load(), kHarts * kRounds);
    EXPECT_EQ(machine.word(kCounters + 128).load(), kHarts * kRounds);
}

TEST_P(Shootdown, nobody_uses_an_old_page_after_a_remote_sfence) {
    machine.word(kFrames).store(1);
    Code change = frame_of_generation();
    change << sd(s1, s7, 0) << kFence << map_frame();
    write(change, kRemoteSfence);
    read({ld(a0, s3, 0)});
    run();
}

TEST_P(Shootdown, nobody_executes_an_old_page_after_a_remote_sfence) {
    machine.put(kFrames, {li(a0, 1), jalr(0, ra, 0)});
    machine.put(kFrames + 4096, {li(a0, 1), jalr(0, ra, 0)});
    // The other frame is written while nobody has it mapped; both fences then, as its code is new.
    Code change = frame_of_generation();
    change << write_function() << kFenceI << kFence << remote(kRemoteFenceI) << map_frame();
    write(change, kRemoteSfence);
    read({jalr(ra, s3, 0)});
    run();
}

TEST_P(Shootdown, nobody_executes_old_code_after_a_remote_fence_i) {
    machine.put(kFrames, {li(a0, 1), jalr(0, ra, 0)});
    // One word changes while the others execute it.
    Code change;
    change.load(s7, kFrames) << slli(t0, s1, 20) << addi(t0, t0, 0x513) << sw(t0, s7, 0) << kFenceI;
    write(change, kRemoteFenceI);
    read({jalr(ra, s3, 0)});
    run();
}

TEST_P(Shootdown, writers_that_fence_each_other_both_go_on) {
    Code code;
    code.load(t0, kSlow ? 50 : 500);
    const auto start = code.size();
    code << remote(kRemoteFenceI) << remote(kRemoteSfence) << addi(t0, t0, -1);
    code << bne(t0, 0, start - code.size()) << remote(kEnd);
    machine.put(kMain, code);
    for (const auto& hart : machine.harts) {
        hart->start(vmm::GuestPhys{kMain}, 0);
    }
    machine.run_on_workers(kWorkers);
    for (const auto& hart : machine.harts) {
        EXPECT_EQ(hart->save().x[t0], 0U);
    }
}

COPS_ON_ALL_ENGINES(Shootdown);
