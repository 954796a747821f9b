// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/riscv/state.hpp"
#include "memory/state.hpp"

namespace vmm {

/// The architectural state of a hart as part of a saved machine.
void put_vcpu_state(StateWriter& out, const riscv::State& state);
/// Marks `in` as failed on values that no hart can have.
riscv::State get_vcpu_state(StateReader& in);

}  // namespace vmm
