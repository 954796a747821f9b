// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/dbt/ir/ir.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

/// From guest code to intermediate representation.
namespace vmm::dbt {

inline constexpr unsigned kPageBytes = 4096;
/// Where an instruction that crosses into the next page begins.
inline constexpr unsigned kCrossingOffset = kPageBytes - 2;

/// The code to translate: one guest page, whose bytes the caller has copied once.
struct Source {
    std::span<const std::byte, kPageBytes> page;
    /// The instruction at kCrossingOffset when it is a long one; its second half is in the next
    /// page. With has_crossing, only that offset may be asked for, and the region is that
    /// instruction; without, it may not be asked for when a long instruction begins there.
    std::uint32_t crossing_word = 0;
    bool has_crossing = false;
    /// Page offsets before which a debugger wants to stop, sorted.
    std::span<const std::uint16_t> breakpoints = {};
    /// Not 0: leave (Hint::counted) after this many instructions, unless something else ends the
    /// region before; it has one block then, and no jump inside.
    unsigned stop_after = 0;
};

/// How large a region may become. One block: the straight way from the entry up to the first jump
/// that is always taken. More: blocks found breadth first over direct jumps within the page.
struct Limits {
    unsigned blocks = 1;
    unsigned instructions = 64;
};

/// Translates what begins at `entry_offset` (even, below the page's end). Never fails: what has no
/// meaning becomes ir::Op::system. `out` is overwritten, its memory used again.
void build_region(
    const Source& source,
    std::uint16_t entry_offset,
    ir::Mode mode,
    const Limits& limits,
    ir::Region& out
);

}  // namespace vmm::dbt
