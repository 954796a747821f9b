// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "driver/split_queue.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace virtio_cops {

/// A control command that the device has answered.
struct CommandDone {
    std::uint64_t cookie = 0;
    std::uint32_t command = 0;       ///< VIRTIO_COPS_CTRL_*
    std::uint32_t status = 0;        ///< 0 or a positive errno value.
    virtio_cops_ctrl_grant grant{};  ///< Reply of GET_GRANT.
};

/// A process as ATTACH_PROCESS registers it: page addresses are guest-physical.
struct ProcessPages {
    std::uint64_t process = 0;  ///< VIRTIO_COPS_PROCESS(index, generation)
    std::uint64_t page = 0;
    std::uint32_t lines = 0;
    std::span<const std::uint64_t> heads;
    std::span<const std::uint64_t> slots;
};

/// Driver side of the control queue: at most size() commands in flight, in cells of caller's
/// memory. Every command returns 0 or -EAGAIN (no cell is free); notify the device afterwards if
/// wants_notify(), and reap() the answer. Not locked.
class ControlQueue {
public:
    static constexpr std::size_t kMaxPages = 120;  ///< Of heads and slots in one ATTACH_PROCESS.

    /// Bytes that init() needs. 64-byte aligned.
    static constexpr std::size_t bytes(std::uint16_t size) {
        return cells_offset(size) + size * sizeof(Cell);
    }
    /// What `memory` holds does not matter.
    void init(void* memory, std::uint64_t address, std::uint16_t size) {
        base_ = static_cast<std::byte*>(memory);
        address_ = address;
        unused_ = 0;
        queue_.init(memory, address, size);
    }

    /// `board` is guest-physical; 0 withdraws the vCPU's board.
    int set_board(std::uint32_t vcpu, std::uint64_t board, std::uint64_t cookie) {
        const virtio_cops_ctrl_set_board payload{vcpu, sizeof(virtio_cops_board), board};
        return send(VIRTIO_COPS_CTRL_SET_BOARD, &payload, sizeof payload, cookie);
    }
    /// -E2BIG with more than kMaxPages pages.
    int attach(const ProcessPages& pages, std::uint64_t cookie);
    /// Answered when no request of the process is left.
    int detach(std::uint64_t process, std::uint64_t cookie) {
        const virtio_cops_ctrl_detach_process payload{process};
        return send(VIRTIO_COPS_CTRL_DETACH_PROCESS, &payload, sizeof payload, cookie);
    }
    int cancel(std::uint64_t request_id, std::uint64_t cookie) {
        const virtio_cops_ctrl_cancel payload{request_id};
        return send(VIRTIO_COPS_CTRL_CANCEL, &payload, sizeof payload, cookie);
    }
    int set_level(std::uint64_t request_id, std::uint32_t level, std::uint64_t cookie) {
        const virtio_cops_ctrl_set_level payload{request_id, level, 0};
        return send(VIRTIO_COPS_CTRL_SET_LEVEL, &payload, sizeof payload, cookie);
    }
    /// The guest wants `vcpus` in all; what it may run is in the host lines by the answer.
    int alloc_cpu(std::uint32_t vcpus, std::uint64_t cookie) {
        const virtio_cops_ctrl_alloc_cpu payload{vcpus, 0};
        return send(VIRTIO_COPS_CTRL_ALLOC_CPU, &payload, sizeof payload, cookie);
    }
    int get_grant(std::uint32_t index, std::uint64_t cookie) {
        const virtio_cops_ctrl_get_grant payload{index, 0};
        return send(VIRTIO_COPS_CTRL_GET_GRANT, &payload, sizeof payload, cookie);
    }

    /// The next answered command. False: none (or broken()).
    bool reap(CommandDone* done);

    bool wants_notify() const { return queue_.wants_notify(); }
    bool broken() const { return queue_.broken(); }
    std::uint16_t size() const { return queue_.size(); }
    QueueAddresses addresses() const { return queue_.addresses(); }

private:
    static constexpr std::size_t kPayloadBytes =
        sizeof(virtio_cops_ctrl_attach_process) + kMaxPages * 8;

    struct alignas(64) Cell {
        vring_desc table[2];
        virtio_cops_ctrl_hdr header;  // and the payload, in one piece
        alignas(8) std::byte payload[kPayloadBytes];
        virtio_cops_ctrl_status status;  // and the reply, in one piece
        alignas(8) std::byte reply[sizeof(virtio_cops_ctrl_grant)];
        std::uint64_t cookie;
        bool in_flight;
    };

