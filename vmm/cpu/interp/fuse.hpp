// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/interp/insn.hpp"

#include <cstddef>

/// Fused handlers: one for a pair of instructions that often follow each other.
///
/// Only the first Insn of a pair gets the fused handler; it executes itself and its neighbour and
/// goes on behind both. The second stays what it was, so faults in it, slow paths and branches into
/// it need nothing special, and counting by Insn::index is unchanged.
namespace vmm::interp {

/// Replaces handlers in a freshly decoded block by fused ones where there are some.
void fuse_block(Insn* first, std::size_t count);

/// The branch at `ip` has just been linked: fuses it with the instruction before it, if that fits.
void fuse_branch(Insn* ip);

}  // namespace vmm::interp
