// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/device.hpp"
#include "driver/driver.hpp"
#include "driver/shared_words.hpp"

#include <virtio/virtio_config.h>
#include <virtio/virtio_mmio.h>
#include <virtio/virtio_ring.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace virtio_cops::test {

inline constexpr std::uint64_t kRamBase = 0x8000'0000;
inline constexpr std::uint64_t kPageBytes = 4096;
/// Readable, not writable by the guest: where the machine would map the host page.
inline constexpr std::uint64_t kHostPageBase = 0x1100'0000;

/// Guest memory: RAM and the host page over two arrays.
class GuestRam final : public Memory {
public:
    explicit GuestRam(std::size_t bytes);
    std::byte* writable(std::uint64_t address, std::uint64_t bytes) noexcept override;
    const std::byte* readable(std::uint64_t address, std::uint64_t bytes) noexcept override;
    void note_write(std::uint64_t address, std::uint64_t bytes) noexcept override;

    /// A fresh, zeroed piece of RAM.
    std::uint64_t allocate(std::size_t bytes, std::size_t alignment = kPageBytes);
    template <class T>
    T& at(std::uint64_t address) {
        return *reinterpret_cast<T*>(ram_.get() + (address - kRamBase));
    }
    std::span<std::byte> host_page() { return {page_.get(), kPageBytes}; }
    std::vector<std::byte> snapshot() const { return {ram_.get(), ram_.get() + bytes_}; }
    std::size_t bytes() const { return bytes_; }

    struct Write {
        std::uint64_t address;
        std::uint64_t bytes;
    };
    std::vector<Write> writes;  ///< As noted, in order.
    std::function<void(std::uint64_t address)> on_write;

private:
    struct Free {
        void operator()(std::byte* at) const { std::free(at); }
    };
    std::size_t bytes_;
    std::size_t used_ = 0;
    std::unique_ptr<std::byte[], Free> ram_;
    std::unique_ptr<std::byte[], Free> page_;
};

/// A host that starts operations and completes them when the test says so.
class FakeHost final : public Host {
public:
    struct Operation {
        std::uint64_t token = 0;
        std::uint16_t opcode = 0;
        Level level = 0;
        HostHandle handle = -1;
        std::uint64_t offset = 0;
        std::vector<IoSegment> segments;
        std::size_t bytes = 0;
        std::uint32_t grant = 0;
        std::string path;
        std::uint32_t open_flags = 0;
        std::uint32_t mode = 0;
    };
    struct Post {
        unsigned vcpu;
        std::uint64_t process;
        Level level;
    };

    void start(const IoOperation& operation) override;
    void cancel(std::uint64_t token) override { cancelled.push_back(token); }
    void close(HostHandle handle) override { closed.push_back(handle); }
    HostHandle reopen(const OpenDescription& description) override;
    void post_user_interrupt(unsigned vcpu, std::uint64_t process, Level level) override {
        posts.push_back({vcpu, process, level});
    }
    void raise_used_interrupt(Level level) override { interrupts.push_back(level); }
    void raise_config_interrupt() override { ++config_interrupts; }
    void set_needs_reset(const char* why) override;
    void reset_done() override;
    void want_vcpus(std::uint32_t vcpus) override {
        wanted.push_back(vcpus);
        if (on_want) {
            on_want(vcpus);
        }
    }
    Cores cores() override { return core_sets; }
    std::uint64_t now_ns() override { return ++clock; }
    void completed(const CompletionEvent& event) override { events.push_back(event); }

    bool was_cancelled(std::uint64_t token) const {
        return std::ranges::find(cancelled, token) != cancelled.end();
    }

    std::deque<Operation> started;  ///< In order, without those that were completed by the rig.
    std::vector<std::uint64_t> cancelled;
    std::vector<HostHandle> closed;
    std::vector<OpenDescription> reopened;
    HostHandle reopen_result = 500;
    std::vector<Post> posts;
    std::vector<Level> interrupts;
    unsigned config_interrupts = 0;
    Cores core_sets;
    std::vector<std::uint32_t> wanted;  ///< What the guest asked for, in order.
    std::function<void(std::uint32_t vcpus)> on_want;
    std::vector<CompletionEvent> events;
    std::uint64_t clock = 0;
    std::function<void(const char* why)> on_needs_reset;
    std::function<void()> on_reset_done;
};

/// The registers of virtio-mmio version 2 in front of a device: as little as the driver can see.
class Registers {
public:
    Registers(Device& device, FakeHost& host);
    std::uint32_t read32(std::uint32_t offset);
    void write32(std::uint32_t offset, std::uint32_t value);

    std::uint32_t magic = VIRTIO_MMIO_MAGIC;
    std::uint32_t version = VIRTIO_MMIO_CURRENT_VERSION;
    std::uint32_t device_id = VIRTIO_ID_COPS;
    std::uint64_t hidden_features = 0;  ///< Offered by the device, not shown.
    std::uint32_t config_version = VIRTIO_COPS_VERSION;
    std::uint32_t status = 0;
    std::string why_needs_reset;
    std::vector<std::uint32_t> touched;  ///< Offsets, reads and writes, in order.
    std::uint64_t notifications = 0;

private:
    void write_status(std::uint32_t value);

