// SPDX-License-Identifier: Apache-2.0
// Random user-mode programs on every engine and on qemu-riscv64; every register and byte has to
// agree. See options.hpp for how to replay one, and how to run many.
#include "engines.hpp"
#include "options.hpp"
#include "process.hpp"
#include "random_program.hpp"
#include "riscv_assembler.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <iostream>
#include <sstream>

namespace {

using differential::Program;
using differential::Registers;
using differential::Seeds;

constexpr std::uint64_t kDefaultPrograms = 60;
/// About what one executes.
constexpr std::uint64_t kInstructions = 500'000;
constexpr std::uint64_t kHandler = differential::kCodeBase + differential::kMemoryBytes - 4096;
/// One program in so many has instructions that QEMU lacks; engines are compared with the first.
constexpr std::uint64_t kWithoutQemu = 6;

class EndingHost final : public vmm::VcpuHost {
public:
    bool mmio_read(vmm::GuestPhys, unsigned, std::uint64_t*) override { return false; }
    bool mmio_write(vmm::GuestPhys, unsigned, std::uint64_t) override { return false; }
    vmm::SbiReply sbi_call(unsigned, const vmm::SbiCall&) override {
        return {.exit = true, .exit_kind = vmm::ExitKind::ended};
    }
    std::uint64_t guest_time() override { return 0; }
    vmm::Nanos host_deadline(std::uint64_t) override { return 0; }
};

struct EngineRun {
    std::string output;       ///< What the program would have written.
    vmm::riscv::State state;  ///< At its end; scause 8 is its first ecall.
};

EngineRun run_on_engine(const std::string& engine, const Program& program) {
    auto memory = std::move(vmm::GuestMemory::create(
                                vmm::GuestPhys{differential::kCodeBase}, differential::kMemoryBytes
    )
                                .value());
    const auto put = [&](std::uint64_t address, const void* from, std::size_t bytes) {
        ASSERT_TRUE(
            memory->write(vmm::GuestPhys{address}, {static_cast<const std::byte*>(from), bytes})
        );
    };
    put(differential::kCodeBase, program.code.data(), program.code.size());
    put(differential::kTableBase, program.table.data(), program.table.size() * 8);
    put(differential::kDataBase, program.data.data(), program.data.size());
    put(kHandler, &rv::kEcall, 4);
    EndingHost host;
    const auto vcpu = std::move(
        test_support::make_vcpu(engine, *memory, host, 0, {.user_interrupts = false}).value()
    );
    EngineRun result;
    result.state.pc = differential::kCodeBase;
    result.state.privilege = vmm::riscv::Privilege::user;
    result.state.sstatus = 1 << 13;
    result.state.stvec = kHandler;
    vcpu->load(result.state);
    EXPECT_EQ(vcpu->run({.deadline = ~vmm::Nanos{0}}), vmm::ExitKind::ended);
    result.state = vcpu->save();
    result.output.resize(program.output_bytes());
    EXPECT_TRUE(memory->read(
        vmm::GuestPhys{differential::kDataBase},
        {reinterpret_cast<std::byte*>(result.output.data()), result.output.size()}
    ));
    return result;
}

Registers registers_of(const std::string& output, unsigned sequence) {
    Registers registers;
    std::memcpy(
        &registers,
        output.data() + differential::kDataBytes + sequence * sizeof registers,
        sizeof registers
    );
    return registers;
}

/// The first difference, in words.
std::string difference(
    const Program& program,
    const std::string& ours,
    const std::string& theirs,
    const std::string& who
) {
    std::ostringstream text;
    text << std::hex;
    const auto differ = [&](const std::string& name, std::uint64_t a, std::uint64_t b) {
        if (a != b) {
            text << " " << name << " " << a << " " << who << " " << b;
        }
    };
    for (unsigned n = 0; n < program.sequences; ++n) {
        const Registers a = registers_of(ours, n);
        const Registers b = registers_of(theirs, n);
        for (unsigned r = 0; r < 30; ++r) {
            differ("x" + std::to_string(r + 1), a.x[r], b.x[r]);
        }
        for (unsigned r = 0; r < 32; ++r) {
            differ("f" + std::to_string(r), a.f[r], b.f[r]);
        }
        differ("fcsr", a.fcsr, b.fcsr);
        if (!text.str().empty()) {
            return "sequence " + std::to_string(n) + " at code offset "
                   + std::to_string(program.starts[n]) + ":" + text.str();
        }
    }
    for (std::size_t n = 0; n < differential::kDataBytes; n += 8) {
        std::uint64_t a = 0;
        std::uint64_t b = 0;
        std::memcpy(&a, &ours[n], sizeof a);
        std::memcpy(&b, &theirs[n], sizeof b);
        differ("data at offset " + std::to_string(n), a, b);
    }
    return text.str();
}

}  // namespace

TEST(UserDifferential, random_programs_end_as_on_qemu) {
    if (test_support::run_process({"qemu-riscv64", "--version"}).exit_code != 0) {
        GTEST_SKIP() << "SKIPPED: qemu-riscv64 (package qemu-user) is not installed";
    }
    const test_support::TemporaryDirectory directory;
    const auto file = directory / "program";
    Seeds seeds(kDefaultPrograms);
    std::uint64_t executed = 0;
    for (std::uint64_t seed = 0; seeds.next(seed);) {
        const bool with_qemu = seed % kWithoutQemu != 0;
        const Program program =
            differential::make_program(seed, {}, {.unknown_to_qemu = !with_qemu});
        test_support::write_file(file, differential::make_elf(program));
        std::filesystem::permissions(file, std::filesystem::perms::owner_all);
        if (seeds.replaying()) {
            std::filesystem::copy_file(
                file, "differential-program", std::filesystem::copy_options::overwrite_existing
            );
            std::cout << "the program is in ./differential-program\n";
        }
        std::string expected;
        std::string who = "qemu";
        if (with_qemu) {
            const auto qemu = test_support::run_process(
                {"qemu-riscv64", "-cpu", "rv64,zba=true,zbb=true,zbs=true", file.string()}
            );
            ASSERT_EQ(qemu.exit_code, 0) << qemu.err << Seeds::again(seed);
            ASSERT_EQ(qemu.out.size(), program.output_bytes()) << Seeds::again(seed);
            expected = qemu.out;
        }
        const std::uint64_t interpreted = differential::interpret_first(seed, kInstructions);
        for (const std::string& engine : test_support::test_vcpus(interpreted)) {
            const EngineRun run = run_on_engine(engine, program);
            ASSERT_EQ(run.state.scause, 8U) << engine << ": trap at " << std::hex << run.state.sepc
                                            << " stval " << run.state.stval << Seeds::again(seed);
            if (expected.empty()) {
                expected = run.output;
                who = engine;
            }
            ASSERT_TRUE(run.output == expected)
                << engine << ": " << difference(program, run.output, expected, who)
                << Seeds::again(seed);
            if (engine == test_support::test_engines().front()) {
                executed += run.state.instret;
            }
        }
    }
    std::cout << seeds.done() << " programs, " << executed << " instructions on each engine\n";
}
