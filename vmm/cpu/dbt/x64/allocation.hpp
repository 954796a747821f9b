// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/dbt/ir/ir.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace vmm::dbt {

/// A set of host registers that hold variables: bit n is register n of kResidentGp, bit
/// kXmmBit + n is xmm(kFirstResidentXmm + n).
using RegisterSet = std::uint32_t;
inline constexpr unsigned kGpCount = 9;
inline constexpr unsigned kXmmBit = kGpCount;
inline constexpr unsigned kXmmCount = 13;
inline constexpr unsigned kRegisterCount = kGpCount + kXmmCount;

/// Words for temporaries that no host register holds.
inline constexpr std::size_t kSpillSlots = 64;

/// Which variables of a region live in host registers, and where that matters.
struct Allocation {
    static constexpr std::int8_t kInMemory = -1;

    /// Host register of each variable (a bit number of RegisterSet), or kInMemory.
    std::vector<std::int8_t> where;
    /// Word of HartState::spills for temporaries in memory.
    std::vector<std::uint8_t> spill;
    /// The variable in each host register; ir::kNone where there is none. Registers of temporaries
    /// are not listed: they are dead wherever code can be left.
    std::array<ir::Var, kRegisterCount> holds;
    /// For each block: registers that may differ from their homes when it is entered.
    std::vector<RegisterSet> dirty_in;
    /// Registers to load when the region is entered.
    RegisterSet entry_loads = 0;
    /// For each `system` that falls through, in order of blocks and instructions: what to load
    /// again behind it.
    std::vector<RegisterSet> reloads;

    bool resident(ir::Var v) const { return where[v] != kInMemory; }
    RegisterSet bit(ir::Var v) const {
        return resident(v) ? RegisterSet{1} << static_cast<unsigned>(where[v]) : 0;
    }
};

/// Decides for `region`. Guest registers win by how often they are used, loops counting more.
void allocate(const ir::Region& region, Allocation& out);

}  // namespace vmm::dbt
