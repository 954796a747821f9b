// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "riscv_assembler.hpp"
#include "system_program.hpp"

namespace differential::system {

inline constexpr std::uint64_t kDescriptors = kRam + 0x60'0000;
inline constexpr std::uint64_t kRegisterSets = kRam + 0x68'0000;
inline constexpr unsigned kRegisterSetCount = 64;
/// Traps that a slot may have before the next one begins.
inline constexpr unsigned kBudget = 6;

// User side of the N extension: mapped for U-mode at these addresses in every space.
inline constexpr std::uint64_t kUserHandler = 0x1800'0000;
inline constexpr std::uint64_t kUserSave = 0x1800'1000;
inline constexpr std::uint64_t kUserCode = 0x1000'0000;  ///< Less than 2 MiB.

/// What the kernel needs to begin a slot. The kernel's code knows the order.
struct Descriptor {
    std::uint64_t entry;  ///< 0: the end.
    std::uint64_t sstatus;
    std::uint64_t satp;
    std::uint64_t fence;  ///< Not 0: sfence.vma after satp.
    std::uint64_t registers;
    std::uint64_t sie;
    std::uint64_t sedeleg;
    std::uint64_t sideleg;
};

/// x1..x31, f0..f31, fcsr.
struct RegisterSet {
    std::uint64_t x[31];
    std::uint64_t f[32];
    std::uint64_t fcsr;
};

/// Starts at kKernel: entry, then the trap handler.
rv::Code kernel_code(bool user_interrupts);
/// At kUserHandler.
rv::Code user_handler();
/// At kShim.
rv::Code machine_shim();

}  // namespace differential::system
