// SPDX-License-Identifier: Apache-2.0
#include "cpu/interp/cpu.hpp"
#include "cpu/interp/interp.hpp"

#include <algorithm>

namespace vmm {
namespace interp {
namespace {

class InterpVcpu final : public Vcpu, public VcpuDebug {
public:
    InterpVcpu(GuestMemory& memory, VcpuHost& host, unsigned hart, const EngineOptions& options)
        : cpu_(memory, host, hart, options) {}

    ExitKind run(const RunContext& context) override { return cpu_.run(context); }

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

    void serve_fences() noexcept override { cpu_.serve_fences(); }

    void set_timer(std::uint64_t guest_ticks) noexcept override {
        cpu_.hart.state.stimecmp = guest_ticks;
    }

    bool has_user_interrupts() const noexcept override { return cpu_.hart.has_user_interrupts(); }

    void raise_user_interrupt() noexcept override {
        if (cpu_.hart.has_user_interrupts()) {
            cpu_.hart.state.sip |= riscv::bit(riscv::kUserSoftware);
        }
    }

    bool has_pending_interrupt() noexcept override {
        return (cpu_.hart.pending() & cpu_.hart.state.sie) != 0;
    }

    Nanos timer_deadline() noexcept override {
        const std::uint64_t ticks = cpu_.hart.next_timer();
        return ticks == ~std::uint64_t{0} ? ~Nanos{0} : cpu_.host.host_deadline(ticks);
    }

    void start(GuestPhys address, std::uint64_t opaque) override {
        riscv::State state;
        state.pc = address.value;
        state.x[10] = cpu_.id;
        state.x[11] = opaque;
        state.instret = cpu_.retired(cpu_.saved_budget);
        // Not the lines: what the outside has raised, or raises meanwhile, stays pending.
        load_hart(state);
    }

    riscv::State save() const override {
        riscv::State state = cpu_.hart.state;
        std::copy_n(cpu_.x.begin(), 32, state.x.begin());
        state.f = cpu_.f;
        state.pc = cpu_.pc;
        state.fcsr |= cpu_.fflags;
        state.instret = cpu_.retired(cpu_.saved_budget);
        state.sip |= cpu_.hart.lines.load(std::memory_order_relaxed);
        return state;
    }

    void load(const riscv::State& state) override {
        cpu_.hart.lines.store(state.sip & kLines, std::memory_order_relaxed);
        load_hart(state);
    }

    VcpuCounters counters() const noexcept override {
        return {
            .instructions = cpu_.retired(cpu_.saved_budget),
            .supervisor_traps = cpu_.hart.supervisor_traps,
            .user_interrupts = cpu_.hart.user_traps,
            .sbi_calls = cpu_.sbi_calls,
            .mmio_exits = cpu_.mmio_exits,
        };
    }

    EngineStats stats() const noexcept override {
        EngineStats stats = cpu_.blocks.stats();
        stats.dispatched_exits = cpu_.lookups;
        stats.tlb_misses = cpu_.tlb_misses - cpu_.mmio_exits - cpu_.split_accesses;
        stats.slow_accesses = cpu_.mmio_exits + cpu_.split_accesses;
        return stats;
    }
    std::string_view engine_name() const noexcept override { return "interp"; }

    VcpuDebug* debug() noexcept override { return this; }

    // ---- VcpuDebug ----

    void set_instruction_limit(std::uint64_t count) override { cpu_.limit_left = count; }
    void set_breakpoints(std::span<const std::uint64_t> addresses) override {
        cpu_.set_breakpoints(addresses);
    }

private:
    static constexpr std::uint64_t kLines =
        riscv::bit(riscv::kSupervisorSoftware) | riscv::bit(riscv::kSupervisorExternal);

    /// All but the interrupt lines, which other threads set at any time.
    void load_hart(const riscv::State& state) {
        cpu_.hart.state = state;
        cpu_.hart.state.sip &= ~kLines;
        cpu_.hart.state.fcsr &= 0xff;
        if (state.privilege != riscv::Privilege::user) {
            cpu_.hart.state.privilege = riscv::Privilege::supervisor;
        }
        std::copy_n(state.x.begin(), 32, cpu_.x.begin());
        cpu_.x[0] = 0;
        cpu_.f = state.f;
        cpu_.pc = state.pc & ~std::uint64_t{1};
        cpu_.fflags = 0;
        cpu_.reservation = {};
        cpu_.retired_base = state.instret + static_cast<std::uint64_t>(cpu_.saved_budget);
        cpu_.blocks.fence_i();
        cpu_.caches.flush();
        cpu_.refresh_mode();
    }

    Cpu cpu_;
};

}  // namespace
}  // namespace interp

std::unique_ptr<Vcpu>
make_interp_vcpu(GuestMemory& memory, VcpuHost& host, unsigned hart, const EngineOptions& options) {
    return std::make_unique<interp::InterpVcpu>(memory, host, hart, options);
}

}  // namespace vmm
