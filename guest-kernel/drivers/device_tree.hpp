// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/types.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace kernel {

/// What the kernel wants to know of the machine, read once from the flattened device tree.
struct Platform {
    static constexpr unsigned kMaxVirtio = 32;
    struct Virtio {
        PhysAddr address = 0;
        std::uint32_t irq = 0;
    };

    PhysAddr ram_start = 0;
    PhysAddr ram_end = 0;
    std::uint64_t harts = 0;  ///< Bit h = hart h is there.
    std::uint64_t timebase = 0;
    std::string_view isa;  ///< Of the first hart.
    PhysAddr plic = 0;
    /// Context of hart h's S-mode; 0xffffffff = none.
    std::uint32_t plic_context[kMaxHarts] = {};
    PhysAddr uart = 0;
    std::uint32_t uart_irq = 0;
    PhysAddr finisher = 0;  ///< sifive,test0
    Virtio virtio[kMaxVirtio];
    unsigned virtio_count = 0;
    std::string_view bootargs;
    PhysAddr initrd_start = 0;
    PhysAddr initrd_end = 0;
    std::span<const std::byte> rng_seed;
};

/// Reads the tree at `address`; false when it is no device tree or ends before its end.
bool read_device_tree(PhysAddr address, Platform& platform);
/// Its size, for whoever keeps the memory.
std::uint64_t device_tree_bytes(PhysAddr address);

/// Value of KEY in KEY=VALUE words of the command line; empty when absent.
std::string_view boot_option(std::string_view line, std::string_view key);
std::uint64_t parse_number(std::string_view text, std::uint64_t otherwise);

}  // namespace kernel
