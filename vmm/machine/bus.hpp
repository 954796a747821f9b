// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/mmio_device.hpp"

#include <vmm/error.hpp>
#include <vmm/types.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace vmm {

/// Address decode of device registers. Devices are added before the first run; from then on the
/// table is read only, so accesses take no lock.
class Bus {
public:
    /// `name` is for error messages. Fails when the range is empty, wraps or overlaps another.
    Result<void> add(std::string name, GuestPhys base, std::uint64_t size, MmioDevice& device);
    /// Fails when [base, base+size) overlaps a device; for what is memory, not registers.
    Result<void> reserve(std::string name, GuestPhys base, std::uint64_t size);

    /// False: nothing answers there, or not at that width and alignment.
    bool read(unsigned hart, GuestPhys address, unsigned size, std::uint64_t* value) const;
    bool write(unsigned hart, GuestPhys address, unsigned size, std::uint64_t value) const;

private:
    struct Range {
        std::uint64_t base;
        std::uint64_t last;  // inclusive, so that a range may end at the top of the address space
        MmioDevice* device;  // null: reserved
        std::string name;
    };
    Result<void> insert(Range range, std::uint64_t size);
    const Range* find(GuestPhys address, unsigned size) const noexcept;

    std::vector<Range> ranges_;  // sorted by base, disjoint
};

}  // namespace vmm
