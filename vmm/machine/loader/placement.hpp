// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "machine/loader/kernel_image.hpp"

#include <vmm/error.hpp>
#include <vmm/types.hpp>

#include <cstdint>

namespace vmm {

/// Where initrd and device tree go: as high in RAM as they can, initrd below the device tree.
struct Placement {
    GuestPhys device_tree;
    GuestPhys initrd;
    std::uint64_t initrd_bytes = 0;
};

/// Room kept for the device tree; it must not be larger.
inline constexpr std::uint64_t kDeviceTreeRoom = std::uint64_t{256} << 10;

/// Fails when the initrd (or the device tree) does not fit between the kernel's end and RAM's.
Result<Placement> place(RamRange ram, GuestPhys kernel_end, std::uint64_t initrd_bytes);

}  // namespace vmm
