// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "drivers/device_tree.hpp"

#include <cstdint>

/// Platform-level interrupt controller.
namespace kernel::plic {

using Handler = void (*)();

void init(const Platform& platform);
/// Boot only: `handler` runs on whichever hart claims the interrupt.
void connect(std::uint32_t irq, Handler handler);
/// This hart takes the connected interrupts.
void enable_hart(unsigned hart);
/// No interrupts for the hart until enable_hart().
void disable_hart(unsigned hart);
/// Claims, handles and completes what is pending for this hart.
void handle(unsigned hart);

}  // namespace kernel::plic
