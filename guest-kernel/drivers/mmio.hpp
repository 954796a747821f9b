// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/types.hpp"

#include <cstdint>

/// Device registers, through the direct map. Fences order them against memory both ways.
namespace kernel::mmio {

template <typename T>
T read(PhysAddr address) {
    const T value = *direct<volatile T>(address);
    __asm__ volatile("fence i, rw" : : : "memory");
    return value;
}
template <typename T>
void write(PhysAddr address, T value) {
    __asm__ volatile("fence rw, o" : : : "memory");
    *direct<volatile T>(address) = value;
}

}  // namespace kernel::mmio
