// SPDX-License-Identifier: Apache-2.0
// Traps: what is pending, what is taken, and the way in and out of handlers.
#include "cpu/riscv/hart.hpp"

#include <algorithm>
#include <array>

namespace vmm::riscv {
namespace {

constexpr std::uint64_t kNever = ~std::uint64_t{0};

/// Moves the enable bit to its "previous" bit and clears it.
constexpr std::uint64_t push(std::uint64_t status, std::uint64_t enable, std::uint64_t previous) {
    const bool was = (status & enable) != 0;
    return (status & ~(enable | previous)) | (was ? previous : 0);
}

/// The reverse; the "previous" bit becomes 1.
constexpr std::uint64_t pop(std::uint64_t status, std::uint64_t enable, std::uint64_t previous) {
    const bool was = (status & previous) != 0;
    return (status & ~enable) | previous | (was ? enable : 0);
}

constexpr std::uint64_t handler(std::uint64_t tvec, std::uint64_t cause) {
    const std::uint64_t base = tvec & ~std::uint64_t{3};
    const bool vectored = (tvec & 1) != 0 && (cause & kInterruptFlag) != 0;
    return vectored ? base + 4 * (cause & ~kInterruptFlag) : base;
}

}  // namespace

void Hart::update_timers() {
    const std::uint64_t timers = bit(kSupervisorTimer) | bit(kUserTimer);
    state.sip &= ~timers;
    if (state.stimecmp == kNever && state.utimecmp == kNever) {
        return;
    }
    const std::uint64_t now = guest_time();
    if (now >= state.stimecmp) {
        state.sip |= bit(kSupervisorTimer);
    }
    if (has_n_ && now >= state.utimecmp) {
        state.sip |= bit(kUserTimer);
    }
}

std::uint64_t Hart::pending_cached() const {
    // Acquire: pairs with the release in whoever raised the line.
    return state.sip | lines.load(std::memory_order_acquire);
}

std::uint64_t Hart::pending() {
    update_timers();
    return pending_cached();
}

std::optional<unsigned> Hart::interrupt_to_take(std::uint64_t pending) const {
    const std::uint64_t enabled = pending & state.sie;
    if (enabled == 0) {
        return std::nullopt;
    }
    // Decreasing priority: those of S-mode before those of U-mode; external, software, timer.
    if (user() || (state.sstatus & sstatus::kSie) != 0) {
        for (const unsigned number : {kSupervisorExternal, kSupervisorSoftware, kSupervisorTimer}) {
            if ((enabled & bit(number)) != 0) {
                return number;
            }
        }
    }
    // A user interrupt never traps to S-mode: it is held until U-mode with UIE, delegated or not.
    if (has_n_ && user() && (state.sstatus & sstatus::kUie) != 0) {
        for (const unsigned number : {kUserExternal, kUserSoftware, kUserTimer}) {
            if ((enabled & state.sideleg & bit(number)) != 0) {
                return number;
            }
        }
    }
    return std::nullopt;
}

std::uint64_t Hart::next_timer() const {
    std::uint64_t next = kNever;
    if ((state.sie & bit(kSupervisorTimer)) != 0) {
        next = std::min(next, state.stimecmp);
    }
    if (has_n_ && (state.sie & bit(kUserTimer)) != 0) {
        next = std::min(next, state.utimecmp);
    }
    return next;
}

std::uint64_t Hart::enter_supervisor(std::uint64_t cause, std::uint64_t value, std::uint64_t pc) {
    ++supervisor_traps;
    state.scause = cause;
    state.stval = value;
    state.sepc = pc;
    state.sstatus = push(state.sstatus, sstatus::kSie, sstatus::kSpie);
    state.sstatus &= ~sstatus::kSpp;
    if (!user()) {
        state.sstatus |= sstatus::kSpp;
    }
    state.privilege = Privilege::supervisor;
    return handler(state.stvec, cause);
}

std::uint64_t Hart::enter_user(std::uint64_t cause, std::uint64_t value, std::uint64_t pc) {
    ++user_traps;
    state.ucause = cause;
    state.utval = value;
    state.uepc = pc;
    state.sstatus = push(state.sstatus, sstatus::kUie, sstatus::kUpie);
    return handler(state.utvec, cause);
}

std::uint64_t Hart::take_exception(Cause cause, std::uint64_t value, std::uint64_t pc) {
    const auto code = static_cast<unsigned>(cause);
    if (has_n_ && user() && (state.sedeleg >> code & 1) != 0) {
        return enter_user(code, value, pc);
    }
    return enter_supervisor(code, value, pc);
}

std::uint64_t Hart::take_interrupt(unsigned number, std::uint64_t pc) {
    const std::uint64_t cause = kInterruptFlag | number;
    return (bit(number) & kUserInterrupts) != 0 ? enter_user(cause, 0, pc)
                                                : enter_supervisor(cause, 0, pc);
}

std::uint64_t Hart::return_from_supervisor() {
    state.privilege =
        (state.sstatus & sstatus::kSpp) != 0 ? Privilege::supervisor : Privilege::user;
    state.sstatus = pop(state.sstatus, sstatus::kSie, sstatus::kSpie) & ~sstatus::kSpp;
    return state.sepc;
}

std::uint64_t Hart::return_from_user() {
    // From S-mode too: U-mode is the only one that a user trap can have come from.
    state.privilege = Privilege::user;
    state.sstatus = pop(state.sstatus, sstatus::kUie, sstatus::kUpie);
    return state.uepc;
}

}  // namespace vmm::riscv
