// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/dbt/ir/ir.hpp"

#include <cstdint>
#include <vector>

namespace vmm::dbt {

/// Which f registers are known to hold NaN-boxed singles after `inst`, when those of `boxed` do
/// before it. Bit n is fn.
std::uint32_t boxed_after(const ir::Inst& inst, std::uint32_t boxed);

/// The same at the start of each block, when `entry` are boxed where the region is entered.
std::vector<std::uint32_t> boxed_at_blocks(const ir::Region& region, std::uint32_t entry);

}  // namespace vmm::dbt
