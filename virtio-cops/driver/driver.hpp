// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "driver/control_queue.hpp"
#include "driver/mmio.hpp"
#include "driver/request_queue.hpp"

#include <cstddef>
#include <cstdint>

namespace virtio_cops {

/// What a driver wants of the device.
struct DriverOptions {
    std::uint32_t device_id = VIRTIO_ID_COPS;
    bool boards = true;                 ///< Take VIRTIO_COPS_F_BOARD if offered.
    bool user_interrupts = true;        ///< Take VIRTIO_COPS_F_USER_INTR if offered.
    bool power_off = true;              ///< Take VIRTIO_COPS_F_POWER_OFF if offered.
    bool core_alloc = true;             ///< Take VIRTIO_COPS_F_CORE_ALLOC if offered.
    bool siblings = true;               ///< Take VIRTIO_COPS_F_SIBLINGS if offered.
    std::uint16_t control_size = 64;    ///< Cut to the device's largest.
    std::uint16_t request_size = 1024;  ///< Cut to the device's largest.
    std::uint16_t max_segments = 18;    ///< Data segments of a request; cut to the device's limit.
};

/// The driver side of virtio-cops (SPEC.md): set-up and two queues. No allocation, no interrupt
/// handling, no MMIO of its own. Not locked; control and requests may have a lock each.
///
/// Use: probe(), open() (poll it while it returns -EAGAIN), then start() with memory_bytes() bytes
/// of physically contiguous memory.
template <RegisterPort Port>
class Driver {
public:
    Driver(Port port, const DriverOptions& options)
        : mmio_(port)
        , options_(options) {}

    /// 0, or -ENODEV: no such device here.
    int probe() { return mmio_.probe(options_.device_id); }

    /// Resets the device, negotiates, reads the configuration. -EAGAIN: the device still drains
    /// requests of an earlier life; call again. -EOPNOTSUPP, -EIO: it can't be used.
    int open();

    /// After open(): what start() needs, 64-byte aligned, in one physical piece.
    std::size_t memory_bytes() const {
        return control_bytes() + RequestQueue::bytes(options_.request_size, options_.max_segments);
    }
    /// Sets up the queues in `memory` at guest-physical `address` and makes the device live.
    int start(void* memory, std::uint64_t address);

    /// Ends the device's life: it has ended when reset_done(); memory may be reused then.
    void begin_reset() {
        mmio_.begin_reset();
        opening_ = false;
    }
    bool reset_done() { return mmio_.reset_done(); }

    void notify_control() {
        if (control_.wants_notify()) {
            mmio_.notify(VIRTIO_COPS_QUEUE_CONTROL);
        }
    }
    void notify_requests() {
        if (requests_.wants_notify()) {
            mmio_.notify(VIRTIO_COPS_QUEUE_REQUEST);
        }
    }

    ControlQueue& control() { return control_; }
    RequestQueue& requests() { return requests_; }
    Mmio<Port>& mmio() { return mmio_; }
    const virtio_cops_config& config() const { return config_; }
    bool has_boards() const { return (features_ >> VIRTIO_COPS_F_BOARD & 1) != 0; }
    /// After a configuration interrupt: the host wants the guest to power off (VC-3.8).
    bool power_off_asked() {
        return (features_ >> VIRTIO_COPS_F_POWER_OFF & 1) != 0
               && mmio_.read_config_word(VIRTIO_COPS_CONFIG_POWER_OFF)
                      == VIRTIO_COPS_POWER_OFF_ASKED;
    }
    /// vCPUs 0..own-1 are the guest's own, others are granted and revoked; 0: all are its own.
    std::uint32_t own_vcpus() {
        return (features_ >> VIRTIO_COPS_F_CORE_ALLOC & 1) != 0
                   ? mmio_.read_config_word(VIRTIO_COPS_CONFIG_OWN_VCPUS)
                   : 0;
    }
    bool has_siblings() const { return (features_ >> VIRTIO_COPS_F_SIBLINGS & 1) != 0; }
    bool has_user_interrupts() const { return (features_ >> VIRTIO_COPS_F_USER_INTR & 1) != 0; }

private:
    std::size_t control_bytes() const {
        return (ControlQueue::bytes(options_.control_size) + 63) & ~std::size_t{63};
    }
    void cut_to(std::uint16_t& size, std::uint32_t limit) {
        if (size > limit) {
            size = static_cast<std::uint16_t>(limit);
        }
    }

    Mmio<Port> mmio_;
    DriverOptions options_;
    virtio_cops_config config_{};
    std::uint64_t features_ = 0;
    ControlQueue control_;
    RequestQueue requests_;
    bool opening_ = false;
};

template <RegisterPort Port>
int Driver<Port>::open() {
    if (!opening_) {
        opening_ = true;
        mmio_.begin_reset();
    }
    if (!mmio_.reset_done()) {
        return -kTryAgain;
    }
    opening_ = false;
    const std::uint64_t required =
        std::uint64_t{1} << VIRTIO_F_VERSION_1 | std::uint64_t{1} << VIRTIO_RING_F_INDIRECT_DESC;
    const std::uint64_t board = std::uint64_t{options_.boards} << VIRTIO_COPS_F_BOARD;
    const std::uint64_t user = std::uint64_t{options_.boards && options_.user_interrupts}
                               << VIRTIO_COPS_F_USER_INTR;
    const std::uint64_t power_off = std::uint64_t{options_.power_off} << VIRTIO_COPS_F_POWER_OFF;
    const std::uint64_t cores = std::uint64_t{options_.boards && options_.core_alloc}
                                << VIRTIO_COPS_F_CORE_ALLOC;
    const std::uint64_t siblings = std::uint64_t{options_.boards && options_.siblings}
                                   << VIRTIO_COPS_F_SIBLINGS;
    const std::uint64_t wanted = board | user | power_off | cores | siblings;
    if (const int error = mmio_.negotiate(required, wanted, &features_); error != 0) {
        return error;
    }
    if (const int error = mmio_.read_config(&config_); error != 0) {
        return error;
    }
    if (config_.version != VIRTIO_COPS_VERSION) {
        mmio_.fail();
        return -kNotSupported;
    }
    cut_to(options_.control_size, mmio_.queue_max(VIRTIO_COPS_QUEUE_CONTROL));
    cut_to(options_.request_size, mmio_.queue_max(VIRTIO_COPS_QUEUE_REQUEST));
    cut_to(options_.max_segments, config_.max_segments);
    return 0;
}

template <RegisterPort Port>
int Driver<Port>::start(void* memory, std::uint64_t address) {
    const std::size_t offset = control_bytes();
    control_.init(memory, address, options_.control_size);
    requests_.init(
        static_cast<std::byte*>(memory) + offset,
        address + offset,
        options_.request_size,
        options_.max_segments
    );
    if (const int error = mmio_.set_queue(VIRTIO_COPS_QUEUE_CONTROL, control_.addresses());
        error != 0) {
        return error;
    }
    if (const int error = mmio_.set_queue(VIRTIO_COPS_QUEUE_REQUEST, requests_.addresses());
        error != 0) {
        return error;
    }
    return mmio_.start();
}

}  // namespace virtio_cops
