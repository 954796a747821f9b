// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <type_traits>

namespace vmm::riscv {

enum class Privilege : std::uint8_t { user = 0, supervisor = 1 };

/// The architectural state of one hart, in the names of the privileged specification. Plain data:
/// an engine fills it on save() and continues from it after load(). Fields of the user-interrupt
/// (N) extension are at the end; an engine without it ignores them.
struct State {
    std::array<std::uint64_t, 32> x{};
    std::array<std::uint64_t, 32> f{};
    std::uint64_t pc = 0;
    std::uint64_t fcsr = 0;
    std::uint64_t sstatus = 0;  ///< With UIE (bit 0) and UPIE (bit 4) of the N extension.
    std::uint64_t sie = 0;
    std::uint64_t sip = 0;  ///< SSIP (1), STIP (5), SEIP (9), USIP (0), UTIP (4).
    std::uint64_t stvec = 0;
    std::uint64_t sscratch = 0;
    std::uint64_t sepc = 0;
    std::uint64_t scause = 0;
    std::uint64_t stval = 0;
    std::uint64_t satp = 0;
    std::uint64_t scounteren = 0;
    std::uint64_t senvcfg = 0;
    std::uint64_t stimecmp = ~std::uint64_t{0};
    std::uint64_t instret = 0;
    Privilege privilege = Privilege::supervisor;
    std::uint8_t stopped = 0;  ///< 1 = SBI HSM state STOPPED.
    std::array<std::uint8_t, 6> reserved{};
    std::uint64_t utvec = 0;
    std::uint64_t uscratch = 0;
    std::uint64_t uepc = 0;
    std::uint64_t ucause = 0;
    std::uint64_t utval = 0;
    std::uint64_t sedeleg = 0;
    std::uint64_t sideleg = 0;
    std::uint64_t utimecmp = ~std::uint64_t{0};
};
static_assert(std::is_trivially_copyable_v<State>);

/// How SBI firmware hands a hart to a kernel: S-mode, MMU off, interrupts off, a0 = hart id, a1 =
/// opaque. User mode may read cycle, time and instret, as OpenSBI leaves it: Linux relies on that
/// for its vDSO and never sets scounteren itself where there is no SBI PMU.
constexpr State state_at_start(std::uint64_t hart, std::uint64_t pc, std::uint64_t opaque) {
    State state;
    state.pc = pc;
    state.x[10] = hart;
    state.x[11] = opaque;
    state.scounteren = 7;
    return state;
}

}  // namespace vmm::riscv
