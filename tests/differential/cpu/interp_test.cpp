// SPDX-License-Identifier: Apache-2.0
// Random programs on an engine and on qemu-riscv64; every register and byte has to agree.
//
// COPS_DIFFERENTIAL_SEED=n replays the program of seed n alone; COPS_DIFFERENTIAL_PROGRAMS=n says
// how many to run.
#include "cpu/engine.hpp"
#include "process.hpp"
#include "random_program.hpp"
#include "riscv_assembler.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <sstream>

namespace {

using differential::Program;
using differential::Registers;

constexpr unsigned kSequences = 96;
constexpr unsigned kLength = 60;
constexpr unsigned kDefaultPrograms = 100;
constexpr std::uint64_t kHandler = differential::kCodeBase + differential::kMemoryBytes - 4096;

class NoHost final : public vmm::VcpuHost {
public:
    bool mmio_read(vmm::GuestPhys, unsigned, std::uint64_t*) override { return false; }
    bool mmio_write(vmm::GuestPhys, unsigned, std::uint64_t) override { return false; }
    vmm::SbiReply sbi_call(unsigned, const vmm::SbiCall&) override {
        return {.exit = true, .exit_kind = vmm::ExitKind::ended};
    }
    std::uint64_t guest_time() override { return 0; }
    vmm::Nanos host_deadline(std::uint64_t) override { return 0; }
};

/// What the program would have written, and in `cause` why it trapped: 8 is its first ecall.
std::string run_on_engine(const Program& program, std::uint64_t& cause, vmm::riscv::State& state) {
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
    NoHost host;
    const auto vcpu =
        std::move(vmm::make_vcpu("interp", *memory, host, 0, {.user_interrupts = false}).value());
    state = {};
    state.pc = differential::kCodeBase;
    state.privilege = vmm::riscv::Privilege::user;
    state.sstatus = 1 << 13;
    state.stvec = kHandler;
    vcpu->load(state);
    EXPECT_EQ(vcpu->run({.deadline = ~vmm::Nanos{0}}), vmm::ExitKind::ended);
    state = vcpu->save();
    cause = state.scause;
    std::string output(program.output_bytes(), '\0');
    EXPECT_TRUE(memory->read(
        vmm::GuestPhys{differential::kDataBase},
        {reinterpret_cast<std::byte*>(output.data()), output.size()}
    ));
    return output;
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
std::string difference(const Program& program, const std::string& ours, const std::string& theirs) {
    std::ostringstream text;
    text << std::hex;
    for (unsigned n = 0; n < program.sequences; ++n) {
        const Registers a = registers_of(ours, n);
        const Registers b = registers_of(theirs, n);
        for (unsigned r = 0; r < 30; ++r) {
            if (a.x[r] != b.x[r]) {
                text << " x" << std::dec << r + 1 << std::hex << " " << a.x[r] << " qemu "
                     << b.x[r];
            }
        }
        for (unsigned r = 0; r < 32; ++r) {
            if (a.f[r] != b.f[r]) {
                text << " f" << std::dec << r << std::hex << " " << a.f[r] << " qemu " << b.f[r];
            }
        }
        if (a.fcsr != b.fcsr) {
            text << " fcsr " << a.fcsr << " qemu " << b.fcsr;
        }
        if (!text.str().empty()) {
            return "sequence " + std::to_string(n) + " at code offset "
                   + std::to_string(program.starts[n]) + ":" + text.str();
        }
    }
    for (std::size_t n = 0; n < differential::kDataBytes; ++n) {
        if (ours[n] != theirs[n]) {
            const std::size_t word = n & ~std::size_t{7};
            std::uint64_t a = 0;
            std::uint64_t b = 0;
            std::memcpy(&a, &ours[word], sizeof a);
            std::memcpy(&b, &theirs[word], sizeof b);
            text << "data at offset " << std::dec << word << std::hex << ": " << a << " qemu " << b;
            return text.str();
        }
    }
    return "nothing";
}

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text != nullptr ? std::strtoull(text, nullptr, 0) : otherwise;
}

}  // namespace

TEST(Differential, random_programs_end_as_on_qemu) {
    if (test_support::run_process({"qemu-riscv64", "--version"}).exit_code != 0) {
        GTEST_SKIP() << "SKIPPED: qemu-riscv64 (package qemu-user) is not installed";
    }
    const std::uint64_t replay = from_environment("COPS_DIFFERENTIAL_SEED", 0);
    const std::uint64_t programs =
        replay != 0 ? 1 : from_environment("COPS_DIFFERENTIAL_PROGRAMS", kDefaultPrograms);
    const test_support::TemporaryDirectory directory;
    const auto file = directory / "program";
    std::size_t instructions = 0;
    for (std::uint64_t n = 0; n < programs; ++n) {
        const std::uint64_t seed = replay != 0 ? replay : n + 1;
        const Program program = differential::make_program(seed, kSequences, kLength);
        instructions += program.instructions;
        test_support::write_file(file, differential::make_elf(program));
        std::filesystem::permissions(file, std::filesystem::perms::owner_all);
        const auto qemu = test_support::run_process({"qemu-riscv64", file.string()});
        if (replay != 0) {
            std::filesystem::copy_file(
                file, "differential-program", std::filesystem::copy_options::overwrite_existing
            );
            std::cout << "the program is in ./differential-program\n";
        }
        const std::string again = " (replay: COPS_DIFFERENTIAL_SEED=" + std::to_string(seed) + ")";
        ASSERT_EQ(qemu.exit_code, 0) << qemu.err << again;
        ASSERT_EQ(qemu.out.size(), program.output_bytes()) << again;
        std::uint64_t cause = 0;
        vmm::riscv::State state;
        const std::string ours = run_on_engine(program, cause, state);
        ASSERT_EQ(cause, 8U) << "trap at " << std::hex << state.sepc << " stval " << state.stval
                             << again;
        ASSERT_TRUE(ours == qemu.out) << difference(program, ours, qemu.out) << again;
    }
    std::cout << programs << " programs, " << instructions << " instructions\n";
}
