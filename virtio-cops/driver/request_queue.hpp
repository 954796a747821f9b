// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "driver/split_queue.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace virtio_cops {

/// A piece of guest-physical memory that a request reads or writes.
struct Segment {
    std::uint64_t address = 0;
    std::uint32_t bytes = 0;
};

/// Which way the data of a request goes.
enum class Direction : std::uint8_t {
    to_device,    ///< WRITE, and the path of OPENAT.
    from_device,  ///< READ, GETDENTS, FSTAT.
};

/// A request that the device has completed.
struct RequestDone {
    std::uint64_t request_id = 0;
    std::uint64_t cookie = 0;  ///< As given to submit().
    std::int64_t result = 0;
};

/// Driver side of the request queue: at most size() requests in flight, each in a cell of caller's
/// memory that holds header, status and descriptor table. Not locked.
class RequestQueue {
public:
    /// Bytes that init() needs: the queue and a cell per descriptor. 64-byte aligned.
    static constexpr std::size_t bytes(std::uint16_t size, std::uint16_t max_segments) {
        return cells_offset(size) + size * cell_bytes(max_segments);
    }

    /// `max_segments` data segments fit in a request; not more than the device's limit. What
    /// `memory` holds does not matter.
    void init(void* memory, std::uint64_t address, std::uint16_t size, std::uint16_t max_segments) {
        base_ = static_cast<std::byte*>(memory);
        address_ = address;
        max_segments_ = max_segments;
        in_flight_ = 0;
        unused_ = 0;
        queue_.init(memory, address, size);
    }

    /// Makes a request available; notify the device afterwards if wants_notify(). `header` is
    /// complete but for request_id, which is chosen here and stored to *request_id. 0, -EAGAIN when
    /// size() requests are in flight, -E2BIG when there are too many segments. The data stays
    /// pinned until the request is reaped.
    int submit(
        const virtio_cops_req& header,
        std::span<const Segment> data,
        Direction direction,
        std::uint64_t cookie,
        std::uint64_t* request_id
    );
    /// The next completed request. False: none (or broken()).
    bool reap(RequestDone* done);

    bool wants_notify() const { return queue_.wants_notify(); }
    bool broken() const { return queue_.broken(); }
    std::uint32_t in_flight() const { return in_flight_; }
    std::uint16_t size() const { return queue_.size(); }
    std::uint16_t max_segments() const { return max_segments_; }
    QueueAddresses addresses() const { return queue_.addresses(); }

private:
    // Followed by max_segments + 2 descriptors: the request's indirect table.
    struct alignas(VRING_DESC_ALIGN_SIZE) Cell {
        virtio_cops_req header;
        virtio_cops_req_status status;
        std::uint64_t cookie;
        std::uint64_t generation;  // of the cell's request ids
        bool in_flight;
    };

    static constexpr std::size_t round_up(std::size_t bytes) {
        return (bytes + 63) & ~std::size_t{63};
    }
    static constexpr std::size_t cells_offset(std::uint16_t size) {
        return round_up(SplitQueue::bytes(size));
    }
    static constexpr std::size_t cell_bytes(std::uint16_t max_segments) {
        return round_up(sizeof(Cell) + (max_segments + 2u) * sizeof(vring_desc));
    }
    std::size_t cell_offset(std::uint16_t head) const {
        return cells_offset(queue_.size()) + head * cell_bytes(max_segments_);
    }
    Cell& cell(std::uint16_t head) { return *reinterpret_cast<Cell*>(base_ + cell_offset(head)); }

    SplitQueue queue_;
    std::byte* base_ = nullptr;
    std::uint64_t address_ = 0;
    std::uint16_t max_segments_ = 0;
    // Cells from here on were never used and hold anything: a start that made them all would touch
    // a megabyte. The free list gives heads that are new in ascending order.
    std::uint16_t unused_ = 0;
    std::uint32_t in_flight_ = 0;
};

inline int RequestQueue::submit(
    const virtio_cops_req& header,
    std::span<const Segment> data,
    Direction direction,
    std::uint64_t cookie,
    std::uint64_t* request_id
) {
    if (data.size() > max_segments_) {
        return -kTooBig;
    }
    const int free = queue_.allocate();
    if (free < 0) {
        return -kTryAgain;
    }
    const auto head = static_cast<std::uint16_t>(free);
    Cell& request = cell(head);
    const std::uint64_t at = address_ + cell_offset(head);

    if (head >= unused_) {
        request.generation = 0;
        unused_ = static_cast<std::uint16_t>(head + 1);
    }
    request.header = header;
    request.header.request_id = ++request.generation << 16 | head;
    request.status = {};
    request.cookie = cookie;
    request.in_flight = true;

    auto* const table = reinterpret_cast<vring_desc*>(&request + 1);
    std::uint16_t used = 0;
    const auto append = [&](std::uint64_t address, std::uint32_t bytes, std::uint16_t flags) {
        table[used] = {
            address,
            bytes,
            static_cast<std::uint16_t>(flags | VRING_DESC_F_NEXT),
            static_cast<std::uint16_t>(used + 1),
        };
        ++used;
    };
    append(at + offsetof(Cell, header), sizeof request.header, 0);
    for (const Segment& segment : data) {
        const bool written = direction == Direction::from_device;
        append(segment.address, segment.bytes, written ? VRING_DESC_F_WRITE : 0);
    }
    append(at + offsetof(Cell, status), sizeof request.status, VRING_DESC_F_WRITE);
    table[used - 1].flags = VRING_DESC_F_WRITE;
    table[used - 1].next = 0;

    *request_id = request.header.request_id;
    ++in_flight_;
    queue_.offer(head, at + sizeof(Cell), used);
    return 0;
}

inline bool RequestQueue::reap(RequestDone* done) {
    UsedEntry entry;
    while (queue_.take_used(&entry)) {
        Cell& request = cell(entry.head);
        if (entry.head >= unused_ || !request.in_flight) {
            continue;  // A device that completes twice, or what nobody asked, is not believed.
        }
        request.in_flight = false;
        *done = {
            request.header.request_id,
            request.cookie,
            static_cast<std::int64_t>(request.status.result),
        };
        --in_flight_;
        queue_.release(entry.head);
        return true;
    }
    return false;
}

}  // namespace virtio_cops
