// SPDX-License-Identifier: Apache-2.0
#include "cpu/dbt/opt/optimise.hpp"

#include "cpu/dbt/ir/verify.hpp"

namespace vmm::dbt {

void optimise(ir::Region& region) {
    ir::expect_valid(region, "optimise");
}

}  // namespace vmm::dbt
