// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace vmm {

/// One guest access to a device's registers. The bus has checked that `size` is 1, 2, 4 or 8, that
/// the access is naturally aligned and that it lies wholly inside the device's range.
struct MmioAccess {
    std::uint64_t offset = 0;  ///< From the start of the device's range.
    unsigned size = 0;         ///< Bytes.
    unsigned hart = 0;         ///< The vCPU that accesses.
};

/// Something that answers loads and stores in a range of guest-physical addresses. Several vCPUs
/// may call at once from different threads; the device locks what it must. Values come from the
/// guest: any value is legal input and never ends the host.
class MmioDevice {
public:
    /// False: no such register or width; the hart takes an access fault.
    virtual bool mmio_read(const MmioAccess& access, std::uint64_t* value) = 0;
    /// `value` is zero-extended from the access size. False: as for mmio_read().
    virtual bool mmio_write(const MmioAccess& access, std::uint64_t value) = 0;

protected:
    ~MmioDevice() = default;
};

}  // namespace vmm
