// SPDX-License-Identifier: Apache-2.0
// The same random code on the interpreter and on the translator, often enough that the translator
// takes its second, larger regions. COPS_DBT_SEED runs one seed alone, COPS_DBT_SEEDS that many.
#include "cpu/engine.hpp"
#include "hart_fixture.hpp"
#include "random_code.hpp"
#include "random_hart.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

namespace {

using dbt_test::RandomHart;

constexpr std::uint64_t kLimit = 2000;
/// More than the entries after which a region is translated anew.
constexpr unsigned kRounds = 230;

struct Machine {
    explicit Machine(const std::string& engine)
        : memory(std::move(
              vmm::GuestMemory::create(vmm::GuestPhys{dbt_test::kCode}, dbt_test::kBytes).value()
          ))
        , vcpu(std::move(test_support::make_vcpu(engine, *memory, host, 0).value())) {}

    /// Runs from the hart's initial state to an end, a limit or the handler's ecall.
    vmm::riscv::State run(const RandomHart& hart) {
        EXPECT_TRUE(memory->write(vmm::GuestPhys{dbt_test::kCode}, hart.image));
        vcpu->load(hart.initial);
        vcpu->debug()->set_instruction_limit(kLimit);
        exit = vcpu->run({.deadline = ~vmm::Nanos{0}});
        return vcpu->save();
    }
    std::vector<std::byte> bytes() const {
        std::vector<std::byte> all(dbt_test::kBytes);
        EXPECT_TRUE(memory->read(vmm::GuestPhys{dbt_test::kCode}, all));
        return all;
    }

    cpu_test::TestHost host;
    std::unique_ptr<vmm::GuestMemory> memory;
    std::unique_ptr<vmm::Vcpu> vcpu;
    vmm::ExitKind exit{};
};

void expect_equal(const vmm::riscv::State& expected, const vmm::riscv::State& state) {
    ASSERT_EQ(state.pc, expected.pc);
    for (unsigned n = 0; n < 32; ++n) {
        ASSERT_EQ(state.x[n], expected.x[n]) << "x" << n;
        ASSERT_EQ(state.f[n], expected.f[n]) << "f" << n;
    }
    ASSERT_EQ(state.fcsr, expected.fcsr);
    ASSERT_EQ(state.sstatus, expected.sstatus);
    ASSERT_EQ(state.sepc, expected.sepc);
    ASSERT_EQ(state.scause, expected.scause);
    ASSERT_EQ(state.stval, expected.stval);
}

void one_seed(std::uint64_t seed, unsigned& compared) {
    const RandomHart hart(seed);
    Machine interp("interp");
    const vmm::riscv::State expected = interp.run(hart);
    const std::vector<std::byte> memory = interp.bytes();
    if (!std::equal(memory.begin(), memory.begin() + 4096, hart.image.begin())) {
        return;  // code that changes itself without fence.i: either engine may be right
    }
    ++compared;
    // The second begins to translate somewhere in its first rounds.
    for (const std::string& engine : {std::string("dbt"), "dbt_after_" + std::to_string(seed)}) {
        Machine dbt(engine);
        for (unsigned round = 0; round < kRounds; ++round) {
            const vmm::riscv::State state = dbt.run(hart);
            ASSERT_EQ(dbt.exit, interp.exit) << engine << ", round " << round;
            expect_equal(expected, state);
            ASSERT_FALSE(::testing::Test::HasFatalFailure()) << engine << ", round " << round;
            ASSERT_EQ(dbt.bytes(), memory) << engine << ", round " << round;
        }
    }
}

TEST(TranslatedProperty, engines_agree_on_random_code) {
    std::uint64_t first = 1;
    std::uint64_t last = 150;
    if (const char* seeds = std::getenv("COPS_DBT_SEEDS")) {
        last = std::strtoull(seeds, nullptr, 0);
    }
    if (const char* seed = std::getenv("COPS_DBT_SEED")) {
        first = last = std::strtoull(seed, nullptr, 0);
    }
    unsigned compared = 0;
    for (std::uint64_t seed = first; seed <= last; ++seed) {
        one_seed(seed, compared);
        ASSERT_FALSE(HasFatalFailure()) << "COPS_DBT_SEED=" << seed;
    }
    EXPECT_GE(compared, (last - first + 1) / 2);
}

}  // namespace
