// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <virtio_cops/user_interrupts.h>

#include <cstdint>

/// Numbers of the privileged specification (version 1.13) and of the N extension.
namespace vmm::riscv {

/// Exception codes of scause and ucause.
enum class Cause : std::uint8_t {
    instruction_misaligned = 0,
    instruction_access = 1,
    illegal_instruction = 2,
    breakpoint = 3,
    load_misaligned = 4,
    load_access = 5,
    store_misaligned = 6,
    store_access = 7,
    user_ecall = 8,
    supervisor_ecall = 9,
    instruction_page = 12,
    load_page = 13,
    store_page = 15,
};

inline constexpr std::uint64_t kInterruptFlag = std::uint64_t{1} << 63;

/// Bit numbers of sip and sie; also the codes of interrupt causes.
inline constexpr unsigned kUserSoftware = COPS_IRQ_USER_SOFTWARE;
inline constexpr unsigned kSupervisorSoftware = 1;
inline constexpr unsigned kUserTimer = COPS_IRQ_USER_TIMER;
inline constexpr unsigned kSupervisorTimer = 5;
inline constexpr unsigned kUserExternal = COPS_IRQ_USER_EXTERNAL;
inline constexpr unsigned kSupervisorExternal = 9;

constexpr std::uint64_t bit(unsigned number) {
    return std::uint64_t{1} << number;
}

inline constexpr std::uint64_t kUserInterrupts =
    bit(kUserSoftware) | bit(kUserTimer) | bit(kUserExternal);
inline constexpr std::uint64_t kSupervisorInterrupts =
    bit(kSupervisorSoftware) | bit(kSupervisorTimer) | bit(kSupervisorExternal);

namespace sstatus {
inline constexpr std::uint64_t kUie = COPS_USTATUS_UIE;
inline constexpr std::uint64_t kSie = bit(1);
inline constexpr std::uint64_t kUpie = COPS_USTATUS_UPIE;
inline constexpr std::uint64_t kSpie = bit(5);
inline constexpr std::uint64_t kSpp = bit(8);
inline constexpr unsigned kFsShift = 13;
inline constexpr std::uint64_t kFs = std::uint64_t{3} << kFsShift;
inline constexpr std::uint64_t kSum = bit(18);
inline constexpr std::uint64_t kMxr = bit(19);
inline constexpr std::uint64_t kUxl64 = std::uint64_t{2} << 32;
inline constexpr std::uint64_t kSd = bit(63);
}  // namespace sstatus

/// States of sstatus.FS.
enum class FloatState : std::uint8_t { off = 0, initial = 1, clean = 2, dirty = 3 };

namespace satp {
inline constexpr unsigned kModeShift = 60;
inline constexpr std::uint64_t kModeBare = 0;
inline constexpr std::uint64_t kModeSv39 = 8;
inline constexpr std::uint64_t kModeSv48 = 9;
inline constexpr std::uint64_t kPpnMask = (std::uint64_t{1} << 44) - 1;
}  // namespace satp

/// CSR numbers, from csrs.inc.
enum class Csr : std::uint16_t {
#define X(name, number) name = (number),
#include "cpu/riscv/csrs.inc"
#undef X
};

/// Rounding modes of frm and of the rm field.
enum class Rounding : std::uint8_t {
    nearest_even = 0,
    toward_zero = 1,
    down = 2,
    up = 3,
    nearest_away = 4,  ///< RMM
    dynamic = 7,       ///< In the rm field only.
};

/// Bits of fflags.
namespace fflag {
inline constexpr unsigned kInexact = 1;
inline constexpr unsigned kUnderflow = 2;
inline constexpr unsigned kOverflow = 4;
inline constexpr unsigned kDivideByZero = 8;
inline constexpr unsigned kInvalid = 16;
}  // namespace fflag

}  // namespace vmm::riscv
