// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <asmjit/x86.h>

#include <array>

/// What each host register is for while generated code runs.
namespace vmm::dbt {

/// HartState, plus kStateBias.
inline constexpr asmjit::x86::Gp kState = asmjit::x86::r15;
/// Instructions until the next poll.
inline constexpr asmjit::x86::Gp kBudget = asmjit::x86::r14;
/// The DataTlb of the current mode: HartState::tlb.
inline constexpr asmjit::x86::Gp kTlb = asmjit::x86::r13;

// Scratch for one IR instruction: rax, rcx, rdx, xmm0..xmm2.

/// These hold guest x registers and temporaries, chosen for each region.
inline constexpr std::array kResidentGp = {
    asmjit::x86::rbx,
    asmjit::x86::rbp,
    asmjit::x86::rsi,
    asmjit::x86::rdi,
    asmjit::x86::r8,
    asmjit::x86::r9,
    asmjit::x86::r10,
    asmjit::x86::r11,
    asmjit::x86::r12,
};
/// These hold guest f registers: xmm3..xmm15.
inline constexpr unsigned kFirstResidentXmm = 3;
inline constexpr unsigned kResidentXmms = 13;

}  // namespace vmm::dbt
