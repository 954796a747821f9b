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
#include "random_code.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

namespace {

using dbt_test::Evaluator;
using dbt_test::Outcome;
using dbt_test::Page;
using dbt_test::RandomCode;
using vmm::dbt::Limits;
namespace ir = vmm::dbt::ir;

constexpr std::uint64_t kCode = 0x8000'0000;
constexpr std::uint64_t kHandler = kCode + 3 * 4096;
constexpr std::uint64_t kBytes = 4 * 4096;
constexpr std::uint64_t kEnough = 120;

class Property : public ::testing::Test {
protected:
    Property()
        : memory_(std::move(vmm::GuestMemory::create(vmm::GuestPhys{kCode}, kBytes).value()))
        , vcpu_(std::move(vmm::make_vcpu("interp", *memory_, host_, 0).value())) {}

    void prepare(std::uint64_t seed) {
        RandomCode random(seed);
        image_.assign(kBytes, std::byte{});
        const Page page = random.page();
        std::ranges::copy(page.bytes, image_.begin());
        for (std::uint64_t at = 4096; at < 3 * 4096; at += 8) {
            const std::uint64_t value = random.value();
            std::memcpy(&image_[at], &value, sizeof value);
        }
        const rv::Word ecall = rv::kEcall;
        std::memcpy(&image_[kHandler - kCode], &ecall, sizeof ecall);

        mode_ = {.float_on = random.chance(90), .frm = static_cast<std::uint8_t>(random.below(6))};
        initial_ = {};
        for (unsigned n = 1; n < 32; ++n) {
            initial_.x[n] = random.value();
        }
        for (const unsigned n : dbt_test::kPointers) {
            initial_.x[n] = kCode + 4096 + 512 + random.below(800) * 8;
        }
        for (std::uint64_t& f : initial_.f) {
            f = random.chance(50) ? random.value() | 0xffff'ffff'0000'0000 : random.value();
        }
        entry_ = static_cast<std::uint16_t>(random.below(1000) * 4);
        initial_.pc = kCode + entry_;
        initial_.sstatus = mode_.float_on ? std::uint64_t{1} << 13 : 0;
        initial_.fcsr = std::uint64_t{mode_.frm} << 5;
        initial_.stvec = kHandler;
    }

    ir::Region build(const Limits& limits) const {
        const std::span<const std::byte, 4096> page(image_.data(), 4096);
        ir::Region region;
        build_region(vmm::dbt::Source{.page = page}, entry_, mode_, limits, region);
        return region;
    }

    /// Runs `region` and then as many instructions on the interpreter.
    void compare(const ir::Region& region) {
        std::vector<std::byte> after = image_;
        auto evaluator = std::make_unique<Evaluator>();
        evaluator->x = initial_.x;
        evaluator->f = initial_.f;
        evaluator->memory = after;
        evaluator->memory_base = kCode;
        const Outcome outcome = evaluator->run(region, kCode, kEnough);
        if (!std::ranges::equal(std::span(after).first(4096), std::span(image_).first(4096))) {
            ++modified_;  // engines may differ in when they see it
            return;
        }
        retired_ += evaluator->retired;
        ASSERT_FALSE(evaluator->wrong_probe);

        ASSERT_TRUE(memory_->write(vmm::GuestPhys{kCode}, image_));
        vcpu_->post_fence(vmm::FenceKind::instruction);
        vcpu_->load(initial_);
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
        prepare(seed);
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
    vmm::riscv::State initial_;
    std::vector<std::byte> image_;
    ir::Mode mode_;
    std::uint16_t entry_ = 0;
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
