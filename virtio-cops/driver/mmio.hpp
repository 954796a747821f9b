// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "driver/error.hpp"

#include <virtio/virtio_config.h>
#include <virtio/virtio_mmio.h>
#include <virtio_cops/virtio_cops.h>

#include <concepts>
#include <cstddef>
#include <cstdint>

namespace virtio_cops {

/// How the driver reaches the registers of one virtio-mmio device. `offset` is from the device's
/// base, a multiple of 4. A write32() is seen by the device after every memory access that the
/// caller made before it; memory accesses after a read32() see what the device did before it.
template <class T>
concept RegisterPort = requires(T& port, std::uint32_t offset, std::uint32_t value) {
    { port.read32(offset) } -> std::same_as<std::uint32_t>;
    { port.write32(offset, value) };
};

/// A shared memory region of the device.
struct SharedRegion {
    std::uint64_t address = 0;  ///< Guest-physical.
    std::uint64_t bytes = 0;    ///< 0 = the device has no such region.
};

/// Where a queue lies, in guest-physical addresses.
struct QueueAddresses {
    std::uint16_t size = 0;
    std::uint64_t desc = 0;
    std::uint64_t avail = 0;
    std::uint64_t used = 0;
};

/// The driver's side of the virtio-mmio transport (virtio 1.2, 4.2). Not locked.
template <RegisterPort Port>
class Mmio {
public:
    explicit Mmio(Port port)
        : port_(port) {}

    /// 0, or -ENODEV when no device `device_id` of a version that we know is there.
    int probe(std::uint32_t device_id) {
        const bool found = port_.read32(VIRTIO_MMIO_MAGIC_VALUE) == VIRTIO_MMIO_MAGIC
                           && port_.read32(VIRTIO_MMIO_VERSION) == VIRTIO_MMIO_CURRENT_VERSION
                           && port_.read32(VIRTIO_MMIO_DEVICE_ID) == device_id;
        return found ? 0 : -kNoDevice;
    }

    /// Asks for a reset; it has ended when reset_done().
    void begin_reset() { port_.write32(VIRTIO_MMIO_STATUS, 0); }
    /// True: no request is in flight and the device writes to no memory of the guest any more.
    bool reset_done() { return port_.read32(VIRTIO_MMIO_STATUS) == 0; }

    /// After a reset: takes `required` and what the device has of `optional`. 0 and the set in
    /// *negotiated; -ENOTSUP when a required feature is missing or the device refuses the set.
    int negotiate(std::uint64_t required, std::uint64_t optional, std::uint64_t* negotiated) {
        add_status(VIRTIO_CONFIG_S_ACKNOWLEDGE);
        add_status(VIRTIO_CONFIG_S_DRIVER);
        const std::uint64_t offered = device_features();
        const std::uint64_t wanted = (required | optional) & offered;
        if ((required & ~offered) != 0) {
            fail();
            return -kNotSupported;
        }
        for (std::uint32_t half = 0; half < 2; ++half) {
            port_.write32(VIRTIO_MMIO_DRIVER_FEATURES_SEL, half);
            port_.write32(
                VIRTIO_MMIO_DRIVER_FEATURES, static_cast<std::uint32_t>(wanted >> (32 * half))
            );
        }
        add_status(VIRTIO_CONFIG_S_FEATURES_OK);
        if ((status() & VIRTIO_CONFIG_S_FEATURES_OK) == 0) {
            fail();
            return -kNotSupported;
        }
        *negotiated = wanted;
        return 0;
    }

    /// Largest size of a queue, 0 = no such queue.
    std::uint32_t queue_max(std::uint32_t queue) {
        port_.write32(VIRTIO_MMIO_QUEUE_SEL, queue);
        return port_.read32(VIRTIO_MMIO_QUEUE_NUM_MAX);
    }

