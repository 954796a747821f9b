// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/device.hpp"

#include <virtio/virtio_config.h>
#include <virtio/virtio_ring.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <set>
#include <span>
#include <vector>

namespace virtio_cops::fuzz {

/// An invariant of the device that must hold whatever the guest does.
inline void require(bool held) {
    if (!held) {
        __builtin_trap();
    }
}

/// Fuzz input as a stream of values; zeros when it is used up.
class Input {
public:
    Input(const std::uint8_t* data, std::size_t size)
        : rest_(data, size) {}
    bool empty() const { return rest_.empty(); }
    template <class T>
    T take() {
        T value{};
        const std::size_t count = std::min(sizeof value, rest_.size());
        std::memcpy(&value, rest_.data(), count);
        rest_ = rest_.subspan(count);
        return value;
    }
    std::span<const std::uint8_t> take_bytes(std::size_t count) {
        const auto bytes = rest_.first(std::min(count, rest_.size()));
        rest_ = rest_.subspan(bytes.size());
        return bytes;
    }

private:
    std::span<const std::uint8_t> rest_;
};

/// 64 KiB of guest memory in an allocation of its own, so that ASan sees an access beside it.
class Ram final : public Memory {
public:
    static constexpr std::uint64_t kBase = 0x8000'0000;
    static constexpr std::size_t kBytes = 16 * 4096;

    Ram()
        : bytes_(static_cast<std::byte*>(std::aligned_alloc(4096, kBytes))) {
        std::memset(bytes_.get(), 0, kBytes);
    }
    std::byte* writable(std::uint64_t address, std::uint64_t bytes) noexcept override {
        require(bytes != 0);
        const std::uint64_t offset = address - kBase;
        const bool inside = address >= kBase && offset < kBytes && bytes <= kBytes - offset;
        return inside ? bytes_.get() + offset : nullptr;
    }
    const std::byte* readable(std::uint64_t address, std::uint64_t bytes) noexcept override {
        return writable(address, bytes);
    }
    void note_write(std::uint64_t address, std::uint64_t bytes) noexcept override {
        require(writable(address, bytes) != nullptr);
        require(!frozen);
    }
    template <class T>
    void put(std::uint64_t offset, const T& value) {
        if (offset <= kBytes - sizeof value) {
            std::memcpy(bytes_.get() + offset, &value, sizeof value);
        }
    }
    std::uint16_t get16(std::uint64_t offset) const {
        std::uint16_t value = 0;
        std::memcpy(&value, bytes_.get() + offset, sizeof value);
        return value;
    }

    bool frozen = false;  ///< After a reset: the device may not write.

private:
    struct Free {
        void operator()(std::byte* at) const { std::free(at); }
    };
    std::unique_ptr<std::byte[], Free> bytes_;
};

/// A host that keeps operations until it is told to complete them.
class FuzzHost final : public Host {
public:
    void start(const IoOperation& operation) override {
        require(tokens.insert(operation.token).second);
        require(operation.level < kLevels);
        require(operation.segments.size() <= 8);
        if (operation.opcode == VIRTIO_COPS_OP_OPENAT) {
            require(operation.grant < 2 && std::strlen(operation.path) <= 4095);
        } else if (operation.opcode != VIRTIO_COPS_OP_NANOSLEEP) {
            require(open.contains(operation.handle));
        }
        for (const IoSegment& segment : operation.segments) {
            if (operation.opcode != VIRTIO_COPS_OP_WRITE) {
                std::memset(segment.data, 0x5a, segment.bytes);
            }
            checksum += std::to_integer<unsigned>(segment.data[segment.bytes - 1]);
        }
        started.push_back({operation.token, operation.opcode});
    }
    void cancel(std::uint64_t token) override { require(tokens.contains(token)); }
    void close(HostHandle handle) override { require(open.erase(handle) == 1); }
    HostHandle reopen(const OpenDescription&) override { return -ENOENT; }
    void post_user_interrupt(unsigned vcpu, std::uint64_t, Level level) override {
        require(vcpu < 2 && level < kLevels);
    }
    void raise_used_interrupt(Level) override {}
    void raise_config_interrupt() override {}
    void set_needs_reset(const char* why) override {
        require(why != nullptr && !needs_reset);
        needs_reset = true;
    }
    void reset_done() override { resetting = false; }
    std::uint64_t now_ns() override { return ++clock; }
    void completed(const CompletionEvent& event) override { require(event.latency_ns != 0); }

