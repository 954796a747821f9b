// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "driver/request_queue.hpp"
#include "mm/address_space.hpp"

#include <virtio_cops/virtio_cops.h>

#include <cstddef>
#include <span>

namespace kernel {

/// A structure from user memory, copied once.
template <typename T>
bool copy_in(AddressSpace& space, T& to, UserAddr from) {
    return space.read(&to, from, sizeof(T));
}
template <typename T>
bool copy_out(AddressSpace& space, UserAddr to, const T& from) {
    return space.write(to, &from, sizeof(T));
}

/// A NUL-terminated string of at most out.size() - 1 bytes; its length. fault or name_too_long.
Result<std::size_t> copy_string(AddressSpace& space, std::span<char> out, UserAddr from);

/// Could be memory of a process, mapped or not.
constexpr bool is_user_range(UserAddr address, std::uint64_t bytes) {
    return address <= kUserEnd && bytes <= kUserEnd - address;
}

inline constexpr unsigned kMaxSegments = 64;

/// User memory that a device may reach: pinned from pin_user() to unpin().
struct PinnedBuffer {
    virtio_cops::Segment segments[kMaxSegments];
    unsigned count = 0;
    std::uint64_t bytes = 0;
};

/// Pins [address, address + bytes), or as much of it as fits `max_segments` pages (a short
/// transfer). fault when the first page isn't the process's; a later bad page makes it shorter.
Result<void> pin_user(
    AddressSpace& space,
    UserAddr address,
    std::uint64_t bytes,
    std::uint32_t access,
    unsigned max_segments,
    PinnedBuffer& out
);
void unpin(std::span<const virtio_cops::Segment> segments);

}  // namespace kernel