    static constexpr std::size_t cells_offset(std::uint16_t size) {
        return (SplitQueue::bytes(size) + 63) & ~std::size_t{63};
    }
    Cell& cell(std::uint16_t head) {
        return reinterpret_cast<Cell*>(base_ + cells_offset(queue_.size()))[head];
    }

    int
    send(std::uint32_t command, const void* payload, std::uint32_t bytes, std::uint64_t cookie) {
        const int head = queue_.allocate();
        if (head < 0) {
            return -kTryAgain;
        }
        __builtin_memcpy(cell(static_cast<std::uint16_t>(head)).payload, payload, bytes);
        offer(static_cast<std::uint16_t>(head), command, bytes, cookie);
        return 0;
    }
    void offer(
        std::uint16_t head, std::uint32_t command, std::uint32_t payload_bytes, std::uint64_t cookie
    );

    SplitQueue queue_;
    std::byte* base_ = nullptr;
    std::uint64_t address_ = 0;
    // Cells from here on were never used and hold anything; see RequestQueue.
    std::uint16_t unused_ = 0;
};

inline int ControlQueue::attach(const ProcessPages& pages, std::uint64_t cookie) {
    if (pages.heads.size() + pages.slots.size() > kMaxPages) {
        return -kTooBig;
    }
    const int free = queue_.allocate();
    if (free < 0) {
        return -kTryAgain;
    }
    const auto head = static_cast<std::uint16_t>(free);
    const virtio_cops_ctrl_attach_process payload{
        .process = pages.process,
        .page = pages.page,
        .lines = pages.lines,
        .heads_pages = static_cast<std::uint32_t>(pages.heads.size()),
        .slot_pages = static_cast<std::uint32_t>(pages.slots.size()),
        .reserved = 0,
    };
    std::byte* to = cell(head).payload;
    const auto append = [&to](const void* from, std::size_t bytes) {
        __builtin_memcpy(to, from, bytes);
        to += bytes;
    };
    append(&payload, sizeof payload);
    append(pages.heads.data(), pages.heads.size_bytes());
    append(pages.slots.data(), pages.slots.size_bytes());
    const auto bytes = static_cast<std::uint32_t>(to - cell(head).payload);
    offer(head, VIRTIO_COPS_CTRL_ATTACH_PROCESS, bytes, cookie);
    return 0;
}

inline void ControlQueue::offer(
    std::uint16_t head, std::uint32_t command, std::uint32_t payload_bytes, std::uint64_t cookie
) {
    static_assert(offsetof(Cell, payload) == offsetof(Cell, header) + sizeof(virtio_cops_ctrl_hdr));
    static_assert(
        offsetof(Cell, reply) == offsetof(Cell, status) + sizeof(virtio_cops_ctrl_status)
    );
    Cell& request = cell(head);
    const std::uint64_t at = address_ + cells_offset(queue_.size()) + head * sizeof(Cell);
    const std::uint32_t reply_bytes =
        command == VIRTIO_COPS_CTRL_GET_GRANT ? sizeof(virtio_cops_ctrl_grant) : 0;
    unused_ = head >= unused_ ? static_cast<std::uint16_t>(head + 1) : unused_;
    request.header = {command, 0};
    request.status = {};
    request.cookie = cookie;
    request.in_flight = true;
    request.table[0] = {
        at + offsetof(Cell, header),
        static_cast<std::uint32_t>(sizeof request.header) + payload_bytes,
        VRING_DESC_F_NEXT,
        1,
    };
    request.table[1] = {
        at + offsetof(Cell, status),
        static_cast<std::uint32_t>(sizeof request.status) + reply_bytes,
        VRING_DESC_F_WRITE,
        0,
    };
    queue_.offer(head, at + offsetof(Cell, table), 2);
}

inline bool ControlQueue::reap(CommandDone* done) {
    UsedEntry entry;
    while (queue_.take_used(&entry)) {
        Cell& request = cell(entry.head);
        if (entry.head >= unused_ || !request.in_flight) {
            continue;
        }
        request.in_flight = false;
        done->cookie = request.cookie;
        done->command = request.header.command;
        done->status = request.status.status;
        __builtin_memcpy(&done->grant, request.reply, sizeof done->grant);
        queue_.release(entry.head);
        return true;
    }
    return false;
}

}  // namespace virtio_cops
