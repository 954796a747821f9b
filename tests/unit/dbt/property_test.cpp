// SPDX-License-Identifier: Apache-2.0
// Random code, translated, evaluated and compared with the interpreter, before and after the
// optimiser had it. Seeds are printed where something differs; COPS_DBT_SEED runs one alone,
// COPS_DBT_SEEDS that many.
#include "cpu/dbt/frontend/frontend.hpp"
#include "cpu/dbt/ir/print.hpp"
#include "cpu/dbt/ir/verify.hpp"
#include "cpu/dbt/opt/optimise.hpp"
#include "cpu/engine.hpp"
#include "evaluator.hpp"
#include "hart_fixture.hpp"
#include "random_hart.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>

namespace {

using dbt_test::Evaluator;
using dbt_test::kBytes;
using dbt_test::kCode;
using dbt_test::Outcome;
using dbt_test::RandomHart;
using vmm::dbt::Limits;
namespace ir = vmm::dbt::ir;

constexpr std::uint64_t kEnough = 120;

class Property : public ::testing::Test {
protected:
    Property()
        : memory_(std::move(vmm::GuestMemory::create(vmm::GuestPhys{kCode}, kBytes).value()))
        , vcpu_(std::move(vmm::make_vcpu("interp", *memory_, host_, 0).value())) {}

    ir::Region build(const Limits& limits) const {
        const std::span<const std::byte, 4096> page(hart_->image.data(), 4096);
        ir::Region region;
        build_region(vmm::dbt::Source{.page = page}, hart_->entry, hart_->mode, limits, region);
        return region;
    }

    /// Runs `region` and then as many instructions on the interpreter.
    void compare(const ir::Region& region) {
        std::vector<std::byte> after = hart_->image;
        auto evaluator = std::make_unique<Evaluator>();
        evaluator->x = hart_->initial.x;
        evaluator->f = hart_->initial.f;
        evaluator->memory = after;
        evaluator->memory_base = kCode;
        const Outcome outcome = evaluator->run(region, kCode, kEnough);
        if (!std::ranges::equal(
                std::span(after).first(4096), std::span(hart_->image).first(4096)
            )) {
            ++modified_;  // engines may differ in when they see it
            return;
        }
        retired_ += evaluator->retired;
        ASSERT_FALSE(evaluator->wrong_probe);

        ASSERT_TRUE(memory_->write(vmm::GuestPhys{kCode}, hart_->image));
        vcpu_->post_fence(vmm::FenceKind::instruction);
        vcpu_->load(hart_->initial);
        vmm::riscv::State state = run(evaluator->retired);
        ASSERT_EQ(state.pc, evaluator->pc);
        for (unsigned n = 0; n < 32; ++n) {
            ASSERT_EQ(state.x[n], evaluator->x[n]) << "x" << n;
            ASSERT_EQ(state.f[n], evaluator->f[n]) << "f" << n;
        }
        ASSERT_EQ(state.fcsr & 31, evaluator->fflags);
        ASSERT_EQ((state.sstatus >> 13 & 3) == 3, evaluator->float_dirty);
        std::vector<std::byte> expected(kBytes);
        ASSERT_TRUE(memory_->read(vmm::GuestPhys{kCode}, expected));
        ASSERT_TRUE(std::ranges::equal(expected, after)) << "memory differs";
        if (outcome == Outcome::fault) {
            ++faults_;
            const std::uint64_t pc = state.pc;
            state = run(vmm::VcpuDebug::kNoLimit);
            EXPECT_EQ(state.sepc, pc);
            EXPECT_EQ(state.scause, static_cast<std::uint64_t>(evaluator->cause));
            // Of an access that straddles the end of memory, the part behind it faults.
            EXPECT_LT(state.stval - evaluator->fault_value, 8U);
        }
    }

    vmm::riscv::State run(std::uint64_t limit) {
        if (limit != 0) {
            vcpu_->debug()->set_instruction_limit(limit);
            vcpu_->run({.deadline = ~vmm::Nanos{0}});
        }
        return vcpu_->save();
    }

    void one_seed(std::uint64_t seed) {
        hart_.emplace(seed);
        for (const Limits& limits : {Limits{}, Limits{.blocks = 32, .instructions = 400}}) {
            ir::Region region = build(limits);
            const std::string before = print(region);
            compare(region);
            ASSERT_FALSE(HasFatalFailure()) << "translated\n" << before;
            vmm::dbt::optimise(region, {.share_probes = true});
            for (const ir::Block& block : region.blocks) {
                probes_ += std::ranges::count(block.insts, ir::Op::probe, &ir::Inst::op);
            }
            ASSERT_EQ(verify(region), "") << before << "\noptimised\n" << print(region);
            compare(region);
            ASSERT_FALSE(HasFatalFailure()) << before << "\noptimised\n" << print(region);
        }
    }

    cpu_test::TestHost host_;
    std::unique_ptr<vmm::GuestMemory> memory_;
    std::unique_ptr<vmm::Vcpu> vcpu_;
    std::optional<RandomHart> hart_;
    std::uint64_t retired_ = 0;
    unsigned faults_ = 0;
    unsigned modified_ = 0;
    std::ptrdiff_t probes_ = 0;
};

TEST_F(Property, translation_agrees_with_the_interpreter) {
    std::uint64_t first = 1;
    std::uint64_t last = 3000;
    if (const char* seeds = std::getenv("COPS_DBT_SEEDS")) {
        last = std::strtoull(seeds, nullptr, 0);
    }
    if (const char* seed = std::getenv("COPS_DBT_SEED")) {
        first = last = std::strtoull(seed, nullptr, 0);
    }
    for (std::uint64_t seed = first; seed <= last; ++seed) {
        one_seed(seed);
        ASSERT_FALSE(HasFatalFailure()) << "COPS_DBT_SEED=" << seed;
    }
    if (first != last) {
        EXPECT_GT(retired_, 20 * last);
        EXPECT_GT(faults_, last / 50);
    }
    RecordProperty("instructions", std::to_string(retired_));
    RecordProperty("faults", std::to_string(faults_));
    RecordProperty("probes", std::to_string(probes_));
    RecordProperty("modified", std::to_string(modified_));
}

}  // namespace
