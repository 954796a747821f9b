// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/dbt/ir/ir.hpp"

#include <string>
#include <string_view>

namespace vmm::dbt::ir {

/// What is wrong with a region, by the rules that ir.hpp states; empty: nothing.
std::string verify(const Region& region);

/// In builds with assertions: ends the process when the region that `maker` made is not valid.
/// That is a bug of the translator; no guest can bring it about in one that has none.
void expect_valid(const Region& region, std::string_view maker);

}  // namespace vmm::dbt::ir
