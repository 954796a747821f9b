// SPDX-License-Identifier: Apache-2.0
// Code that nobody has run yet costs time that no instruction count shows.
#include "hart_fixture.hpp"

#include <vector>

using namespace rv;
using cpu_test::kRam;
using vmm::ExitKind;

namespace {

/// Asks a vCPU to come out when so many pieces of its code have been translated.
class AsksAfter final : public vmm::CodeObserver {
public:
    explicit AsksAfter(int pieces)
        : left_(pieces) {}
    void translated(const void*, std::size_t, std::uint64_t pc, unsigned) noexcept override {
        if (pc != kEngineCode && --left_ == 0) {
            vcpu->request_exit();
        }
    }
    vmm::Vcpu* vcpu = nullptr;

private:
    int left_;
};

/// A chain of jumps through registers: each is at first a piece of code of its own.
class NewCode : public cpu_test::HartTest {
protected:
    static constexpr unsigned kJumps = 1000;
    static constexpr std::uint64_t kCode = kRam + 0x20000;
    static constexpr std::uint64_t kBytesOfJump = 8;

    NewCode()
        : HartTest("dbt") {
        std::vector<Word> chain;
        for (unsigned i = 0; i < kJumps; ++i) {
            chain.insert(chain.end(), {addi(t0, t0, kBytesOfJump), jalr(x0, t0, 0)});
        }
        chain.push_back(kEcall);
        put_bytes(kCode, chain.data(), chain.size() * sizeof(Word));
        state.pc = kCode;
        state.x[t0] = kCode;
    }
    /// Jumps that were made.
    std::uint64_t jumps() const { return (vcpu->save().pc - kCode) / kBytesOfJump; }
};

}  // namespace

/// A turn lasted milliseconds too long where all code was new.
TEST_F(NewCode, does_not_hold_up_who_asks_the_hart_to_come_out) {
    AsksAfter observer(10);
    vcpu = std::move(vmm::make_vcpu("dbt", *memory, host, 0, {.observer = &observer}).value());
    observer.vcpu = vcpu.get();
    vcpu->load(state);
    EXPECT_EQ(vcpu->run({.deadline = ~vmm::Nanos{0}}), ExitKind::interrupted);
    EXPECT_LE(jumps(), 10U);
    EXPECT_EQ(vcpu->run({.deadline = ~vmm::Nanos{0}}), ExitKind::ended);
    EXPECT_EQ(jumps(), kJumps);
}

TEST_F(NewCode, ends_a_turn_whose_time_is_over) {
    vcpu->load(state);
    EXPECT_EQ(vcpu->run({.deadline = 0}), ExitKind::interrupted);
    EXPECT_LE(jumps(), 2U);
}

TEST_F(NewCode, is_got_through_in_turns_that_are_over_when_they_begin) {
    vcpu->load(state);
    unsigned turns = 0;
    while (vcpu->run({.deadline = 0}) != ExitKind::ended) {
        ASSERT_LE(++turns, 3 * kJumps);
    }
    EXPECT_EQ(jumps(), kJumps);
}
