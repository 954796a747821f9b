// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/riscv/encoding.hpp"
#include "cpu/riscv/state.hpp"
#include "memory/guest_memory.hpp"

#include <cstdint>
#include <optional>

namespace vmm::riscv {

enum class Access : std::uint8_t { fetch, load, store };

/// What decides about a translation, besides the tables themselves.
struct TranslationMode {
    std::uint64_t satp = 0;
    Privilege privilege = Privilege::supervisor;
    bool sum = false;  ///< sstatus.SUM
    bool mxr = false;  ///< sstatus.MXR
};

/// That of a hart's accesses now.
constexpr TranslationMode translation_mode(const State& state) {
    return {
        .satp = state.satp,
        .privilege = state.privilege,
        .sum = (state.sstatus & sstatus::kSum) != 0,
        .mxr = (state.sstatus & sstatus::kMxr) != 0,
    };
}

enum class WalkStatus : std::uint8_t {
    ok,
    page_fault,
    access_fault,  ///< A page table is outside of RAM.
};

struct Walk {
    WalkStatus status = WalkStatus::page_fault;
    std::uint64_t address = 0;  ///< Physical address of the byte asked for.
    /// Bytes of the page that the leaf entry maps (a superpage's size too); 0 without translation.
    std::uint64_t page_bytes = 0;
    bool readable = false;  ///< Loads would be allowed as well.
    bool writable = false;  ///< Stores would be allowed as well, without any change to the entry.
};

/// Translates `address` for one access (privileged specification, "Sv39", "Sv48" and "Svpbmt").
/// Sets the leaf's A bit, and D for stores, in one atomic compare-and-swap as Svadu has it; a walk
/// whose entry changed meanwhile begins again.
Walk translate(
    const TranslationMode& mode, const GuestMemory& memory, std::uint64_t address, Access access
) noexcept;

/// The physical address that a debugger means by a virtual one: every valid mapping serves, and no
/// entry is changed. Nothing: there is none.
std::optional<std::uint64_t>
peek(std::uint64_t satp, const GuestMemory& memory, std::uint64_t address) noexcept;

}  // namespace vmm::riscv
