// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/dbt/ir/ir.hpp"

#include <string>

namespace vmm::dbt::ir {

/// "x5", "f3", "t0"; "-" for kNone.
std::string name_of(Var var);

/// One line, without its number: "x5 = add.w x6, -1".
std::string print(const Inst& inst);

/// The whole region, one instruction a line, for people and tests.
std::string print(const Region& region);

}  // namespace vmm::dbt::ir
