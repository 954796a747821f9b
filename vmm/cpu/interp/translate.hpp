// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/interp/insn.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace vmm::interp {

/// Most guest instructions in one block; Insn::index has to hold it.
inline constexpr std::size_t kMaxBlockInsns = 96;

/// Where decoding ends even though the code goes on.
struct BlockLimits {
    std::size_t instructions = kMaxBlockInsns;
    /// Page offsets before which a block ends in op_breakpoint; ascending.
    std::span<const std::uint16_t> stops;
};

/// Decodes the instructions from block.offset on into the Insns behind `block`, up to the first
/// one that always jumps, the page's end or a limit. Returns how many Insns it wrote.
std::size_t translate_block(Block& block, const BlockLimits& limits);

/// The same for the one instruction block.word at the end of a page.
std::size_t translate_crossing(Block& block, const BlockLimits& limits);

}  // namespace vmm::interp
