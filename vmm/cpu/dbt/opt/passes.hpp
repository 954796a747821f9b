// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/dbt/ir/ir.hpp"

/// The optimiser's passes; each takes a valid region to a valid region.
namespace vmm::dbt::opt {

/// Lets returns from functions of the region go back to callers in it.
void keep_calls_inside(ir::Region& region);

/// Takes away blocks that nothing leads to.
void remove_unreachable(ir::Region& region);

/// From the top of each block down: constants and copies are put in where they are used, and
/// instructions replaced by cheaper ones that compute the same.
void fold(ir::Region& region);

/// From the end of each block up: takes away what nobody can observe.
void remove_dead(ir::Region& region);

/// Takes away float_dirty where every way into the block has been through one.
void remove_float_dirty(ir::Region& region);

/// Lets accesses near each other share one look into the TLB (Op::probe).
void share_probes(ir::Region& region);

}  // namespace vmm::dbt::opt
