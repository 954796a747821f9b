// SPDX-License-Identifier: Apache-2.0
#include "cpu/dbt/runtime/cpu.hpp"

#include "cpu/common/float_environment.hpp"

#include <algorithm>
#include <cstddef>

namespace vmm::dbt {
namespace {

const RuntimeEntries kEntries{
    .memory = [](HartState* state,
                 std::uint64_t address,
                 std::uint64_t value,
                 std::uint32_t info,
                 std::uint64_t site) { return Cpu::of(state).access(address, value, info, site); },
    .poll = [](HartState* state, std::uint64_t site) { return Cpu::of(state).poll_at(site); },
    .system = [](HartState* state, std::uint64_t packed, std::uint32_t word
              ) { return Cpu::of(state).execute_system(SystemInfo::unpack(packed), word); },
};

/// The interpreter needs few blocks before its time is over.
EngineOptions for_interpreter(const EngineOptions& options) {
    constexpr std::size_t kBytes = 4 << 20;
    return {
        .user_interrupts = options.user_interrupts,
        .code_cache_bytes = std::min(options.code_cache_bytes, kBytes),
    };
}

}  // namespace

Cpu& Cpu::of(HartState* state) {
    // `state` is a member of the one Cpu that run() passed to the generated code.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Winvalid-offsetof"
    return *reinterpret_cast<Cpu*>(reinterpret_cast<std::byte*>(state) - offsetof(Cpu, state));
#pragma clang diagnostic pop
}

Cpu::Cpu(
    GuestMemory& guest_memory, VcpuHost& vcpu_host, unsigned hart_id, const EngineOptions& options
)
    : interp::Cpu(guest_memory, vcpu_host, hart_id, for_interpreter(options), kPollsPerClock)
    , code(options.code_cache_bytes, kEntries, options.observer, hart_id, options.collect_stats)
    , interpret_first(options.interpret_first) {
    state.sstatus = &hart.state.sstatus;
    set_budget(-1);
    retired_base = static_cast<std::uint64_t>(state.budget);
    refresh_mode();
}

void Cpu::refresh_mode() {
    if (take_mxr_change()) {
        caches.flush_data();
        interp::Cpu::caches.flush_data();
    }
    const bool float_on = hart.float_state() != riscv::FloatState::off;
    const auto frm =
        static_cast<std::uint8_t>(float_on ? hart.state.fcsr >> 5 & 7 : std::uint64_t{0});
    if (float_on && frm != host_frm) {
        host_frm = frm;
        caches.flush_jumps();  // they don't tell rounding modes apart
        set_host_rounding(static_cast<riscv::Rounding>(frm));
    }
    mode = {.float_on = float_on, .frm = frm};
    state.tlb = &caches.data(access_mode(hart.state));
    state.jumps = caches.jumps(hart.user(), float_on).data();
}

void Cpu::raise(riscv::Cause cause, std::uint64_t value) {
    state.pc = hart.take_exception(cause, value, state.pc);
    refresh_mode();
}

bool Cpu::take_pending_interrupt() {
    const auto number = hart.interrupt_to_take(hart.pending_cached());
    if (!number) {
        return false;
    }
    state.pc = hart.take_interrupt(*number, state.pc);
    refresh_mode();
    return true;
}

// What comes from outside reaches the interpreter as well; what guest code does while it is
// translated need not.

void Cpu::fence_i() {
    code.fence_i();
    caches.flush_code();
    interp::Cpu::fence_i();
}

void Cpu::forget_translations() {
    caches.flush();
    interp::Cpu::forget_translations();
}

void Cpu::forget_code() {
    code.clear();
    caches.flush_code();
    interp::Cpu::forget_code();
}

void Cpu::collect_float_flags() {
    hart.state.fcsr |= take_float_flags() | state.fflags;
    state.fflags = 0;
}

std::int64_t Cpu::next_budget() const {
    if (limit == VcpuDebug::kNoLimit) {
        return kPollInterval;
    }
    return static_cast<std::int64_t>(
        std::min(static_cast<std::uint64_t>(kPollInterval), limit - retired())
    );
}

PollResult Cpu::poll() {
    set_budget(next_budget());
    const std::uint32_t asked = mailbox.take_requests();
    if ((asked & Mailbox::kFence) != 0) {
        serve_fences(*this);
    }
    if (turn_ends(asked)) {
        return PollResult::leave;
    }
    const bool changed = take_pending_interrupt() || leave_block;
    leave_block = false;
    return changed ? PollResult::changed : PollResult::nothing;
}

std::uint32_t Cpu::poll_at(std::uint64_t return_address) {
    const Region& region = code.region_of(return_address);
    const Site& site = code.site_of(region, return_address);
    state.pc = state.page_base + site.offset;
    state.budget += site.give_back;
    state.reason = next_by();
    if (retired() == limit) {
        state.reason = LeaveReason::dispatch;
        write_back(region, site.dirty);
        return 1;
    }
    const PollResult result = poll();
    if (result == PollResult::nothing && state.budget >= site.give_back) {
        if (!CodeCache::warm(region)) {
            state.budget -= site.give_back;
            return 0;
        }
        write_back(region, site.dirty);
        return 1;
    }
    if (result == PollResult::leave) {
        state.reason = LeaveReason::end;
    }
    if (result == PollResult::nothing) {
        // Less than the block is left of an instruction limit: the dispatcher sees to that.
        cut = true;
        state.reason = LeaveReason::dispatch;
    }
    write_back(region, site.dirty);
    return 1;
}

void Cpu::execute() {
    if (young() && interpret()) {
        return;
    }
    set_host_rounding(static_cast<riscv::Rounding>(host_frm));
    set_budget(-1);
    turn_begin = retired();
    dispatch();
}

void Cpu::save_registers(riscv::State& to) const {
    std::ranges::copy(state.x, to.x.begin());
    std::ranges::copy(state.f, to.f.begin());
    to.pc = state.pc;
    to.fcsr |= state.fflags;
}

void Cpu::load_registers(const riscv::State& from) {
    std::ranges::copy(from.x, state.x);
    state.x[0] = 0;
    std::ranges::copy(from.f, state.f);
    state.pc = from.pc & ~std::uint64_t{1};
    state.fflags = 0;
    state.reservation_host = 0;
    retired_base = from.instret + static_cast<std::uint64_t>(state.budget);
    cut = false;
}

}  // namespace vmm::dbt
