// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/dbt/ir/ir.hpp"
#include "cpu/dbt/x64/allocation.hpp"
#include "cpu/dbt/x64/routines.hpp"
#include "cpu/dbt/x64/site.hpp"

#include <asmjit/x86.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace vmm::dbt {

/// Whether this host has what the emitted code uses everywhere: BMI1, BMI2, LZCNT and POPCNT, as
/// hosts have since 2013 or so.
bool host_is_supported();

/// Makes host code of regions, one at a time; keeps its memory between them.
class Compiler {
public:
    Compiler(Routines& routines, Counting counting)
        : routines_(routines)
        , counting_(counting) {}

    /// Host code for `region` that is to run at `address`. `counter`: address of a word that counts
    /// entries down until the runtime is told, or 0. Valid until the next call. Empty when memory
    /// ran out.
    std::span<const std::byte>
    compile(const ir::Region& region, std::uint64_t address, std::uint64_t counter);

    /// Of the region compiled last.
    const std::vector<Site>& sites() const { return sites_; }
    const Allocation& allocation() const { return allocation_; }

private:
    Routines& routines_;
    Counting counting_;
    asmjit::CodeHolder code_;
    asmjit::x86::Assembler assembler_;
    Allocation allocation_;
    std::vector<Site> sites_;
};

/// Makes the call that ends at `call_end` (writable memory) a jump, or leaves it a call, to what
/// runs `distance` bytes behind its end.
void patch_jump(std::byte* call_end, std::int32_t distance);
void patch_call(std::byte* call_end, std::int32_t distance);

}  // namespace vmm::dbt