    Device& device_;
    std::uint32_t device_features_sel_ = 0;
    std::uint32_t driver_features_sel_ = 0;
    std::uint64_t driver_features_ = 0;
    std::uint32_t queue_sel_ = 0;
    std::uint32_t shm_sel_ = 0;
    std::array<QueueState, VIRTIO_COPS_NUM_QUEUES> queues_{};
    std::array<bool, VIRTIO_COPS_NUM_QUEUES> ready_{};
};

struct Port {
    Registers* registers;
    std::uint32_t read32(std::uint32_t offset) { return registers->read32(offset); }
    void write32(std::uint32_t offset, std::uint32_t value) { registers->write32(offset, value); }
};

/// Writes descriptors and offers chains without the manners of the driver core.
class RawQueue {
public:
    RawQueue(GuestRam& ram, const QueueAddresses& where);
    vring_desc& desc(std::uint16_t index);
    /// Puts `head` into the available ring.
    void offer(std::uint16_t head);
    void set_available(std::uint16_t index);
    std::uint16_t available() const;
    std::uint16_t used() const;
    vring_used_elem used_entry(std::uint16_t index) const;
    void suppress_interrupts(bool suppress);

private:
    GuestRam* ram_;
    QueueAddresses where_;
};

/// A process in guest memory.
struct TestProcess {
    std::uint64_t id = 0;
    std::uint64_t page = 0;
    std::uint32_t lines = 1;
    std::vector<std::uint64_t> heads;
    std::vector<std::uint64_t> slots;
};

struct RigOptions {
    DeviceOptions device{
        .num_vcpus = 2,
        .max_processes = 4,
        .max_slots = 2048,
        .grants = {{"file", false, false}, {"dir", true, true}, {"ro", true, false}},
    };
    DriverOptions driver;
    std::size_t ram_bytes = 8u << 20;
};

/// Driver core and device core back to back over a byte array.
class Rig {
public:
    explicit Rig(RigOptions options = {});

    /// Probes, negotiates and starts; expects success.
    void boot();
    /// A board for `vcpu`, set.
    virtio_cops_board& set_board(std::uint32_t vcpu = 0);
    /// Allocates and attaches; expects success.
    TestProcess
    attach(std::uint32_t index = 0, std::uint32_t generation = 1, std::uint32_t lines = 2);
    TestProcess make_process(std::uint32_t index, std::uint32_t generation, std::uint32_t lines);
    static ProcessPages pages(const TestProcess& process);
    virtio_cops_line& line(const TestProcess& process, unsigned hart = 0);
    virtio_cops_heads& heads(const TestProcess& process, unsigned hart = 0);
    virtio_cops_slot& slot(const TestProcess& process, std::uint32_t index);
    virtio_cops_host_line& host_line(unsigned vcpu);

    /// Sends the command that `send` made on driver.control() and returns its status.
    std::uint32_t command(int sent);
    /// Sends a raw control message; nullopt: it has no answer (yet).
    std::optional<std::uint32_t>
    raw_command(std::span<const std::byte> readable, std::uint32_t writable = 8);
    template <class T>
    std::optional<std::uint32_t> raw_command(std::uint32_t code, const T& payload) {
        std::vector<std::byte> bytes(sizeof(virtio_cops_ctrl_hdr) + sizeof payload);
        const virtio_cops_ctrl_hdr header{code, 0};
        std::memcpy(bytes.data(), &header, sizeof header);
        std::memcpy(bytes.data() + sizeof header, &payload, sizeof payload);
        return raw_command(bytes);
    }

    /// Submits and notifies; the request's id.
    std::uint64_t submit(
        const virtio_cops_req& header,
        std::span<const Segment> data = {},
        Direction direction = Direction::from_device
    );
    /// A request header with sane fields.
    static virtio_cops_req request(std::uint16_t opcode, std::uint32_t level = 10);
    static virtio_cops_req slot_request(
        const TestProcess& process,
        std::uint16_t opcode,
        std::uint32_t slot,
        std::uint32_t level = 10
    );
    /// Opens something in grant 1; the handle.
    std::uint32_t open_handle(HostHandle host = 77, std::uint32_t open_flags = 2 /* O_RDWR */);
    /// Submits and expects it to be answered at once: its result.
    std::int64_t submit_now(
        const virtio_cops_req& header,
        std::span<const Segment> data = {},
        Direction direction = Direction::from_device
    );
    /// Bytes in guest memory, as a segment.
    Segment text(std::string_view text);
    Segment buffer(std::uint32_t bytes);

    /// Takes the `index`-th started operation out of the host's hands.
    FakeHost::Operation take_started(std::size_t index = 0);
    /// Completes the oldest started operation.
    void complete_next(std::int64_t result);
    /// All that the driver can reap now.
    std::vector<RequestDone> reap();
    std::optional<RequestDone> reap_one();
    /// Finds the answer among control completions; nullopt: not there yet.
    std::optional<CommandDone> reap_command();

    RawQueue raw_requests() { return {ram, driver.requests().addresses()}; }
    RawQueue raw_control() { return {ram, driver.control().addresses()}; }
    void notify(std::uint32_t queue) { registers.write32(VIRTIO_MMIO_QUEUE_NOTIFY, queue); }
    bool needs_reset() const { return (registers.status & VIRTIO_CONFIG_S_NEEDS_RESET) != 0; }

    GuestRam ram;
    FakeHost host;
    Device device;
    Registers registers;
    Driver<Port> driver;
};

inline std::int64_t signed_result(const virtio_cops_slot& slot) {
    return static_cast<std::int64_t>(slot.result);
}

}  // namespace virtio_cops::test
