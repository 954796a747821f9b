// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/interrupt_controller.hpp"
#include "devices/mmio_device.hpp"
#include "devices/virtio_mmio/virtio_device.hpp"

#include <vmm/error.hpp>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

namespace vmm {

/// The virtio-mmio transport, version 2 (virtio 1.2, 4.2): registers at 0x000..0x0ff, 32 bits wide
/// only, and the device's configuration space from 0x100.
///
/// Locks, outermost first: registers_ (status writes, queue set-up; held while the device's
/// activate() and reset() run), the device's own, interrupt_ (interrupt status and the line). The
/// device's calls back into the transport take interrupt_ only.
class VirtioMmio final : public MmioDevice, public VirtioTransport {
public:
    static constexpr std::uint64_t kSize = 0x1000;

    VirtioMmio(VirtioDevice& device, IrqLine irq);

    bool mmio_read(const MmioAccess& access, std::uint64_t* value) override;
    bool mmio_write(const MmioAccess& access, std::uint64_t value) override;

    void raise_used_interrupt() override;
    void raise_config_interrupt() override;
    void set_needs_reset() override;
    void reset_done() override;

    /// Begins a reset as the driver would. It has ended when idle() is true.
    void begin_reset();
    /// True when no reset is under way.
    bool idle() const noexcept { return !resetting_.load(std::memory_order_acquire); }

    void save(StateWriter& out) const;
    Result<void> load(StateReader& in);

private:
    std::uint32_t read_register(std::uint64_t offset);
    void write_register(std::uint64_t offset, std::uint32_t value);
    void write_status(std::uint32_t value);
    void write_queue_register(std::uint64_t offset, std::uint32_t value);
    void activate();
    void publish_queues();
    void start_reset();
    void raise(std::uint32_t cause);
    void acknowledge(std::uint32_t causes);
    bool is_status(std::uint32_t bit) const noexcept;

    VirtioDevice& device_;
    IrqLine irq_;

    mutable std::mutex registers_;
    std::uint32_t device_features_sel_ = 0;
    std::uint32_t driver_features_sel_ = 0;
    std::uint64_t driver_features_ = 0;
    std::uint32_t queue_sel_ = 0;
    std::uint32_t shm_sel_ = 0;
    std::vector<VirtioQueue> queues_;

    // Written under registers_, except that the device adds DEVICE_NEEDS_RESET (set_needs_reset)
    // and that reset_done() clears it; read without a lock.
    std::atomic<std::uint32_t> status_{0};
    // Set by start_reset() under registers_; cleared by reset_done(), release, after status_ and
    // the interrupt are clear. Pairs with the acquire loads in idle() and the register accesses.
    std::atomic<bool> resetting_{false};

    // Bit q: the device is active and queue q ready. Release after activate(); pairs with the
    // acquire load on a notification.
    std::atomic<std::uint64_t> active_queues_{0};

    mutable std::mutex interrupt_;
    std::uint32_t interrupt_status_ = 0;
};

}  // namespace vmm
