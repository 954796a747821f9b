// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/dbt/runtime/hart_state.hpp"

#include <cstdint>

namespace vmm::dbt {

/// A C++ function that generated code calls out of line: gets the hart and what the code put into
/// rax, rcx and rdx; its result comes back in rax. It may use everything in `state` but the guest's
/// registers, which host registers may hold.
using Helper =
    std::uint64_t (*)(HartState* state, std::uint64_t rax, std::uint64_t rcx, std::uint64_t rdx);

/// Finds the code through which generated code calls a helper.
class Thunks {
public:
    /// Address of code that saves the registers which hold variables, calls `function` and restores
    /// them.
    virtual std::uint64_t thunk(Helper function) = 0;

protected:
    ~Thunks() = default;
};

}  // namespace vmm::dbt
