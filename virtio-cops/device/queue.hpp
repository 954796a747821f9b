// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/ports.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace virtio_cops {

/// Where a split virtqueue lies and how far the device has come with it. Plain data.
struct QueueState {
    std::uint32_t size = 0;  ///< Descriptors, a power of two; 0 = the queue is not in use.
    std::uint64_t desc = 0;  ///< Guest-physical.
    std::uint64_t avail = 0;
    std::uint64_t used = 0;
    std::uint16_t next_avail = 0;  ///< Available entries taken, modulo 2^16.
    std::uint16_t next_used = 0;   ///< Used entries published, modulo 2^16.
};

/// A guest-physical range as a descriptor gave it: not checked.
struct Buffer {
    std::uint64_t address = 0;
    std::uint64_t bytes = 0;
};

/// A descriptor chain, copied out of the ring: each descriptor was read once.
struct Chain {
    std::uint16_t head = 0;
    std::vector<Buffer> readable;  ///< Without empty ones.
    std::vector<Buffer> writable;
};

/// Device side of one split virtqueue. Trusts nothing in it; ring misuse is reported, never
/// followed (SPEC.md section 4).
class Queue {
public:
    /// False: size or addresses can't be used, and the queue stays closed.
    bool open(Memory& memory, const QueueState& state, bool indirect);
    void close() noexcept { state_ = {}; }
    bool is_open() const noexcept { return state_.size != 0; }
    const QueueState& state() const noexcept { return state_; }

    /// Chains that the driver offered and take() has not taken; more than the queue holds means
    /// that the ring is broken.
    std::uint16_t offered() noexcept;
    /// Copies the next offered chain. Null: done; else what is wrong with the ring.
    const char* take(Chain& chain);
    /// Publishes a used entry: everything written before is visible to a driver that sees it.
    void put_used(std::uint16_t head, std::uint32_t written) noexcept;
    /// What the driver's VRING_AVAIL_F_NO_INTERRUPT says.
    bool wants_interrupt() noexcept;

private:
    struct Table;
    const char* follow(Chain& chain, Table table, std::uint32_t index);

    Memory* memory_ = nullptr;
    QueueState state_;
    bool indirect_ = false;
    const std::byte* desc_ = nullptr;
    const std::byte* avail_ = nullptr;
    std::byte* used_ = nullptr;
};

}  // namespace virtio_cops
