// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/dbt/ir/ir.hpp"

namespace vmm::dbt {

/// Makes a region cheaper. What any exit, fault or device can observe of the guest's state stays
/// the same.
void optimise(ir::Region& region);

}  // namespace vmm::dbt
