// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/device.hpp"
#include "devices/cops/cops_host.hpp"
#include "devices/cops/latency_histogram.hpp"
#include "devices/mmio_device.hpp"
#include "devices/virtio_mmio/virtio_device.hpp"
#include "memory/guest_memory.hpp"

#include <vmm/types.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

namespace vmm {

/// Guest-physical places of the device's shared memory regions.
inline constexpr GuestPhys kCopsHostPage{0x1100'0000};
inline constexpr GuestPhys kCopsDoorbell{0x1101'0000};
inline constexpr std::uint64_t kCopsRegionSize = kPageSize;

/// What the device did at one level.
struct CopsLevelReport {
    virtio_cops::LevelCounters counters;
    Nanos latency_p50 = 0;
    Nanos latency_p99 = 0;
    Nanos last_completion = 0;  ///< Monotonic; 0 = none yet.
};

/// virtio-cops in a machine: locks the device core, gives it guest memory and the host, keeps a
/// mailbox of user interrupts per vCPU and the statistics. The doorbell page is its MmioDevice
/// side.
class CopsDevice final : public VirtioDevice,
                         public MmioDevice,
                         private virtio_cops::Memory,
                         private virtio_cops::Host {
public:
    /// `host_page`: memory of kCopsHostPage, kCopsRegionSize bytes. All references outlive the
    /// device.
    CopsDevice(
        const virtio_cops::DeviceOptions& options,
        std::uint32_t device_id,
        GuestMemory& memory,
        std::span<std::byte> host_page,
        CopsHost& host
    );

    // ---- VirtioDevice ----
    void connect(VirtioTransport& transport) override { transport_ = &transport; }
    std::uint32_t device_id() const override { return device_id_; }
    std::uint64_t device_features() const override { return core_.features(); }
    unsigned queue_count() const override { return VIRTIO_COPS_NUM_QUEUES; }
    std::uint16_t queue_max(unsigned queue) const override { return core_.queue_max(queue); }
    bool accept_features(std::uint64_t features) override;
    void activate(std::uint64_t features, std::span<const VirtioQueue> queues) override;
    void reset() override;
    void notify(unsigned queue) override;
    std::uint32_t config_generation() const override;
    void config_read(std::uint64_t offset, std::span<std::byte> to) override;
    void config_write(std::uint64_t /*offset*/, std::span<const std::byte> /*from*/) override {}
    std::optional<VirtioSharedMemory> shared_memory(std::uint8_t id) const override;
    void save(StateWriter& out) const override;
    Result<void> load(
        StateReader& in,
        std::uint32_t status,
        std::uint64_t features,
        std::span<const VirtioQueue> queues
    ) override;

    // ---- MmioDevice: the doorbell page ----
    bool mmio_read(const MmioAccess& access, std::uint64_t* value) override;
    bool mmio_write(const MmioAccess& access, std::uint64_t value) override;

    // ---- From the I/O engines ----
    void complete(std::uint64_t token, std::int64_t result);
    void complete_stat(std::uint64_t token, const virtio_cops_stat& stat);

    // ---- From the workers ----
    virtio_cops::Claim sample(unsigned vcpu);
    void publish(
        unsigned vcpu,
        Level ring_level,
        Level yield_level,
        std::uint64_t waiting,
        std::uint64_t siblings
    );
    /// CopsHost::cores() has changed.
    void cores_changed();
    /// True when a post waits for the vCPU.
    bool has_post(unsigned vcpu) const noexcept;
    /// Owner of the vCPU, outside the guest. Empties the mailbox. True: raise a user interrupt now.
    bool take_post(unsigned vcpu);

    // ---- Any thread ----
    /// Asks the guest to power off. False: it has no driver that could be asked.
    bool ask_power_off();

    // ---- Quiescing and reports; any thread ----
    /// A paused device takes no requests off its queues.
    void set_paused(bool paused);
    bool idle() const;
    std::size_t in_flight() const;
    std::uint64_t bad_requests() const;
    CopsLevelReport level_report(unsigned level) const;

private:
    bool has_siblings() const;

    // virtio_cops::Memory
    std::byte* writable(std::uint64_t address, std::uint64_t bytes) noexcept override;
    const std::byte* readable(std::uint64_t address, std::uint64_t bytes) noexcept override;
    void note_write(std::uint64_t address, std::uint64_t bytes) noexcept override;

    // virtio_cops::Host
    void start(const virtio_cops::IoOperation& operation) override { host_.start(operation); }
    void cancel(std::uint64_t token) override { host_.cancel(token); }
    void close(virtio_cops::HostHandle handle) override { host_.close(handle); }
    virtio_cops::HostHandle reopen(const virtio_cops::OpenDescription& description) override {
        return host_.reopen(description);
    }
    void post_user_interrupt(unsigned vcpu, std::uint64_t process, Level level) override;
    void raise_used_interrupt(Level level) override;
    void raise_config_interrupt() override;
    void set_needs_reset(const char* why) override;
    void reset_done() override;
    void want_vcpus(std::uint32_t vcpus) override { host_.want_vcpus(vcpus); }
    virtio_cops::Cores cores() override { return host_.cores(); }
    std::uint64_t now_ns() override { return host_.now(); }
    void completed(const virtio_cops::CompletionEvent& event) override;

    const std::uint32_t device_id_;
    const bool boards_;
    GuestMemory& memory_;
    CopsHost& host_;
    VirtioTransport* transport_ = nullptr;

    // Outermost lock of the device; inside it come the transport's interrupt lock, the interrupt
    // controller's and the scheduler's.
    mutable std::mutex mutex_;
    virtio_cops::Device
        core_;  // guarded by mutex_, but features() and queue_max(), which are constant

    struct LevelStatistics {
        LatencyHistogram latency;
        Nanos last_completion = 0;
    };
    std::array<LevelStatistics, kLevels + 1> statistics_;  // guarded by mutex_

    // One word a vCPU: the process whose interrupt is posted, 0 = none. exchange() by the poster
    // (under mutex_) and by the worker that owns the vCPU (without); what either takes out it must
    // deal with.
    std::vector<std::atomic<std::uint64_t>> mailboxes_;
};

/// A saved device as bytes, and back; nothing when the bytes make no sense.
void put_saved_device(StateWriter& out, const virtio_cops::SavedDevice& saved);
std::optional<virtio_cops::SavedDevice> get_saved_device(StateReader& in);

}  // namespace vmm
