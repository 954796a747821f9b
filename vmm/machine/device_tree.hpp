// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/error.hpp>
#include <vmm/types.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace vmm {

/// What the device tree says about one machine.
struct DeviceTreeSpec {
    unsigned cpus = 1;
    std::uint64_t memory_bytes = 0;
    std::uint64_t timebase_hz = 0;
    bool user_interrupts = false;
    std::vector<unsigned> virtio_slots;  ///< Those that hold a device, ascending.
    std::string cmdline;
    GuestPhys initrd;
    std::uint64_t initrd_bytes = 0;  ///< 0: no initrd.
    std::array<std::byte, 32> rng_seed{};
};

/// The flattened device tree (DeviceTree specification 0.4), 8-byte aligned in size.
/// Fails when it would need more than `limit` bytes (a very long command line).
Result<std::vector<std::byte>> build_device_tree(const DeviceTreeSpec& spec, std::size_t limit);

}  // namespace vmm
