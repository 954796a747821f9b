// SPDX-License-Identifier: Apache-2.0
#include "fleet/guest_debug.hpp"

#include "cpu/riscv/page_walk.hpp"
#include "cpu/riscv/trap_handlers.hpp"
#include "debug/address.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <utility>

namespace vmm {

using debug::StopReason;

GuestDebug::GuestDebug(
    Machine& machine, std::function<void()> changed, std::function<void()> kill_guest
)
    : machine_(machine)
    , changed_(std::move(changed))
    , kill_(std::move(kill_guest)) {
    for (unsigned hart = 0; hart < harts(); ++hart) {
        harts_.push_back(std::make_unique<Hart>());
    }
}

Result<void> GuestDebug::listen(const std::string& address, const std::string& guest_name) {
    for (unsigned hart = 0; hart < harts(); ++hart) {
        Vcpu& vcpu = machine_.vcpu(hart);
        if (vcpu.debug() == nullptr) {
            return fail(
                ErrorKind::unavailable,
                fmt::format(
                    "guest {}: engine {} has no breakpoints and steps, so it can't be debugged",
                    guest_name,
                    vcpu.engine_name()
                )
            );
        }
    }
    const auto parsed = debug::parse_address(address);
    if (!parsed) {
        return std::unexpected(parsed.error());
    }
    auto server = debug::Server::listen(*parsed, static_cast<debug::Target&>(*this), guest_name);
    if (!server) {
        return std::unexpected(std::move(server.error()));
    }
    server_ = std::move(*server);
    return {};
}

// ---- Stopping and going on -------------------------------------------------------------------

/// The first reason to stop is the one that is told.
void GuestDebug::ask(debug::Stop stop) {
    {
        const std::lock_guard lock(mutex_);
        if (hold_.load(std::memory_order_relaxed)) {
            return;
        }
        stop_ = stop;
        hold_.store(true, std::memory_order_release);
    }
    changed_();
}

void GuestDebug::interrupt() {
    ask({.hart = 0, .reason = StopReason::interrupted});
}

void GuestDebug::held() {
    debug::Stop stop;
    {
        const std::lock_guard lock(mutex_);
        held_ = true;
        stop = stop_;
        if (resume_asked_) {
            return;  // the debugger has gone meanwhile
        }
    }
    server_->held(stop);
}

void GuestDebug::resume(std::span<const Action> actions) {
    server_->running();
    {
        const std::lock_guard lock(mutex_);
        actions_.assign(actions.begin(), actions.end());
        resume_asked_ = true;
    }
    changed_();
}

void GuestDebug::release() {
    server_->running();
    {
        // In one step: where the guest is held it goes on, and where it runs it is held for as long
        // as it takes to tell the engines, and nobody can get in between and hold it for good.
        const std::lock_guard lock(mutex_);
        breakpoints_.clear();
        actions_.assign(harts(), Action::go);
        resume_asked_ = true;
        if (!hold_.load(std::memory_order_relaxed)) {
            stop_ = {};
            hold_.store(true, std::memory_order_release);
        }
    }
    changed_();
}

bool GuestDebug::take_resume() {
    const std::lock_guard lock(mutex_);
    if (!held_ || !resume_asked_) {
        return false;
    }
    held_ = resume_asked_ = false;
    for (unsigned hart = 0; hart < harts(); ++hart) {
        harts_[hart]->action.store(actions_[hart], std::memory_order_release);
        prepare(hart);
    }
    hold_.store(false, std::memory_order_release);
    return true;
}

void GuestDebug::rebooted() {
    const std::lock_guard lock(mutex_);
    for (unsigned hart = 0; hart < harts(); ++hart) {
        harts_[hart]->action.store(Action::go, std::memory_order_release);
        prepare(hart);
    }
    if (hold_.load(std::memory_order_relaxed)) {
        changed_();
    }
}

/// Tells the engine where to stop. A step ends at the handler of a trap, too: an instruction that
/// traps does not retire, so the limit alone would let the handler's first one be executed.
void GuestDebug::prepare(unsigned hart) {
    Hart& h = *harts_[hart];
    Vcpu& vcpu = machine_.vcpu(hart);
    VcpuDebug& engine = *vcpu.debug();
    const bool step = h.action.load(std::memory_order_relaxed) == Action::step;
    std::vector<std::uint64_t> breakpoints = breakpoints_;
    if (step) {
        const riscv::State state = vcpu.save();
        for (const std::uint64_t handler : riscv::trap_handlers(state)) {
            breakpoints.push_back(handler);
        }
        std::ranges::sort(breakpoints);
        breakpoints.erase(std::ranges::unique(breakpoints).begin(), breakpoints.end());
        std::erase(breakpoints, state.pc);  // a step is one from wherever it begins
    }
    if (breakpoints != h.breakpoints) {
        engine.set_breakpoints(breakpoints);
        h.breakpoints = std::move(breakpoints);
    }
    if (step || h.limited) {
        engine.set_instruction_limit(step ? 1 : VcpuDebug::kNoLimit);
        h.limited = step;
    }
}

bool GuestDebug::may_run(unsigned hart) const noexcept {
    return harts_[hart]->action.load(std::memory_order_acquire) != Action::hold;
}

ExitKind GuestDebug::after_run(unsigned hart, ExitKind exit) {
    const bool step = harts_[hart]->action.load(std::memory_order_relaxed) == Action::step;
    switch (exit) {
    case ExitKind::counted:
        ask({hart, StopReason::step});
        return ExitKind::stopped;
    case ExitKind::breakpoint:
        ask({hart, step ? StopReason::step : StopReason::breakpoint});
        return ExitKind::stopped;
    case ExitKind::idle:
    case ExitKind::stopped:
        if (step) {  // `wfi`, or the hart has ended itself: that was the step
            ask({hart, StopReason::step});
            return ExitKind::stopped;
        }
        return exit;
    default:
        return exit;
    }
}

void GuestDebug::ended(const Outcome& outcome) {
    switch (outcome.ending) {
    case Ending::powered_off:
    case Ending::reset:
        server_->ended({.by_itself = true, .code = outcome.status});
        break;
    case Ending::stopped:
        server_->ended({.by_itself = false, .code = SIGTERM});
        break;
    default:
        server_->ended({.by_itself = false, .code = SIGABRT});
        break;
    }
}

void GuestDebug::kill() {
    kill_();
}

// ---- Looking at a guest that is held ---------------------------------------------------------

riscv::State GuestDebug::registers(unsigned hart) {
    return machine_.vcpu(hart).save();
}

void GuestDebug::set_registers(unsigned hart, const riscv::State& state) {
    machine_.vcpu(hart).load(state);
    // An interrupt may have been raised between the save that `state` comes from and the load.
    machine_.repeat_external_interrupts();
}

bool GuestDebug::has_user_interrupts() const {
    return machine_.vcpu(0).has_user_interrupts();
}

std::uint64_t GuestDebug::guest_time() {
    return machine_.clock().guest_time();
}

std::size_t GuestDebug::read_memory(unsigned hart, std::uint64_t address, std::span<std::byte> to) {
    const std::uint64_t satp = machine_.vcpu(hart).save().satp;
    std::size_t done = 0;
    while (done < to.size()) {
        const std::uint64_t at = address + done;
        const std::size_t part = std::min(to.size() - done, kPageSize - (at & (kPageSize - 1)));
        const auto physical = riscv::peek(satp, machine_.memory(), at);
        if (!physical || !machine_.memory().read(GuestPhys{*physical}, to.subspan(done, part))) {
            break;
        }
        done += part;
    }
    return done;
}

bool GuestDebug::write_memory(
    unsigned hart, std::uint64_t address, std::span<const std::byte> from
) {
    const std::uint64_t satp = machine_.vcpu(hart).save().satp;
    struct Part {
        GuestPhys at;
        std::span<const std::byte> bytes;
    };
    std::vector<Part> parts;
    for (std::size_t done = 0; done < from.size(); done += parts.back().bytes.size()) {
        const std::uint64_t at = address + done;
        const std::size_t size = std::min(from.size() - done, kPageSize - (at & (kPageSize - 1)));
        const auto physical = riscv::peek(satp, machine_.memory(), at);
        if (!physical || machine_.memory().writable_range(GuestPhys{*physical}, size) == nullptr) {
            return false;
        }
        parts.push_back({GuestPhys{*physical}, from.subspan(done, size)});
    }
    for (const Part& part : parts) {
        (void)machine_.memory().write(part.at, part.bytes);
    }
    // It may have been code, or page tables.
    for (unsigned n = 0; n < harts(); ++n) {
        machine_.vcpu(n).post_fence(FenceKind::instruction);
        machine_.vcpu(n).post_fence(FenceKind::address_translation);
    }
    return true;
}

std::string GuestDebug::describe(unsigned hart) {
    const riscv::State state = machine_.vcpu(hart).save();
    const std::string mode = state.privilege == riscv::Privilege::user ? "U-mode" : "S-mode";
    return machine_.may_run(hart) ? mode : "stopped by the guest";
}

void GuestDebug::set_breakpoints(std::span<const std::uint64_t> addresses) {
    const std::lock_guard lock(mutex_);
    breakpoints_.assign(addresses.begin(), addresses.end());
}

}  // namespace vmm
