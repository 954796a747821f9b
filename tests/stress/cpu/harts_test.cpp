// SPDX-License-Identifier: Apache-2.0
// Several harts of one machine on threads of their own: atomics, reservations, fences, interrupts
// and requests from outside.
#include "cpu/riscv/encoding.hpp"
#include "harts.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

using namespace cpu_stress;
using namespace rv;
using vmm::ExitKind;
using vmm::FenceKind;

namespace {

constexpr std::uint64_t kCode = kRam + 0x1000;
constexpr std::uint64_t kShared = kRam + 0x8000;
constexpr std::uint64_t kRounds = kSlow ? 3000 : 100000;

class Harts : public EngineTest {
protected:
    Harts()
        : machine(GetParam(), 2) {
        for (const auto& hart : harts) {
            hart->start(vmm::GuestPhys{kCode}, 0);
        }
    }
    void put(std::uint64_t address, const Code& code) { machine.put(address, code); }
    std::atomic_ref<std::uint64_t> word(std::uint64_t address) { return machine.word(address); }
    void run_both() { machine.run_on_own_threads(); }

    Machine machine;
    std::vector<std::unique_ptr<vmm::Vcpu>>& harts = machine.harts;
    std::unique_ptr<vmm::GuestMemory>& memory = machine.memory;
};

Code counted(Code body) {
    Code code;
    code.load(s0, kShared).load(t0, kRounds);
    const auto start = code.size();
    code << body << addi(t0, t0, -1);
    code << bne(t0, x0, start - code.size()) << kEcall;
    return code;
}

}  // namespace

TEST_P(Harts, load_reserved_and_store_conditional_lose_no_increment) {
    put(kCode, counted({lr_d(a2, s0), addi(a2, a2, 1), sc_d(a3, s0, a2), bne(a3, x0, -12)}));
    run_both();
    EXPECT_EQ(word(kShared).load(), 2 * kRounds);
}

TEST_P(Harts, word_reservations_in_one_doubleword_are_apart) {
    // Hart n increments its own half; neither may disturb the other's.
    Code body{
        slli(t1, s1, 2),
        add(t1, s0, t1),
        lr_w(a2, t1),
        addi(a2, a2, 1),
        sc_w(a3, t1, a2),
        bne(a3, x0, -12)
    };
    Code code{mv(s1, a0)};
    code << counted(body);
    put(kCode, code);
    run_both();
    EXPECT_EQ(word(kShared).load(), kRounds << 32 | kRounds);
}

TEST_P(Harts, atomic_additions_lose_nothing) {
    put(kCode, counted({li(a2, 1), amo(0, 3, x0, s0, a2), amo(0, 2, x0, s0, a2)}));
    run_both();
    EXPECT_EQ(word(kShared).load(), 4 * kRounds);
}

TEST_P(Harts, a_fence_between_store_and_load_forbids_both_from_missing_the_other) {
    // Dekker: each round, both store their flag, fence, and read the other's. Rounds are counted
    // through a barrier of two tickets; a2 collects rounds in which both read the old value.
    Code code{mv(s1, a0)};
    code.load(s0, kShared).load(t0, kRounds / 50);
    code << li(s4, 0) << slli(t1, s1, 6) << add(s2, s0, t1);              // s2: my flag
    code << i(0x13, 4, t1, s1, 1) << slli(t1, t1, 6) << add(s3, s0, t1);  // s3: theirs
    const auto start = code.size();
    code << addi(s4, s4, 1);
    code << sd(s4, s2, 0) << kFence << ld(a2, s3, 0);
    code << sd(a2, s2, 8) << kFence << sd(s4, s2, 16);  // publish what I read
    code << ld(a3, s3, 16) << blt(a3, s4, -4);          // wait for theirs
    code << kFence << ld(a4, s3, 8);                    // what the other read
    code << ld(a5, s2, 8) << sub(a5, s4, a5) << sub(a4, s4, a4);
    code << beq(a5, x0, 12) << beq(a4, x0, 8) << addi(s5, s5, 1);  // both missed
    code << sd(s4, s2, 24) << ld(a3, s3, 24) << blt(a3, s4, -4);
    code << addi(t0, t0, -1);
    code << bne(t0, x0, start - code.size()) << mv(a0, s5) << kEcall;
    put(kCode, code);
    run_both();
    EXPECT_EQ(harts[0]->save().x[s5], 0U);
    EXPECT_EQ(harts[1]->save().x[s5], 0U);
}

