// SPDX-License-Identifier: Apache-2.0
// Any bytes as user-mode code: all engines have to end in the same state with the same memory.
//
// The bytes cannot change themselves (what they would do then is up to the engine until fence.i);
// fuzz_interp and fuzz_dbt are for that. Runs stop at an instruction count, or are not compared
// where they trap without end.
#include "engines.hpp"
#include "system_kernel.hpp"
#include "system_program.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

namespace {

using namespace differential::system;

constexpr unsigned kSlots = 12;
constexpr std::uint64_t kLimit = 30000;
constexpr vmm::Nanos kTime = 200'000'000;
/// What programs write, and what differs between images: tables, code, data, slots, log.
struct Range {
    std::uint64_t begin, end;
};
constexpr Range kChanging[] = {
    {0x1000, 0x2'2000},
    {0x4'0000, 0x4'2000},
    {0x20'0000, 0x2a'2000},
    {0x60'0000, 0x60'1000},
    {0x68'0000, 0x68'8000},
    {kLog - kRam, kLog - kRam + (kSlots + 1) * (kBudget + 2) * kEntryWords * 8},
};
constexpr std::size_t kImages = 8;

class Host final : public vmm::VcpuHost {
public:
    bool mmio_read(vmm::GuestPhys, unsigned, std::uint64_t*) override { return false; }
    bool mmio_write(vmm::GuestPhys, unsigned, std::uint64_t) override { return false; }
    vmm::SbiReply sbi_call(unsigned, const vmm::SbiCall& call) override {
        return {
            .error = static_cast<std::int64_t>(call.args[0]),
            .value = call.args[1],
            .exit = true,
            .exit_kind = vmm::ExitKind::ended,
        };
    }
    std::uint64_t guest_time() override { return 1000; }
    vmm::Nanos host_deadline(std::uint64_t) override { return 0; }
};

struct Machine {
    explicit Machine(const std::string& engine)
        : memory(std::move(vmm::GuestMemory::create(vmm::GuestPhys{kRam}, kRamBytes).value()))
        , vcpu(std::move(vmm::make_vcpu(engine, *memory, host, 0).value())) {}

    /// What is in the image's pages that differ from what is there.
    void load(const Image& image) {
        std::byte* ram = memory->writable_range(vmm::GuestPhys{kRam}, kRamBytes);
        for (const Range range : kChanging) {
            for (std::uint64_t at = range.begin; at < range.end; at += 4096) {
                if (std::memcmp(ram + at, &image.bytes[at], 4096) != 0) {
                    std::memcpy(ram + at, &image.bytes[at], 4096);
                    memory->note_write(vmm::GuestPhys{kRam + at}, 4096);
                }
            }
        }
        vcpu->post_fence(vmm::FenceKind::instruction);
        vcpu->post_fence(vmm::FenceKind::address_translation);
        vmm::riscv::State state;
        state.pc = kKernel;
        vcpu->load(state);
    }
    vmm::ExitKind run() {
        vcpu->debug()->set_instruction_limit(kLimit);
        const auto now = std::chrono::steady_clock::now().time_since_epoch();
        const auto nanos = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
        return vcpu->run({.deadline = static_cast<vmm::Nanos>(nanos) + kTime});
    }

    Host host;
    std::unique_ptr<vmm::GuestMemory> memory;
    std::unique_ptr<vmm::Vcpu> vcpu;
};

void check(const Machine& first, const Machine& other) {
    const vmm::riscv::State a = first.vcpu->save();
    const vmm::riscv::State b = other.vcpu->save();
    const auto words = [](const vmm::riscv::State& state) {
        return std::span(reinterpret_cast<const std::uint64_t*>(&state), sizeof state / 8);
    };
    bool equal = true;
    for (std::size_t n = 0; n < words(a).size(); ++n) {
        if (words(a)[n] != words(b)[n]) {
            std::fprintf(stderr, "state word %zu: %lx / %lx\n", n, words(a)[n], words(b)[n]);
            equal = false;
        }
    }
    const std::byte* p = first.memory->readable_range(vmm::GuestPhys{kRam}, kRamBytes);
    const std::byte* q = other.memory->readable_range(vmm::GuestPhys{kRam}, kRamBytes);
    for (const Range range : kChanging) {
        for (std::uint64_t at = range.begin; at < range.end && equal; at += 64) {
            if (std::memcmp(p + at, q + at, 64) != 0) {
                std::fprintf(stderr, "memory differs at or after %lx\n", kRam + at);
                equal = false;
            }
        }
    }
    if (!equal) {
        std::fprintf(
            stderr, "pc %lx, %lu instructions\n", a.pc, static_cast<unsigned long>(a.instret)
        );
        std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // A machine made for each input would take longer than what the input does.
    static const std::vector<std::unique_ptr<Machine>> machines = [] {
        std::vector<std::unique_ptr<Machine>> made;
        for (const std::string& engine : test_support::test_engines()) {
            made.push_back(std::make_unique<Machine>(engine));
        }
        return made;
    }();
    if (size < 8) {
        return 0;
    }
    // Few frames for the bytes, each made once.
    static std::vector<Image> images(kImages);
    Image& image = images[data[0] % kImages];
    if (image.bytes.empty()) {
        image = make_user_image(data[0] % kImages, kSlots);
    }
    // The bytes over and over, so that slots and jumps meet them.
    for (std::uint64_t at = 0; at < kForeignCodeBytes; at += size - 2) {
        const std::uint64_t bytes = std::min<std::uint64_t>(size - 2, kForeignCodeBytes - at);
        std::memcpy(&image.bytes[kForeignCode - kRam + at], data + 2, bytes);
    }
    vmm::ExitKind kind{};
    for (const auto& machine : machines) {
        machine->load(image);
        const vmm::ExitKind its = machine->run();
        if (its == vmm::ExitKind::interrupted) {
            return 0;  // it traps without end: nothing retires, and where it is depends on time
        }
        if (machine == machines.front()) {
            kind = its;
        } else {
            if (its != kind) {
                std::fprintf(stderr, "exit kinds %d / %d\n", int(kind), int(its));
                std::abort();
            }
            check(*machines.front(), *machine);
        }
    }
    return 0;
}
