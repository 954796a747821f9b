// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/types.hpp"

#include <cstdint>

/// Sv39 page tables.
namespace kernel {

using Pte = std::uint64_t;
inline constexpr Pte kPteValid = 1 << 0;
inline constexpr Pte kPteRead = 1 << 1;
inline constexpr Pte kPteWrite = 1 << 2;
inline constexpr Pte kPteExecute = 1 << 3;
inline constexpr Pte kPteUser = 1 << 4;
inline constexpr Pte kPteGlobal = 1 << 5;
inline constexpr Pte kPteAccessed = 1 << 6;
inline constexpr Pte kPteDirty = 1 << 7;

constexpr PhysAddr pte_address(Pte pte) {
    return (pte >> 10 << 12) & 0x00ffffffffffffff;
}
constexpr Pte make_pte(PhysAddr address, Pte flags) {
    return (address >> 12 << 10) | flags;
}

/// Makes the kernel's half for good: RAM without execute, text without write, and stacks with guard
/// pages below them. From here on the early root is not used.
void init_kernel_map(PhysAddr ram_start, PhysAddr ram_end);
/// A kernel stack with an unmapped page below it; returns its top. Null when memory is short.
void* map_kernel_stack(unsigned hart);
std::uint64_t kernel_satp();

/// Root of a process's table with the kernel's half in place; 0 when memory is short.
PhysAddr new_user_root();
/// Frees the tables of the user half (not the frames they map) and the root.
void free_user_root(PhysAddr root);
/// The last-level entry for a user address; null when a table is missing and `create` is false or
/// memory is short.
Pte* user_pte(PhysAddr root, UserAddr address, bool create);

std::uint64_t user_satp(PhysAddr root, std::uint32_t asid);
void set_satp(std::uint64_t satp);
void flush_page(UserAddr address, std::uint32_t asid);
void flush_asid(std::uint32_t asid);
/// Bits of ASID that the hart keeps.
std::uint32_t probe_asid_bits();

}  // namespace kernel
