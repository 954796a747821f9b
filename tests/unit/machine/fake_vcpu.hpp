// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/vcpu.hpp"
#include "elf_builder.hpp"
#include "machine/machine.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace test {

/// A vCPU whose guest is a function of the test's. It keeps Vcpu's promises about fences and
/// requests.
class FakeVcpu final : public vmm::Vcpu {
public:
    using Guest = std::function<vmm::ExitKind(FakeVcpu&)>;

    FakeVcpu(vmm::VcpuHost& host, unsigned hart)
        : host(host)
        , hart(hart) {}

    vmm::VcpuHost& host;
    const unsigned hart;
    Guest guest = [](FakeVcpu&) { return vmm::ExitKind::idle; };
    vmm::riscv::State state;
    std::atomic<bool> software{false};
    std::atomic<bool> external{false};
    std::atomic<int> exit_requests{0};
    std::atomic<std::uint64_t> fences_done{0};
    std::atomic<std::uint64_t> instruction_fences{0};
    std::uint64_t timer = 0;

    /// An ecall of the guest.
    vmm::SbiReply
    sbi(std::uint64_t extension,
        std::uint64_t function,
        std::uint64_t a0 = 0,
        std::uint64_t a1 = 0,
        std::uint64_t a2 = 0) {
        return host.sbi_call(hart, {{a0, a1, a2, 0, 0, 0}, function, extension});
    }

    vmm::ExitKind run(const vmm::RunContext&) override {
        inside_.store(true);
        serve_fences();
        const vmm::ExitKind exit = guest(*this);
        inside_.store(false);
        return exit;
    }
    void request_exit() noexcept override { ++exit_requests; }
    void set_interrupt(vmm::InterruptLine line, bool asserted) noexcept override {
        (line == vmm::InterruptLine::supervisor_software ? software : external).store(asserted);
    }
    std::uint64_t post_fence(vmm::FenceKind kind) noexcept override {
        instruction_fences += kind == vmm::FenceKind::instruction ? 1 : 0;
        return ++fences_posted_;
    }
    bool fence_done(std::uint64_t ticket) const noexcept override {
        return fences_done.load() >= ticket || !inside_.load();
    }
    void serve_fences() noexcept override { fences_done.store(fences_posted_.load()); }
    void set_timer(std::uint64_t ticks) noexcept override { timer = ticks; }
    bool has_user_interrupts() const noexcept override { return true; }
    void raise_user_interrupt() noexcept override {}
    bool has_pending_interrupt() noexcept override { return software || external; }
    vmm::Nanos timer_deadline() noexcept override { return host.host_deadline(timer); }
    void start(vmm::GuestPhys address, std::uint64_t opaque) override {
        state.stopped = 0;
        state.pc = address.value;
        state.x[10] = hart;
        state.x[11] = opaque;
    }
    vmm::riscv::State save() const override { return state; }
    void load(const vmm::riscv::State& from) override { state = from; }
    vmm::VcpuCounters counters() const noexcept override { return {}; }
    std::string_view engine_name() const noexcept override { return "fake"; }

private:
    std::atomic<bool> inside_{false};
    std::atomic<std::uint64_t> fences_posted_{0};
};

/// Records what the scheduler would be told.
struct FakeListener final : vmm::MachineListener {
    std::mutex mutex;
    std::vector<unsigned> started;
    std::vector<std::pair<unsigned, vmm::WakeCause>> interrupted;
    int ended = 0;
    std::uint64_t denied = 0;  ///< Bit h: hart h may not be started.
    bool may_start(unsigned hart) noexcept override { return (denied >> hart & 1) == 0; }
    void vcpu_started(unsigned hart) noexcept override {
        const std::lock_guard lock(mutex);
        started.push_back(hart);
    }
    void interrupt_raised(unsigned hart, vmm::WakeCause cause) noexcept override {
        const std::lock_guard lock(mutex);
        interrupted.emplace_back(hart, cause);
    }
    void machine_ended() noexcept override {
        const std::lock_guard lock(mutex);
        ++ended;
    }
};

/// A kernel of nothing: 64 zero bytes at 0x80200000.
inline std::vector<std::uint8_t> tiny_kernel() {
    const std::vector<std::byte> code(64, std::byte{0x13});
    const auto file = ElfBuilder().load(0x80200000, code, 64).entry(0x80200000).build();
    std::vector<std::uint8_t> bytes(file.size());
    std::memcpy(bytes.data(), file.data(), file.size());
    return bytes;
}

/// A machine on fake vCPUs in virtual time.
struct FakeMachine {
    FakeListener listener;
    std::string output;
    std::vector<FakeVcpu*> vcpus;
    std::unique_ptr<vmm::Machine> machine;

    static vmm::MachineConfig config(unsigned cpus) {
        vmm::MachineConfig config;
        config.cpus = cpus;
        config.memory_bytes = std::uint64_t{16} << 20;
        config.kernel_bytes = tiny_kernel();
        config.clock = vmm::Clock::Source::manual;
        return config;
    }

    explicit FakeMachine(unsigned cpus = 2)
        : FakeMachine(config(cpus)) {}
    explicit FakeMachine(vmm::MachineConfig with) {
        with.vcpu_factory = [this](
                                vmm::GuestMemory&, vmm::VcpuHost& host, unsigned hart
                            ) -> vmm::Result<std::unique_ptr<vmm::Vcpu>> {
            auto vcpu = std::make_unique<FakeVcpu>(host, hart);
            vcpus.push_back(vcpu.get());
            return vcpu;
        };
        auto made =
            vmm::Machine::create(std::move(with), &listener, [this](std::span<const char> bytes) {
                output.append(bytes.data(), bytes.size());
            });
        EXPECT_TRUE(made.has_value()) << made.error().message;
        machine = std::move(*made);
    }

    void boot() {
        const auto booted = machine->boot();
        ASSERT_TRUE(booted.has_value()) << booted.error().message;
    }
    vmm::ExitKind run(unsigned hart) { return machine->run(hart, {.deadline = ~std::uint64_t{0}}); }
    /// Runs the hart once with `guest` as its code.
    vmm::ExitKind run(unsigned hart, FakeVcpu::Guest guest) {
        vcpus[hart]->guest = std::move(guest);
        return run(hart);
    }
};

}  // namespace test
