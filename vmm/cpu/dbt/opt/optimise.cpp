// SPDX-License-Identifier: Apache-2.0
#include "cpu/dbt/opt/optimise.hpp"

#include "cpu/dbt/ir/verify.hpp"
#include "cpu/dbt/opt/passes.hpp"

namespace vmm::dbt {

void optimise(ir::Region& region, const OptimiseOptions& options) {
    if (region.blocks.size() > 1) {
        opt::keep_calls_inside(region);
        opt::remove_unreachable(region);
        ir::expect_valid(region, "keep_calls_inside");
    }
    opt::fold(region);
    ir::expect_valid(region, "fold");
    opt::remove_dead(region);
    ir::expect_valid(region, "remove_dead");
    if (options.share_probes) {
        opt::share_probes(region);
        ir::expect_valid(region, "share_probes");
    }
    opt::remove_float_dirty(region);
    ir::expect_valid(region, "remove_float_dirty");
}

}  // namespace vmm::dbt
