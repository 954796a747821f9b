// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/dbt/runtime/float_constants.hpp"
#include "cpu/dbt/runtime/tlb.hpp"

#include <cstddef>
#include <cstdint>

namespace vmm::dbt {

/// Why generated code came back to the runtime.
enum class LeaveReason : std::uint32_t {
    link,        ///< A direct jump within the page that leads nowhere yet; `leave_site` says which.
    hot,         ///< A region's entry counter ran out.
    dispatch,    ///< To `pc`, by the runtime.
    breakpoint,  ///< A debugger may want to stop at `pc`.
    resume,      ///< To `pc`, by the jump cache if that knows it.
    end,         ///< run() returns.
};

/// The part of a hart that generated code touches, by offsets from the host register that holds
/// its address. Owned by the thread inside run().
struct HartState {
    DataTlb* tlb;  ///< Of the current mode; a host register holds it in generated code.
    /// Virtual address of the page that code is executed from.
    std::uint64_t page_base;
    JumpEntry* jumps;  ///< Of the current privilege and float_on.
    // Guest registers that no host register holds at the moment. x[0] stays 0.
    std::uint64_t x[32];
    std::uint64_t f[32];

    /// Instructions retired = retired_base - budget. While generated code runs, a host register
    /// holds it; negative: poll.
    std::int64_t budget;
    std::uint64_t pc;  ///< Valid outside of generated code.

    // What lr reserved; sc succeeds when the same bytes still hold the same value.
    std::uint64_t reservation_host;  ///< 0: none.
    std::uint64_t reservation_value;
    std::uint32_t reservation_size;

    LeaveReason reason;
    /// Behind the call by which generated code came here, or asked for a helper.
    std::uint64_t leave_site;

    /// The stack on which each guest call leaves its return address and the host's: where it is
    /// empty, and how far down it may grow.
    std::uint64_t stack_base;
    std::uint64_t stack_limit;

    std::uint64_t* sstatus;  ///< Of riscv::Hart, for FS.
    /// fflags raised by C++ code, not by the host's unit.
    std::uint32_t fflags;
    std::uint32_t float_request;  ///< For float_slow(): which instruction. Scratch of float code.

    // Host registers while a helper runs: those that hold guest registers.
    std::uint64_t saved_gp[9];
    std::uint64_t saved_xmm[13];
    std::uint64_t argument;     ///< Of the call in progress.
    std::uint64_t access_info;  ///< The same, of a memory access.

    // Counted by code that was compiled to count (Counting::on), else 0.
    std::uint64_t region_entries;  ///< Entries of regions, by whatever way.
    std::uint64_t accesses;        ///< Loads, stores and atomics begun.

    FloatConstants float_constants;
    /// Temporaries of the region that runs which no host register holds.
    std::uint64_t spills[64];
};

/// The address register points into the middle, so that 8-bit displacements reach most of x.
inline constexpr std::ptrdiff_t kStateBias = 128;

}  // namespace vmm::dbt
