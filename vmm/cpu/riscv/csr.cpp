// SPDX-License-Identifier: Apache-2.0
// The CSR file: which registers exist, who may access them, which bits are writable.
#include "cpu/riscv/hart.hpp"

namespace vmm::riscv {
namespace {

constexpr std::uint64_t kSstatusWritable =
    sstatus::kSie | sstatus::kSpie | sstatus::kSpp | sstatus::kFs | sstatus::kSum | sstatus::kMxr;
constexpr std::uint64_t kFiom = 1;
/// cycle, time and instret; there are no hpmcounters.
constexpr std::uint64_t kScounterenWritable = 7;
/// Exceptions that user mode can raise.
constexpr std::uint64_t kSedelegWritable = 0xb1ff;
constexpr std::uint64_t kFcsrMask = 0xff;

constexpr bool is_float(Csr csr) {
    return csr == Csr::fflags || csr == Csr::frm || csr == Csr::fcsr;
}

constexpr std::uint64_t write_tvec(std::uint64_t value) {
    return value & ~std::uint64_t{2};  // MODE 2 and 3 are reserved
}

}  // namespace

bool Hart::counter_allowed(unsigned number) const {
    return !user() || (state.scounteren >> (number & 31) & 1) != 0;
}

std::uint64_t Hart::read_sstatus() const {
    std::uint64_t value = state.sstatus | sstatus::kUxl64;
    if ((value & sstatus::kFs) == sstatus::kFs) {
        value |= sstatus::kSd;
    }
    return value;
}

std::uint64_t Hart::writable_interrupts() const {
    return kSupervisorInterrupts | (has_n_ ? kUserInterrupts : 0);
}

std::optional<std::uint64_t> Hart::read_csr(unsigned number) {
    if ((number >> 8 & 3) > static_cast<unsigned>(state.privilege)) {
        return std::nullopt;
    }
    const auto csr = static_cast<Csr>(number);
    if (is_float(csr) && float_state() == FloatState::off) {
        return std::nullopt;
    }
    switch (csr) {
    case Csr::fflags:
        return state.fcsr & 31;
    case Csr::frm:
        return state.fcsr >> 5 & 7;
    case Csr::fcsr:
        return state.fcsr & kFcsrMask;
    case Csr::cycle:
    case Csr::instret:
        return counter_allowed(number) ? std::optional(state.instret) : std::nullopt;
    case Csr::time:
        return counter_allowed(number) ? std::optional(guest_time_here()) : std::nullopt;
    case Csr::sstatus:
        return read_sstatus();
    case Csr::sie:
        return state.sie;
    case Csr::stvec:
        return state.stvec;
    case Csr::scounteren:
        return state.scounteren;
    case Csr::senvcfg:
        return state.senvcfg;
    case Csr::sscratch:
        return state.sscratch;
    case Csr::sepc:
        return state.sepc;
    case Csr::scause:
        return state.scause;
    case Csr::stval:
        return state.stval;
    case Csr::sip:
        return pending();
    case Csr::stimecmp:
        return state.stimecmp;
    case Csr::satp:
        return state.satp;
    default:
        return has_n_ ? read_user_interrupt_csr(csr) : std::nullopt;
    }
}

std::optional<std::uint64_t> Hart::read_user_interrupt_csr(Csr csr) {
    switch (csr) {
    case Csr::ustatus:
        return state.sstatus & (sstatus::kUie | sstatus::kUpie);
    case Csr::uie:
        return state.sie & state.sideleg;
    case Csr::utvec:
        return state.utvec;
    case Csr::uscratch:
        return state.uscratch;
    case Csr::uepc:
        return state.uepc;
    case Csr::ucause:
        return state.ucause;
    case Csr::utval:
        return state.utval;
    case Csr::uip:
        return pending() & state.sideleg;
    case Csr::utimecmp:
        return state.utimecmp;
    case Csr::sedeleg:
        return state.sedeleg;
    case Csr::sideleg:
        return state.sideleg;
    default:
        return std::nullopt;
    }
}

void Hart::write_sip(std::uint64_t value, std::uint64_t changed) {
    // Release as in set_interrupt(), acquire because clearing the bit claims what was posted with
    // it. SEIP and the timer bits are read-only here.
    if ((changed & bit(kSupervisorSoftware)) != 0) {
        if ((value & bit(kSupervisorSoftware)) != 0) {
            lines.fetch_or(bit(kSupervisorSoftware), std::memory_order_acq_rel);
        } else {
            lines.fetch_and(~bit(kSupervisorSoftware), std::memory_order_acq_rel);
        }
    }
    if (has_n_) {
        const std::uint64_t mask = bit(kUserSoftware) | bit(kUserExternal);
        state.sip = (state.sip & ~mask) | (value & mask);
    }
}

std::optional<CsrEffect>
Hart::write_csr(unsigned number, std::uint64_t value, std::uint64_t changed) {
    if (number >> 10 == 3) {
        return std::nullopt;  // read-only by its number
    }
    const auto csr = static_cast<Csr>(number);
    switch (csr) {
    case Csr::fflags:
        state.fcsr = (state.fcsr & ~std::uint64_t{31}) | (value & 31);
        set_float_state(FloatState::dirty);
        return CsrEffect::rounding | CsrEffect::mode;
    case Csr::frm:
        state.fcsr = (state.fcsr & 31) | (value & 7) << 5;
        set_float_state(FloatState::dirty);
        return CsrEffect::rounding | CsrEffect::mode;
    case Csr::fcsr:
        state.fcsr = value & kFcsrMask;
        set_float_state(FloatState::dirty);
        return CsrEffect::rounding | CsrEffect::mode;
    case Csr::sstatus: {
        const std::uint64_t mask = kSstatusWritable | (has_n_ ? sstatus::kUie | sstatus::kUpie : 0);
        state.sstatus = (state.sstatus & ~mask) | (value & mask);
        return CsrEffect::mode | CsrEffect::interrupts;
    }
    case Csr::sie:
        state.sie = value & writable_interrupts();
        return CsrEffect::interrupts;
    case Csr::stvec:
        state.stvec = write_tvec(value);
        return CsrEffect::none;
    case Csr::scounteren:
        state.scounteren = value & kScounterenWritable;
        return CsrEffect::none;
    case Csr::senvcfg:
        state.senvcfg = value & kFiom;
        return CsrEffect::none;
    case Csr::sscratch:
        state.sscratch = value;
        return CsrEffect::none;
    case Csr::sepc:
        state.sepc = value & ~std::uint64_t{1};
        return CsrEffect::none;
    case Csr::scause:
        state.scause = value;
        return CsrEffect::none;
    case Csr::stval:
        state.stval = value;
        return CsrEffect::none;
    case Csr::sip:
        write_sip(value, changed);
        return CsrEffect::interrupts;
    case Csr::stimecmp:
        state.stimecmp = value;
        return CsrEffect::interrupts;
    case Csr::satp: {
        const std::uint64_t mode = value >> satp::kModeShift;
        if (mode != satp::kModeBare && mode != satp::kModeSv39 && mode != satp::kModeSv48) {
            return CsrEffect::none;  // a write of an unsupported mode has no effect
        }
        if (state.satp == value) {
            return CsrEffect::none;
        }
        state.satp = value;
        return CsrEffect::translation;
    }
    default:
        return has_n_ ? write_user_interrupt_csr(csr, value) : std::nullopt;
    }
}

std::optional<CsrEffect> Hart::write_user_interrupt_csr(Csr csr, std::uint64_t value) {
    switch (csr) {
    case Csr::ustatus: {
        const std::uint64_t mask = sstatus::kUie | sstatus::kUpie;
        state.sstatus = (state.sstatus & ~mask) | (value & mask);
        return CsrEffect::interrupts;
    }
    case Csr::uie:
        state.sie = (state.sie & ~state.sideleg) | (value & state.sideleg);
        return CsrEffect::interrupts;
    case Csr::utvec:
        state.utvec = write_tvec(value);
        return CsrEffect::none;
    case Csr::uscratch:
        state.uscratch = value;
        return CsrEffect::none;
    case Csr::uepc:
        state.uepc = value & ~std::uint64_t{1};
        return CsrEffect::none;
    case Csr::ucause:
        state.ucause = value;
        return CsrEffect::none;
    case Csr::utval:
        state.utval = value;
        return CsrEffect::none;
    case Csr::uip: {
        const std::uint64_t mask = bit(kUserSoftware) & state.sideleg;
        state.sip = (state.sip & ~mask) | (value & mask);
        return CsrEffect::interrupts;
    }
    case Csr::utimecmp:
        state.utimecmp = value;
        return CsrEffect::interrupts;
    case Csr::sedeleg:
        state.sedeleg = value & kSedelegWritable;
        return CsrEffect::none;
    case Csr::sideleg:
        state.sideleg = value & kUserInterrupts;
        return CsrEffect::interrupts;
    default:
        return std::nullopt;
    }
}

}  // namespace vmm::riscv
