// SPDX-License-Identifier: Apache-2.0
#include "machine/platform.hpp"

#include <fmt/format.h>

namespace vmm {

Result<void> Platform::connect(Bus& bus) {
    // RAM is not the bus's business, but nothing may be put over it.
    if (auto added = bus.add("plic", platform::kPlic, Plic::kSize, plic); !added) {
        return added;
    }
    if (auto added = bus.add("uart", platform::kUart, Uart::kSize, uart); !added) {
        return added;
    }
    return bus.add("test finisher", platform::kFinisher, Finisher::kSize, finisher);
}

Result<void> Platform::add_virtio(Bus& bus, unsigned slot, VirtioDevice& device) {
    if (slot >= kSlots || virtio[slot] != nullptr) {
        return fail(
            ErrorKind::internal, fmt::format("virtio slot {} is taken or does not exist", slot)
        );
    }
    virtio[slot] = std::make_unique<VirtioMmio>(device, IrqLine(plic, platform::kVirtioIrq + slot));
    return bus.add(
        fmt::format("virtio slot {}", slot),
        platform::kVirtio + slot * platform::kVirtioStride,
        VirtioMmio::kSize,
        *virtio[slot]
    );
}

}  // namespace vmm
