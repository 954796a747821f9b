// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engines.hpp"
#include "system_program.hpp"

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace differential::system {

/// One hart on a copy of an image.
class Runner {
public:
    Runner(const std::string& engine, const Image& image, bool user_interrupts);

    /// Until the program is through (true), or it has done too much of one thing.
    bool run();
    vmm::Vcpu& vcpu() { return *vcpu_; }
    /// RAM as it is now.
    std::span<const std::uint8_t> ram() const;

private:
    class Host final : public vmm::VcpuHost {
    public:
        bool mmio_read(vmm::GuestPhys, unsigned, std::uint64_t*) override { return false; }
        bool mmio_write(vmm::GuestPhys, unsigned, std::uint64_t) override { return false; }
        vmm::SbiReply sbi_call(unsigned, const vmm::SbiCall& call) override {
            // The registers stay as they are.
            return {
                .error = static_cast<std::int64_t>(call.args[0]),
                .value = call.args[1],
                .exit = true,
                .exit_kind = vmm::ExitKind::ended,
            };
        }
        std::uint64_t guest_time() override { return 0; }
        vmm::Nanos host_deadline(std::uint64_t) override { return 0; }
    };
    Host host_;
    std::unique_ptr<vmm::GuestMemory> memory_;
    std::unique_ptr<vmm::Vcpu> vcpu_;
};

/// Runs the image under qemu-system-riscv64 with its RAM in `file`, and reads that back. An empty
/// result: it did not come to an end; `error` says more.
std::vector<std::uint8_t>
run_on_qemu(const Image& image, const std::filesystem::path& file, std::string& error);

/// Entries in the log, as far as it got.
std::size_t log_entries(std::span<const std::uint8_t> ram);

/// The first difference that counts, in words; empty: none.
std::string difference(
    std::span<const std::uint8_t> ours, std::span<const std::uint8_t> theirs, const std::string& who
);
/// The same with QEMU, apart from what the specification leaves open.
std::string qemu_difference(std::span<const std::uint8_t> ours, std::span<const std::uint8_t> qemu);
/// The same for two states.
std::string difference(const vmm::riscv::State& ours, const vmm::riscv::State& theirs);

/// Whether all engines have Sv48.
bool engines_have_sv48();

}  // namespace differential::system
