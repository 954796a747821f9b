// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/dbt/ir/ir.hpp"

namespace vmm::dbt {

struct OptimiseOptions {
    /// Put ir::Op::probe in. Costs a second copy of some code: for regions that run often, and
    /// back ends that can.
    bool share_probes = false;
};

/// Makes a region cheaper. What any exit, fault or device can observe of the guest's state stays
/// the same.
void optimise(ir::Region& region, const OptimiseOptions& options = {});

}  // namespace vmm::dbt
