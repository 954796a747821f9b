// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "arch/riscv64/instructions.hpp"

#include <virtio_cops/user_interrupts.h>

#include <cstdint>

namespace kernel::csr {

/// CSR numbers (RISC-V privileged specification; the N extension's from the shared header).
enum Number : unsigned {
    sstatus = 0x100,
    sie = 0x104,
    stvec = 0x105,
    scounteren = 0x106,
    sip = 0x144,
    stimecmp = 0x14d,
    satp = 0x180,
    time = 0xc01,
};

// sstatus
inline constexpr std::uint64_t kUserInterruptEnable = 1u << 0;
inline constexpr std::uint64_t kPreviousInterruptEnable = 1u << 5;
inline constexpr std::uint64_t kFloatShift = 13;
inline constexpr std::uint64_t kFloatMask = 3u << kFloatShift;
inline constexpr std::uint64_t kFloatInitial = 1u << kFloatShift;
inline constexpr std::uint64_t kFloatClean = 2u << kFloatShift;
inline constexpr std::uint64_t kFloatDirty = 3u << kFloatShift;
inline constexpr std::uint64_t kUserXlen64 = std::uint64_t{2} << 32;

// scounteren: cycle, time, instret
inline constexpr std::uint64_t kCountersForUsers = 7;

// sie, sip
inline constexpr std::uint64_t kUserSoftware = 1u << COPS_IRQ_USER_SOFTWARE;
inline constexpr std::uint64_t kUserTimer = 1u << COPS_IRQ_USER_TIMER;
inline constexpr std::uint64_t kSoftware = 1u << 1;
inline constexpr std::uint64_t kTimer = 1u << 5;
inline constexpr std::uint64_t kExternal = 1u << 9;

// scause
inline constexpr std::uint64_t kInterrupt = std::uint64_t{1} << 63;
inline constexpr std::uint64_t kCauseSoftware = kInterrupt | 1;
inline constexpr std::uint64_t kCauseTimer = kInterrupt | 5;
inline constexpr std::uint64_t kCauseExternal = kInterrupt | 9;
inline constexpr std::uint64_t kInstructionMisaligned = 0;
inline constexpr std::uint64_t kInstructionAccess = 1;
inline constexpr std::uint64_t kIllegal = 2;
inline constexpr std::uint64_t kBreakpoint = 3;
inline constexpr std::uint64_t kLoadMisaligned = 4;
inline constexpr std::uint64_t kLoadAccess = 5;
inline constexpr std::uint64_t kStoreMisaligned = 6;
inline constexpr std::uint64_t kStoreAccess = 7;
inline constexpr std::uint64_t kUserCall = 8;
inline constexpr std::uint64_t kInstructionPage = 12;
inline constexpr std::uint64_t kLoadPage = 13;
inline constexpr std::uint64_t kStorePage = 15;

inline std::uint64_t now() {
    return read<time>();
}

}  // namespace kernel::csr
