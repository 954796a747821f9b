// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/interp/insn.hpp"

#include <cstddef>

namespace vmm::interp {

/// Most guest instructions in one block; Insn::index has to hold it.
inline constexpr std::size_t kMaxBlockInsns = 96;

/// Decodes the instructions from block.offset on into the Insns behind `block`, up to the first
/// one that always jumps, the page's end or kMaxBlockInsns. Returns how many Insns it wrote.
std::size_t translate_block(Block& block);

/// The same for the one instruction block.word at the end of a page.
std::size_t translate_crossing(Block& block);

}  // namespace vmm::interp
