// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/ports.hpp"
#include "device/queue.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace virtio_cops {

/// Index that means "no entry".
inline constexpr std::uint16_t kNoIndex = 0xffff;

/// A page that the driver registered: address and host pointer, checked once.
struct GuestPage {
    std::uint64_t address = 0;
    std::byte* host = nullptr;
};

/// A process that the driver attached (SPEC.md section 6).
struct Process {
    std::uint64_t id = 0;  ///< 0 = the index is free.
    bool detaching = false;
    GuestPage page;
    std::uint32_t lines = 0;
    std::vector<GuestPage> heads;
    std::vector<GuestPage> slots;
    std::uint32_t requests = 0;     ///< Taken and not completed.
    std::uint16_t detach_head = 0;  ///< Of the DETACH command that waits.
    std::vector<Buffer> detach_reply;
};

/// A request between its being taken off the queue and its completion. One per ring head.
struct Request {
    enum class State : std::uint8_t { free, pending, started };

    /// As new, but for memory that is worth keeping.
    void renew(std::uint16_t at_head);

    State state = State::free;
    bool has_slot = false;        ///< process, hart and slot were checked.
    bool indexed = false;         ///< To be found by its request id.
    bool counts_process = false;  ///< Counted in Process::requests.
    bool counts_handle = false;   ///< Counted in Handle::requests.
    std::uint16_t head = 0;
    Level level = kNoLevel;
    std::uint64_t token = 0;
    std::uint64_t taken_ns = 0;
    virtio_cops_req header{};
    std::uint32_t process_index = 0;
    std::uint32_t handle_index = 0;
    std::size_t bytes = 0;     ///< Of data.
    std::vector<Buffer> data;  ///< Guest addresses of data; parallel to segments.
    std::vector<IoSegment> segments;
    std::array<Buffer, 16> status{};  ///< Where the 16 bytes of the status go.
    std::uint32_t status_parts = 0;
    std::string path;
    // Links by head: pending list of its level, bucket of its request id.
    std::uint16_t next = kNoIndex;
    std::uint16_t previous = kNoIndex;
    std::uint16_t next_by_id = kNoIndex;
};

/// An open handle.
struct Handle {
    enum class State : std::uint8_t { free, opening, open, closing };

    State state = State::free;
    std::uint32_t generation = 0;  ///< 1..0x7fff once used.
    std::uint32_t requests = 0;    ///< In flight on it.
    HostHandle host = -1;
    OpenDescription description;
};

/// FIFO lists of requests by level, linked through Request::next and previous.
class PendingLists {
public:
    PendingLists() { clear(); }
    void clear();
    bool empty() const noexcept { return levels_ == 0; }
    void push(std::vector<Request>& requests, std::uint16_t head);
    void remove(std::vector<Request>& requests, std::uint16_t head);
    /// The oldest of the most urgent level. Not empty.
    std::uint16_t front() const noexcept;

private:
    std::uint64_t levels_ = 0;  // bit l: lists_[l] is not empty
    struct List {
        std::uint16_t first = kNoIndex;
        std::uint16_t last = kNoIndex;
    };
    std::array<List, kLevels> lists_;
};

}  // namespace virtio_cops
