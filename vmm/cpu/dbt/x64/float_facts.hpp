// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/dbt/ir/ir.hpp"

#include <cstdint>
#include <vector>

namespace vmm::dbt {

/// Whether the f operands of a float operation are singles, which have to be NaN-boxed to count as
/// numbers. (Those of fcvt.s.d and fmv.x.w are not.)
bool has_single_operands(riscv::Op op);

/// Which f registers are known to hold NaN-boxed singles after `inst`, when those of `boxed` do
/// before it. Bit n is fn.
std::uint32_t boxed_after(const ir::Inst& inst, std::uint32_t boxed);

/// The same at the start of each block, when `entry` are boxed where the region is entered.
std::vector<std::uint32_t> boxed_at_blocks(const ir::Region& region, std::uint32_t entry);

/// The f registers that have to be boxed where the region is entered so that none of its
/// instructions has to look whether its operands are, as far as that can be known at all.
std::uint32_t boxed_operands_at_entry(const ir::Region& region);

/// For each instruction of a block: whether its result, when a NaN, may be any quiet NaN instead of
/// the canonical one, because only arithmetic sees it before it is overwritten. `probed`: accesses
/// with a probe are sure to succeed; others, like everything else that may leave the block, show
/// all registers to the world.
std::vector<bool> any_nan_will_do(const ir::Block& block, bool probed);

}  // namespace vmm::dbt
