// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/types.hpp>

#include <cstdint>

namespace vmm::platform {

// The guest-physical memory map (D1): the subset of QEMU's `virt` that guests need.
inline constexpr GuestPhys kFinisher{0x100000};
inline constexpr GuestPhys kPlic{0x0c000000};
inline constexpr GuestPhys kUart{0x10000000};
inline constexpr GuestPhys kVirtio{0x10001000};
inline constexpr std::uint64_t kVirtioStride = 0x1000;
inline constexpr GuestPhys kRam{0x80000000};

// Sources of the interrupt controller.
inline constexpr unsigned kVirtioIrq = 1;  ///< Of slot 0; slot i has kVirtioIrq + i.
inline constexpr unsigned kUartIrq = 10;

}  // namespace vmm::platform
