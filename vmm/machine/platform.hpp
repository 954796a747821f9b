// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/finisher/finisher.hpp"
#include "devices/plic/plic.hpp"
#include "devices/uart/uart.hpp"
#include "devices/virtio_mmio/virtio_mmio.hpp"
#include "machine/bus.hpp"
#include "machine/platform_map.hpp"

#include <vmm/error.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>

namespace vmm {

/// The devices that every machine has, and its virtio slots.
class Platform {
public:
    static constexpr unsigned kSlots = 8;

    Platform(unsigned cpus, ExternalInterruptSink& sink, Uart::Output output, Finisher::Ended ended)
        : plic(cpus, sink)
        , uart(IrqLine(plic, platform::kUartIrq), std::move(output))
        , finisher(std::move(ended)) {}

    /// Puts the fixed devices on the bus.
    Result<void> connect(Bus& bus);
    Result<void> add_virtio(Bus& bus, unsigned slot, VirtioDevice& device);

    Plic plic;
    Uart uart;
    Finisher finisher;
    std::array<std::unique_ptr<VirtioMmio>, kSlots> virtio;
};

}  // namespace vmm