    /// Between negotiate() and start(). 0, or -ENODEV when the device does not take the queue.
    int set_queue(std::uint32_t queue, const QueueAddresses& where) {
        if (queue_max(queue) < where.size || port_.read32(VIRTIO_MMIO_QUEUE_READY) != 0) {
            return -kNoDevice;
        }
        port_.write32(VIRTIO_MMIO_QUEUE_NUM, where.size);
        write64(VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_DESC_HIGH, where.desc);
        write64(VIRTIO_MMIO_QUEUE_AVAIL_LOW, VIRTIO_MMIO_QUEUE_AVAIL_HIGH, where.avail);
        write64(VIRTIO_MMIO_QUEUE_USED_LOW, VIRTIO_MMIO_QUEUE_USED_HIGH, where.used);
        port_.write32(VIRTIO_MMIO_QUEUE_READY, 1);
        return port_.read32(VIRTIO_MMIO_QUEUE_READY) == 1 ? 0 : -kNoDevice;
    }

    /// The device is live from here on. 0, or -EIO when it does not like its queues.
    int start() {
        add_status(VIRTIO_CONFIG_S_DRIVER_OK);
        return needs_reset() ? -kIoError : 0;
    }
    void fail() { add_status(VIRTIO_CONFIG_S_FAILED); }
    bool needs_reset() { return (status() & VIRTIO_CONFIG_S_NEEDS_RESET) != 0; }

    void notify(std::uint32_t queue) { port_.write32(VIRTIO_MMIO_QUEUE_NOTIFY, queue); }

    /// Interrupt handler: the causes (VIRTIO_MMIO_INT_*), acknowledged. Look at the used rings
    /// after it, not before.
    std::uint32_t take_interrupt() {
        const std::uint32_t causes = port_.read32(VIRTIO_MMIO_INTERRUPT_STATUS);
        if (causes != 0) {
            port_.write32(VIRTIO_MMIO_INTERRUPT_ACK, causes);
        }
        return causes;
    }

    SharedRegion shared_region(std::uint32_t id) {
        port_.write32(VIRTIO_MMIO_SHM_SEL, id);
        const std::uint64_t bytes = read64(VIRTIO_MMIO_SHM_LEN_LOW, VIRTIO_MMIO_SHM_LEN_HIGH);
        if (bytes == ~std::uint64_t{0}) {
            return {};
        }
        return {read64(VIRTIO_MMIO_SHM_BASE_LOW, VIRTIO_MMIO_SHM_BASE_HIGH), bytes};
    }

    /// A consistent copy of configuration space. 0, or -EIO when it never settles.
    int read_config(virtio_cops_config* config) {
        constexpr std::uint32_t kWords = sizeof(virtio_cops_config) / 4;
        std::uint32_t words[kWords];
        for (int attempt = 0; attempt < 16; ++attempt) {
            const std::uint32_t generation = port_.read32(VIRTIO_MMIO_CONFIG_GENERATION);
            for (std::uint32_t i = 0; i < kWords; ++i) {
                words[i] = port_.read32(VIRTIO_MMIO_CONFIG + 4 * i);
            }
            if (port_.read32(VIRTIO_MMIO_CONFIG_GENERATION) == generation) {
                __builtin_memcpy(config, words, sizeof *config);
                return 0;
            }
        }
        return -kIoError;
    }

    /// The le32 at `offset` of configuration space, which cannot be read torn.
    std::uint32_t read_config_word(std::uint32_t offset) {
        return port_.read32(VIRTIO_MMIO_CONFIG + offset);
    }

    Port& port() { return port_; }

private:
    std::uint32_t status() { return port_.read32(VIRTIO_MMIO_STATUS); }
    void add_status(std::uint32_t bit) { port_.write32(VIRTIO_MMIO_STATUS, status() | bit); }

    std::uint64_t device_features() {
        std::uint64_t features = 0;
        for (std::uint32_t half = 0; half < 2; ++half) {
            port_.write32(VIRTIO_MMIO_DEVICE_FEATURES_SEL, half);
            features |= std::uint64_t{port_.read32(VIRTIO_MMIO_DEVICE_FEATURES)} << (32 * half);
        }
        return features;
    }
    std::uint64_t read64(std::uint32_t low, std::uint32_t high) {
        const std::uint64_t below = port_.read32(low);
        return below | std::uint64_t{port_.read32(high)} << 32;
    }
    void write64(std::uint32_t low, std::uint32_t high, std::uint64_t value) {
        port_.write32(low, static_cast<std::uint32_t>(value));
        port_.write32(high, static_cast<std::uint32_t>(value >> 32));
    }

    Port port_;
};

}  // namespace virtio_cops
