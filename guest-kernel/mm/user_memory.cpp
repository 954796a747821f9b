// SPDX-License-Identifier: Apache-2.0
#include "mm/user_memory.hpp"

#include "mm/frames.hpp"

#include <algorithm>

namespace kernel {

Result<std::size_t> copy_string(AddressSpace& space, std::span<char> out, UserAddr from) {
    std::size_t length = 0;
    while (length < out.size()) {
        const std::size_t in_page = kPageSize - ((from + length) & (kPageSize - 1));
        const std::size_t part = std::min(in_page, out.size() - length);
        if (!space.read(out.data() + length, from + length, part)) {
            return std::unexpected(Errno::fault);
        }
        for (std::size_t i = 0; i < part; ++i) {
            if (out[length + i] == 0) {
                return length + i;
            }
        }
        length += part;
    }
    return std::unexpected(Errno::name_too_long);
}

Result<void> pin_user(
    AddressSpace& space,
    UserAddr address,
    std::uint64_t bytes,
    std::uint32_t access,
    unsigned max_segments,
    PinnedBuffer& out
) {
    out.count = 0;
    out.bytes = 0;
    if (!is_user_range(address, bytes)) {
        return std::unexpected(Errno::fault);
    }
    while (out.bytes < bytes) {
        const UserAddr at = address + out.bytes;
        const std::uint64_t offset = at & (kPageSize - 1);
        const std::uint64_t part = std::min(bytes - out.bytes, kPageSize - offset);
        if (out.count == std::min(max_segments, kMaxSegments)) {
            break;
        }
        const PhysAddr frame = space.pin(at, access);
        if (frame == 0) {
            break;
        }
        virtio_cops::Segment* const last = out.count == 0 ? nullptr : &out.segments[out.count - 1];
        if (last != nullptr && last->address + last->bytes == frame + offset) {
            last->bytes += static_cast<std::uint32_t>(part);  // neighbours in memory too
        } else {
            out.segments[out.count++] = {frame + offset, static_cast<std::uint32_t>(part)};
        }
        out.bytes += part;
    }
    if (out.bytes == 0 && bytes != 0) {
        return std::unexpected(Errno::fault);
    }
    return {};
}

void unpin(std::span<const virtio_cops::Segment> segments) {
    for (const virtio_cops::Segment& segment : segments) {
        const PhysAddr end = segment.address + segment.bytes;
        for (PhysAddr at = page_down(segment.address); at < end; at += kPageSize) {
            frames::unpin(at);
        }
    }
}

}  // namespace kernel