TEST_P(Harts, a_remote_fence_is_done_before_fence_done_says_so) {
    // The hart executes one instruction over and over; it is changed from outside, and once the
    // fence is done the new one must be what runs.
    put(kCode, {auipc(s1, 0), li(a0, 0), jal(ra, 0x3000 - 8), sd(a0, s0, 0), beq(0, 0, -8)});
    Code entry;
    entry.load(s0, kShared) << jal(x0, kCode - (kRam + 0x100) - 4 * 11);
    put(kRam + 0x100, entry);
    const std::uint64_t target = kCode + 0x3000;
    put(target, {li(a0, 1), jalr(0, ra, 0)});
    harts[0]->start(vmm::GuestPhys{kRam + 0x100}, 0);
    std::atomic<bool> stop{false};
    std::thread runner([&] {
        while (!stop.load()) {
            harts[0]->run({.deadline = ~vmm::Nanos{0}});
        }
    });
    while (word(kShared).load() != 1) {
        std::this_thread::yield();
    }
    std::atomic_ref<Word> instruction(
        *reinterpret_cast<Word*>(memory->writable_range(vmm::GuestPhys{target}, 4))
    );
    for (std::int64_t value = 2; value < 60; ++value) {
        instruction.store(li(a0, value), std::memory_order_relaxed);
        const std::uint64_t ticket = harts[0]->post_fence(FenceKind::instruction);
        while (!harts[0]->fence_done(ticket)) {
            std::this_thread::yield();
        }
        // The old value may be on its way to memory; what is stored from now on is new.
        while (word(kShared).load() != static_cast<std::uint64_t>(value)) {
            std::this_thread::yield();
        }
    }
    stop = true;
    harts[0]->request_exit();
    runner.join();
}

TEST_P(Harts, two_harts_that_fence_each_other_both_go_on) {
    std::atomic<int> left{2};
    put(kCode, {addi(a0, a0, 1), beq(0, 0, -4)});
    std::vector<std::thread> runners;
    for (const auto& hart : harts) {
        runners.emplace_back([&] {
            while (left.load() != 0) {
                hart->run({.deadline = ~vmm::Nanos{0}});
            }
        });
    }
    std::vector<std::thread> posters;
    for (unsigned n = 0; n < 2; ++n) {
        posters.emplace_back([&, n] {
            for (unsigned round = 0; round < 40; ++round) {
                const auto kind =
                    round % 2 == 0 ? FenceKind::instruction : FenceKind::address_translation;
                const std::uint64_t ticket = harts[n]->post_fence(kind);
                while (!harts[n]->fence_done(ticket)) {
                    std::this_thread::yield();
                }
            }
            --left;
        });
    }
    for (std::thread& poster : posters) {
        poster.join();
    }
    for (const auto& hart : harts) {
        hart->request_exit();
    }
    for (std::thread& runner : runners) {
        runner.join();
    }
}

TEST_P(Harts, interrupts_raised_by_another_thread_are_all_seen) {
    // The handler counts and clears; the other thread raises the next one when it sees the count.
    constexpr std::uint64_t kHandler = kRam + 0x4000;
    Code setup;
    setup.load(s0, kShared).load(t1, kHandler);
    setup << csrw(0x105, t1) << csrrwi(0, 0x104, 2) << csrrwi(0, 0x100, 2) << beq(0, 0, 0);
    put(kCode, setup);
    put(kHandler, {csrrci(0, 0x144, 2), ld(a2, s0, 0), addi(a2, a2, 1), sd(a2, s0, 0), kSret});
    std::atomic<bool> stop{false};
    std::thread runner([&] {
        while (!stop.load()) {
            harts[0]->run({.deadline = ~vmm::Nanos{0}});
        }
    });
    for (std::uint64_t count = 1; count <= 100; ++count) {
        harts[0]->set_interrupt(vmm::InterruptLine::supervisor_software, true);
        while (word(kShared).load() < count) {
            std::this_thread::yield();
        }
    }
    stop = true;
    harts[0]->request_exit();
    runner.join();
    EXPECT_EQ(word(kShared).load(), 100U);
}

// A device may raise its interrupt in the moment in which another hart starts this one. The moment
// is short: many tries, but no more than a busy machine makes in a few seconds.
TEST_P(Harts, an_interrupt_raised_during_a_start_stays_pending) {
    constexpr std::uint64_t kEnd = ~std::uint64_t{0};
    std::atomic<std::uint64_t> round{0};
    std::atomic<std::uint64_t> raised{0};
    std::thread device([&] {
        for (std::uint64_t last = 0;;) {
            std::uint64_t now = round.load();
            for (unsigned n = 1; now == last; ++n, now = round.load()) {
                if (n % 4096 == 0) {
                    std::this_thread::yield();
                }
            }
            if (now == kEnd) {
                break;
            }
            harts[0]->set_interrupt(vmm::InterruptLine::supervisor_external, true);
            raised = last = now;
        }
    });
    constexpr std::uint64_t kExternal = vmm::riscv::bit(vmm::riscv::kSupervisorExternal);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(3);
    std::uint64_t lost = 0;
    for (std::uint64_t i = 1; i <= 3 * kRounds && std::chrono::steady_clock::now() < deadline;
         ++i) {
        harts[0]->set_interrupt(vmm::InterruptLine::supervisor_external, false);
        round = i;
        for (std::uint64_t wait = i % 4096; wait != 0; --wait) {
            std::atomic_signal_fence(std::memory_order_seq_cst);  // another moment each time
        }
        harts[0]->start(vmm::GuestPhys{kCode}, 0);
        while (raised.load() != i) {
            std::this_thread::yield();
        }
        lost += (harts[0]->save().sip & kExternal) == 0;
    }
    round = kEnd;
    device.join();
    EXPECT_EQ(lost, 0u);
}

COPS_ON_ALL_ENGINES(Harts);
