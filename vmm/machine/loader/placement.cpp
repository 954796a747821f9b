// SPDX-License-Identifier: Apache-2.0
#include "machine/loader/placement.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace vmm {
namespace {

constexpr std::uint64_t kAlignment = kPageSize;

std::uint64_t page_down(std::uint64_t value) {
    return value / kAlignment * kAlignment;
}

}  // namespace

Result<Placement> place(RamRange ram, GuestPhys kernel_end, std::uint64_t initrd_bytes) {
    // kernel_end lies in RAM or right behind it, so none of these subtractions wraps.
    const std::uint64_t used = kernel_end.value - ram.base.value;
    const std::uint64_t free = ram.bytes - used;
    if (free < kDeviceTreeRoom) {
        return fail(
            ErrorKind::configuration,
            fmt::format(
                "the device tree does not fit: the kernel uses {} of the guest's {} bytes of "
                "memory",
                used,
                ram.bytes
            )
        );
    }
    Placement placement;
    placement.device_tree = {page_down(ram.base.value + ram.bytes - kDeviceTreeRoom)};
    const std::uint64_t room = placement.device_tree.value < kernel_end.value
                                   ? 0
                                   : placement.device_tree.value - kernel_end.value;
    const std::uint64_t start =
        page_down(placement.device_tree.value - std::min(initrd_bytes, room));
    if (initrd_bytes > room || start < kernel_end.value) {
        return fail(
            ErrorKind::configuration,
            fmt::format(
                "the initrd of {} bytes does not fit: of the guest's {} bytes of memory {} are "
                "free "
                "behind the kernel; give it more memory",
                initrd_bytes,
                ram.bytes,
                room
            )
        );
    }
    placement.initrd = {start};
    placement.initrd_bytes = initrd_bytes;
    return placement;
}

}  // namespace vmm
