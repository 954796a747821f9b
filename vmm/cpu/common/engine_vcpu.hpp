// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/common/engine_hart.hpp"
#include "cpu/common/float_environment.hpp"
#include "cpu/vcpu.hpp"

#include <concepts>
#include <cstdint>
#include <span>

namespace vmm {

/// What an engine makes of EngineHart: where registers, budget and translations are.
template <class Cpu>
concept EngineCpu =
    std::derived_from<Cpu, EngineHart>
    && requires(Cpu cpu, const Cpu& outside, riscv::State& to, const riscv::State& from) {
           // Executes the guest until `exit` says why not.
           cpu.execute();
           // Outside of execute(): how many instructions have retired.
           { outside.retired() } -> std::same_as<std::uint64_t>;
           // x, f, pc, and fflags that are not in fcsr yet.
           outside.save_registers(to);
           // x, f, pc and instret; and forgets the reservation.
           cpu.load_registers(from);
           // Moves the fflags raised since the last time to fcsr.
           cpu.collect_float_flags();
           // After privilege, SUM, MXR, FS or frm may have changed.
           cpu.refresh_mode();
           cpu.fence_i();
           // Of addresses, after satp or the page tables changed.
           cpu.forget_translations();
           // After `breakpoints` changed.
           cpu.forget_code();
       };

/// A vCPU around an engine's hart: all of the interface but the engine's name and statistics.
template <EngineCpu Cpu>
class EngineVcpu : public Vcpu, public VcpuDebug {
public:
    EngineVcpu(GuestMemory& memory, VcpuHost& host, unsigned hart, const EngineOptions& options)
        : cpu_(memory, host, hart, options) {}

    ExitKind run(const RunContext& context) override {
        cpu_.mailbox.enter();
        const bool stopped = cpu_.hart.state.stopped != 0;
        if (stopped) {
            vmm::serve_fences(cpu_);
        } else {
            cpu_.begin_turn(context);
            const GuestFloatScope scope;
            cpu_.hart.update_timers();
            vmm::serve_fences(cpu_);
            cpu_.leave_block = false;
            cpu_.refresh_mode();
            cpu_.execute();
            cpu_.collect_float_flags();
        }
        cpu_.mailbox.leave();
        return stopped ? ExitKind::stopped : cpu_.exit;
    }

    void request_exit() noexcept override { cpu_.mailbox.request_exit(); }

    void set_interrupt(InterruptLine line, bool asserted) noexcept override {
        const std::uint64_t mask = riscv::bit(static_cast<unsigned>(line));
        // Release: partner of Hart::pending_cached().
        if (asserted) {
            cpu_.hart.lines.fetch_or(mask, std::memory_order_release);
        } else {
            cpu_.hart.lines.fetch_and(~mask, std::memory_order_release);
        }
    }

    std::uint64_t post_fence(FenceKind kind) noexcept override {
        return cpu_.mailbox.post_fence(kind);
    }
    bool fence_done(std::uint64_t ticket) const noexcept override {
        return cpu_.mailbox.fence_done(ticket);
    }
    void serve_fences() noexcept override { vmm::serve_fences(cpu_); }

    void set_timer(std::uint64_t guest_ticks) noexcept override {
        cpu_.hart.state.stimecmp = guest_ticks;
    }

    bool has_user_interrupts() const noexcept override { return cpu_.hart.has_user_interrupts(); }
    void raise_user_interrupt() noexcept override {
        if (cpu_.hart.has_user_interrupts()) {
            cpu_.hart.state.sip |= riscv::bit(riscv::kUserSoftware);
        }
    }

    bool has_pending_interrupt() noexcept override { return cpu_.hart.is_awake(); }
    Nanos timer_deadline() noexcept override {
        const std::uint64_t ticks = cpu_.hart.next_timer();
        return ticks == ~std::uint64_t{0} ? ~Nanos{0} : cpu_.host.host_deadline(ticks);
    }

    void start(GuestPhys address, std::uint64_t opaque) override {
        riscv::State state = riscv::state_at_start(cpu_.id, address.value, opaque);
        state.instret = cpu_.retired();
        // Not the lines: what the outside has raised, or raises meanwhile, stays pending.
        load_hart(state);
    }

    riscv::State save() const override {
        riscv::State state = cpu_.hart.state;
        cpu_.save_registers(state);
        state.instret = cpu_.retired();
        state.sip |= cpu_.hart.lines.load(std::memory_order_relaxed);
        return state;
    }
    void load(const riscv::State& state) override {
        cpu_.hart.lines.store(state.sip & kLines, std::memory_order_relaxed);
        load_hart(state);
    }

    VcpuCounters counters() const noexcept override {
        return {
            .instructions = cpu_.retired(),
            .supervisor_traps = cpu_.hart.supervisor_traps,
            .user_interrupts = cpu_.hart.user_traps,
            .sbi_calls = cpu_.sbi_calls,
            .mmio_exits = cpu_.mmio_exits,
        };
    }

    VcpuDebug* debug() noexcept override { return this; }

    void set_instruction_limit(std::uint64_t count) override {
        cpu_.limit = count == kNoLimit ? kNoLimit : cpu_.retired() + count;
    }
    void set_breakpoints(std::span<const std::uint64_t> addresses) override {
        cpu_.breakpoints.set(addresses);
        cpu_.forget_code();
    }

private:
    static constexpr std::uint64_t kLines =
        riscv::bit(riscv::kSupervisorSoftware) | riscv::bit(riscv::kSupervisorExternal);

    /// All but the interrupt lines, which other threads set at any time.
    void load_hart(const riscv::State& state) {
        const std::uint64_t left = cpu_.limit - cpu_.retired();
        cpu_.hart.state = state;
        cpu_.hart.state.sip &= ~kLines;
        cpu_.hart.state.fcsr &= 0xff;
        if (state.privilege != riscv::Privilege::user) {
            cpu_.hart.state.privilege = riscv::Privilege::supervisor;
        }
        cpu_.load_registers(state);
        if (cpu_.limit != kNoLimit) {
            cpu_.limit = cpu_.retired() + left;  // it counts from here on as before
        }
        cpu_.fence_i();
        cpu_.forget_translations();
        cpu_.refresh_mode();
    }

protected:
    Cpu cpu_;
};

}  // namespace vmm
