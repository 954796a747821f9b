// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/error.hpp>
#include <vmm/types.hpp>

#include <cstdint>
#include <optional>
#include <span>

namespace vmm {

class StateReader;
class StateWriter;

/// Where the driver put a virtqueue. Addresses are the guest's words: unchecked.
struct VirtioQueue {
    std::uint16_t size = 0;  ///< Entries, 1..queue_max; for split rings a power of two.
    bool ready = false;      ///< The driver set QueueReady.
    GuestPhys desc;          ///< Descriptor table.
    GuestPhys driver;        ///< Available ring.
    GuestPhys device;        ///< Used ring.
};

/// A shared memory region of a device (virtio 1.2, 4.2.2 SHMSel).
struct VirtioSharedMemory {
    GuestPhys base;
    std::uint64_t length = 0;
};

/// What a device may ask of the transport it sits on. Any thread, with any lock of the device held:
/// the transport takes no lock here that it holds while it calls the device.
class VirtioTransport {
public:
    /// The driver's used ring grew and the driver wants to know.
    virtual void raise_used_interrupt() = 0;
    /// The device's configuration changed.
    virtual void raise_config_interrupt() = 0;
    /// The driver broke the protocol: sets DEVICE_NEEDS_RESET and tells the driver.
    virtual void set_needs_reset() = 0;
    /// The device finished the reset that VirtioDevice::reset() began. May be called from inside
    /// it.
    virtual void reset_done() = 0;

protected:
    ~VirtioTransport() = default;
};

/// The device behind a virtio transport. Calls come from vCPU threads. The transport serialises
/// activate() and reset() with each other; all else may come at any time in any number.
class VirtioDevice {
public:
    /// Called once, before all others. The transport outlives the device's use of it.
    virtual void connect(VirtioTransport& transport) = 0;

    virtual std::uint32_t device_id() const = 0;
    /// Offered features, VIRTIO_F_VERSION_1 included.
    virtual std::uint64_t device_features() const = 0;
    virtual unsigned queue_count() const = 0;
    /// Largest size of `queue` (below queue_count()).
    virtual std::uint16_t queue_max(unsigned queue) const = 0;

    /// The driver set FEATURES_OK with `features`, a subset of the offered ones that contains
    /// VIRTIO_F_VERSION_1. False: the device can't work with this set and FEATURES_OK reads back
    /// clear.
    virtual bool accept_features(std::uint64_t features) = 0;
    /// The driver set DRIVER_OK. `queues` has queue_count() entries; those not ready are unused.
    virtual void activate(std::uint64_t features, std::span<const VirtioQueue> queues) = 0;
    /// The driver wrote 0 to the status. Stop taking requests now; call
    /// VirtioTransport::reset_done() when none is in flight and nothing will be written to guest
    /// memory any more.
    virtual void reset() = 0;
    /// The driver rang `queue` (below queue_count()) of the active device.
    virtual void notify(unsigned queue) = 0;

    /// Changes when configuration space changes in a way that a reader could see torn.
    virtual std::uint32_t config_generation() const { return 0; }
    /// Fills `to` from configuration space at `offset`; bytes past its end are zero.
    virtual void config_read(std::uint64_t offset, std::span<std::byte> to) = 0;
    /// Writes to read-only or absent fields are ignored.
    virtual void config_write(std::uint64_t offset, std::span<const std::byte> from) = 0;
    /// Nothing: the device has no region with that id.
    virtual std::optional<VirtioSharedMemory> shared_memory(std::uint8_t id) const = 0;

    /// Device state beyond what the transport keeps; no request is in flight.
    virtual void save(StateWriter& out) const = 0;
    /// Called in place of activate() when a saved machine is loaded: `status` tells how far the
    /// driver had come. `in` comes from outside: the device checks every value.
    virtual Result<void> load(
        StateReader& in,
        std::uint32_t status,
        std::uint64_t features,
        std::span<const VirtioQueue> queues
    ) = 0;

protected:
    ~VirtioDevice() = default;
};

}  // namespace vmm
