// SPDX-License-Identifier: Apache-2.0
#include "cpu/dbt/runtime/cpu.hpp"
#include "cpu/dbt/runtime/dbt.hpp"

#include <algorithm>

namespace vmm {
namespace dbt {
namespace {

class DbtVcpu final : public Vcpu, public VcpuDebug {
public:
    DbtVcpu(GuestMemory& memory, VcpuHost& host, unsigned hart, const EngineOptions& options)
        : cpu_(memory, host, hart, options)
        , collect_stats_(options.collect_stats) {}

    bool ok() const { return cpu_.code.ok(); }

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
        state.instret = cpu_.retired();
        // Not the lines: what the outside has raised, or raises meanwhile, stays pending.
        load_hart(state);
    }

    riscv::State save() const override {
        riscv::State state = cpu_.hart.state;
        std::copy_n(cpu_.state.x, 32, state.x.begin());
        std::copy_n(cpu_.state.f, 32, state.f.begin());
        state.pc = cpu_.state.pc;
        state.fcsr |= cpu_.state.fflags;
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

    EngineStats stats() const noexcept override {
        EngineStats stats;
        cpu_.code.add_stats(stats);
        if (collect_stats_) {
            stats.dispatched_exits = cpu_.dispatches;
            stats.tlb_misses = cpu_.tlb_misses;
            stats.slow_accesses = cpu_.slow_accesses + cpu_.mmio_exits;
        }
        return stats;
    }

    std::string_view engine_name() const noexcept override { return "dbt"; }

    VcpuDebug* debug() noexcept override { return this; }

    void set_instruction_limit(std::uint64_t count) override {
        cpu_.limit = count == kNoLimit ? kNoLimit : cpu_.retired() + count;
    }

    void set_breakpoints(std::span<const std::uint64_t> addresses) override {
        cpu_.breakpoints.assign(addresses.begin(), addresses.end());
        std::ranges::sort(cpu_.breakpoints);
        // Code is known by physical page: any page may be the one, so the same offset is looked at
        // in all of them.
        std::vector<std::uint16_t>& offsets = cpu_.breakpoint_offsets;
        offsets.clear();
        for (const std::uint64_t address : addresses) {
            offsets.push_back(static_cast<std::uint16_t>(address & kPageOffsetMask));
        }
        std::ranges::sort(offsets);
        offsets.erase(std::ranges::unique(offsets).begin(), offsets.end());
        cpu_.drop_translations();
    }

private:
    static constexpr std::uint64_t kLines =
        riscv::bit(riscv::kSupervisorSoftware) | riscv::bit(riscv::kSupervisorExternal);

    /// All but the interrupt lines, which other threads set at any time.
    void load_hart(const riscv::State& state) {
        // The limit counts from here on as before.
        const std::uint64_t left = cpu_.limit - cpu_.retired();
        const bool limited = cpu_.limit != kNoLimit;
        cpu_.hart.state = state;
        cpu_.hart.state.sip &= ~kLines;
        cpu_.hart.state.fcsr &= 0xff;
        if (state.privilege != riscv::Privilege::user) {
            cpu_.hart.state.privilege = riscv::Privilege::supervisor;
        }
        std::copy_n(state.x.begin(), 32, cpu_.state.x);
        cpu_.state.x[0] = 0;
        std::copy_n(state.f.begin(), 32, cpu_.state.f);
        cpu_.state.pc = state.pc & ~std::uint64_t{1};
        cpu_.state.fflags = 0;
        cpu_.state.reservation_host = 0;
        cpu_.retired_base = state.instret + static_cast<std::uint64_t>(cpu_.state.budget);
        cpu_.limit = limited ? cpu_.retired() + left : kNoLimit;
        cpu_.cut = false;
        cpu_.code.fence_i();
        cpu_.caches.flush();
        cpu_.refresh_mode();
    }

    Cpu cpu_;
    bool collect_stats_;
};

}  // namespace
}  // namespace dbt

bool dbt_is_available() noexcept {
    return dbt::host_is_supported();
}

Result<std::unique_ptr<Vcpu>>
make_dbt_vcpu(GuestMemory& memory, VcpuHost& host, unsigned hart, const EngineOptions& options) {
    if (!dbt_is_available()) {
        return fail(
            ErrorKind::unavailable,
            "engine \"dbt\" needs a processor with BMI1, BMI2, LZCNT and POPCNT"
        );
    }
    auto vcpu = std::make_unique<dbt::DbtVcpu>(memory, host, hart, options);
    if (!vcpu->ok()) {
        return fail(ErrorKind::unavailable, "engine \"dbt\" got no memory for code from the host");
    }
    return vcpu;
}

}  // namespace vmm