    struct Operation {
        std::uint64_t token;
        std::uint16_t opcode;
    };
    std::deque<Operation> started;
    std::set<std::uint64_t> tokens;  ///< Of all operations that were ever started.
    std::set<HostHandle> open;
    HostHandle next_handle = 1;
    bool needs_reset = false;
    bool resetting = false;
    std::uint64_t clock = 0;
    unsigned checksum = 0;
};

/// A device with two small queues in its memory, at places that the fuzzers know.
struct Machine {
    static constexpr std::uint32_t kControlSize = 8;
    static constexpr std::uint32_t kRequestSize = 16;
    static constexpr std::uint64_t kQueues = 0;      // queue q: desc at q * 0x800, ...
    static constexpr std::uint64_t kProcess = 4096;  // page, heads, slots of process 1:0
    static constexpr std::uint64_t kBoard = 0x4000;
    static constexpr std::uint64_t kScratch = 0x5000;  // the rest is the driver's

    Machine()
        : device(options(), ram, host, {}) {
        activate();
    }
    ~Machine() {
        reset();
        require(device.idle() && device.in_flight() == 0);
        require(host.open.empty());
    }
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    static DeviceOptions options() {
        return {
            .num_vcpus = 2,
            .max_processes = 2,
            .max_slots = 128,
            .max_in_flight = 4,
            .max_segments = 8,
            .max_handles = 3,
            .boards = true,
            .user_interrupts = true,
            .grants = {{"a", true, true}, {"b", false, false}},
        };
    }
    static constexpr std::uint64_t desc(unsigned queue) { return kQueues + queue * 0x800; }
    static constexpr std::uint64_t avail(unsigned queue) { return desc(queue) + 0x400; }
    static constexpr std::uint64_t used(unsigned queue) { return desc(queue) + 0x600; }

    void activate() {
        for (unsigned queue = 0; queue < 2; ++queue) {
            ram.put<std::uint32_t>(avail(queue), 0);
            ram.put<std::uint32_t>(used(queue), 0);
        }
        const auto state = [](unsigned queue, std::uint32_t size) {
            return QueueState{
                size,
                Ram::kBase + desc(queue),
                Ram::kBase + avail(queue),
                Ram::kBase + used(queue),
                0,
                0,
            };
        };
        available = {};
        device.activate(
            device.features(), std::array{state(0, kControlSize), state(1, kRequestSize)}
        );
        require(!host.needs_reset);
    }
    void offer(unsigned queue, std::uint16_t head) {
        const std::uint32_t size = queue == 0 ? kControlSize : kRequestSize;
        ram.put(avail(queue) + 4 + 2 * (available[queue] & (size - 1)), head);
        ram.put(avail(queue) + 2, ++available[queue]);
    }
    /// Completes the index-th operation under way.
    void complete(std::size_t index, std::int64_t result) {
        if (host.started.empty()) {
            return;
        }
        index %= host.started.size();
        const FuzzHost::Operation operation = host.started[index];
        host.started.erase(host.started.begin() + static_cast<std::ptrdiff_t>(index));
        if (operation.opcode == VIRTIO_COPS_OP_OPENAT && result >= 0) {
            result = host.next_handle++;
            host.open.insert(result);
        }
        if (operation.opcode == VIRTIO_COPS_OP_FSTAT && result >= 0) {
            device.complete_stat(operation.token, {});
        } else {
            device.complete(operation.token, result);
        }
        // A second report must change nothing.
        const std::size_t in_flight = device.in_flight();
        device.complete(operation.token, result);
        require(device.in_flight() == in_flight);
    }
    void reset() {
        host.resetting = true;
        host.needs_reset = false;
        const bool done = device.reset();
        ram.frozen = true;
        require(done == host.started.empty());
        while (!host.started.empty()) {
            require(host.resetting);
            complete(0, host.started.size() % 2 == 0 ? 0 : -ECANCELED);
        }
        require(done || !host.resetting);
        require(host.open.empty());
        ram.frozen = false;
    }
    void check() {
        require(device.in_flight() == host.started.size());
        require(device.in_flight() <= 4);
        for (unsigned vcpu = 0; vcpu < 3; ++vcpu) {
            const Claim claim = device.sample(vcpu);
            require(claim.level <= kNoLevel && claim.running <= kNoLevel);
            require(claim.present || claim.level == kNoLevel);
        }
    }

    Ram ram;
    FuzzHost host;
    Device device;
    std::array<std::uint16_t, 2> available{};
};

}  // namespace virtio_cops::fuzz
