// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/types.hpp"

#include <cstddef>
#include <cstdint>

/// Physical memory: a buddy allocator of blocks of 2^order frames. A frame lives while it has
/// references; one that a device may write has a reference for that too (a pin), so it can't be
/// reused before the device is done, whatever happens to the mappings.
namespace kernel::frames {

inline constexpr unsigned kOrders = 11;  ///< Largest block 4 MiB.

/// Frame map for [ram_start, ram_end), at `map`. Every frame must then be reserved or added, in
/// ranges of whole frames of which no two added ones touch. Boot only.
void init(PhysAddr ram_start, PhysAddr ram_end, PhysAddr map);
/// Bytes of the frame map for so much RAM.
std::size_t map_bytes(PhysAddr ram_start, PhysAddr ram_end);
/// These frames are never given out.
void reserve(PhysAddr start, PhysAddr end);
/// These frames are free.
void add(PhysAddr start, PhysAddr end);

/// A block of 2^order frames with one reference on its first; 0 when memory is short.
PhysAddr allocate(unsigned order = 0);
/// One frame of zeroes; 0 when memory is short.
PhysAddr allocate_zeroed();
/// One frame for a user page, which the caller fills to the last byte: it holds what its last user
/// left. Leaves a reserve to the kernel.
PhysAddr allocate_for_user();
/// The same of zeroes, for page tables of user addresses.
PhysAddr allocate_zeroed_for_user();
/// Only that reserve is left.
bool are_scarce();

/// False for addresses that are not frames of ours (devices).
bool is_frame(PhysAddr address);
void retain(PhysAddr frame);
/// Gives a reference back; the block is free when none is left.
void release(PhysAddr frame);
/// A reference held because a device reads or writes the frame.
void pin(PhysAddr frame);
void unpin(PhysAddr frame);

std::uint64_t total();
std::uint64_t available();
std::uint64_t pinned();

/// For the heap: what a block is used for (its size class), kept with its first frame.
void set_tag(PhysAddr frame, std::uint32_t tag);
std::uint32_t tag(PhysAddr address);
/// Order of the block that begins at `frame`.
unsigned order_of(PhysAddr frame);

}  // namespace kernel::frames
