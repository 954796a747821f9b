// SPDX-License-Identifier: Apache-2.0
#include "cpu/dbt/runtime/cpu.hpp"

#include "cpu/common/float_environment.hpp"

#include <time.h>

#include <algorithm>
#include <cstddef>

namespace vmm::dbt {
namespace {

Nanos monotonic_now() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<Nanos>(now.tv_sec) * 1'000'000'000 + static_cast<Nanos>(now.tv_nsec);
}

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
    : hart(*this, options.user_interrupts)
    , memory(guest_memory)
    , host(vcpu_host)
    , id(hart_id)
    , code(options.code_cache_bytes, kEntries, options.observer, hart_id, options.collect_stats) {
    state.sstatus = &hart.state.sstatus;
    hart.state.stopped = 1;
    set_budget(-1);
    retired_base = static_cast<std::uint64_t>(state.budget);
    refresh_mode();
}

std::uint64_t Cpu::guest_time() {
    const HostFloatScope scope;
    return host.guest_time();
}

void Cpu::refresh_mode() {
    const bool mxr = (hart.state.sstatus & riscv::sstatus::kMxr) != 0;
    if (mxr != last_mxr) {
        last_mxr = mxr;
        caches.flush_data();
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
    state.tlb = &caches.data(cache_mode());
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

void Cpu::serve_fences() {
    const Mailbox::Fences fences = mailbox.take_fences();
    if (fences.has(FenceKind::instruction)) {
        code.fence_i();
        caches.flush_code();
    }
    if (fences.has(FenceKind::address_translation)) {
        caches.flush();
    }
    leave_block = leave_block || fences.kinds != 0;
    mailbox.finish(fences);
}

void Cpu::drop_translations() {
    code.clear();
    caches.flush_code();
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
        serve_fences();
    }
    if ((asked & Mailbox::kExit) != 0 || ring_waits(context)) {
        exit = ExitKind::interrupted;
        return PollResult::leave;
    }
    if (polls_until_clock-- == 0) {
        polls_until_clock = kPollsPerClock;
        hart.update_timers();
        if (context.deadline != ~Nanos{0} && monotonic_now() >= context.deadline) {
            exit = ExitKind::interrupted;
            return PollResult::leave;
        }
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

ExitKind Cpu::run(const RunContext& run_context) {
    mailbox.enter();
    if (hart.state.stopped != 0) {
        serve_fences();
        mailbox.leave();
        return ExitKind::stopped;
    }
    context = run_context;
    // Even when the deadline has passed, the guest gets as far as the next look at the clock.
    polls_until_clock = kPollsPerClock;
    {
        const GuestFloatScope scope;
        set_host_rounding(static_cast<riscv::Rounding>(host_frm));
        hart.update_timers();
        serve_fences();
        leave_block = false;
        refresh_mode();
        set_budget(-1);
        dispatch();
        collect_float_flags();
    }
    mailbox.leave();
    return exit;
}

}  // namespace vmm::dbt
