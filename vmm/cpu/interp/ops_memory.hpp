// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/common/guest_word.hpp"
#include "cpu/interp/ops.hpp"

#include <type_traits>

/// What plain and fused loads and stores share.
namespace vmm::interp {

inline std::uint64_t effective_address(const Insn* ip, const Cpu* cpu) {
    return cpu->x[ip->rs1] + static_cast<std::uint64_t>(std::int64_t{ip->imm});
}

template <class T>
inline std::uint64_t tag_of(std::uint64_t address) {
    return address & ~(kPageOffsetMask ^ (sizeof(T) - 1));
}

/// Extends as the type's signedness says.
template <class T>
inline std::uint64_t extend(std::uint64_t value) {
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<T>(value)));
}

/// The entry that answers a load of a T from `address` at once, or null.
template <class T>
inline const TlbEntry* read_entry(const TlbEntry* tlb, std::uint64_t address) {
    const TlbEntry* entry = &tlb[tlb_index(address)];
    return entry->read_tag == tag_of<T>(address) ? entry : nullptr;
}
/// The same for a store.
template <class T>
inline const TlbEntry* write_entry(const TlbEntry* tlb, std::uint64_t address) {
    const TlbEntry* entry = &tlb[tlb_index(address)];
    return entry->write_tag == tag_of<T>(address) ? entry : nullptr;
}

/// Loads through an entry that read_entry() gave.
template <class T>
inline std::uint64_t load_through(const TlbEntry* entry, std::uint64_t address) {
    return extend<T>(load_guest_word<std::make_unsigned_t<T>>(
        reinterpret_cast<const std::byte*>(address + entry->addend)
    ));
}
/// Stores through an entry that write_entry() gave.
template <class T>
inline void store_through(const TlbEntry* entry, std::uint64_t address, std::uint64_t value) {
    store_guest_word(reinterpret_cast<std::byte*>(address + entry->addend), static_cast<T>(value));
}

/// The load at `ip` when no entry answers.
template <class T>
COPS_OP(load_slow) {
    std::uint64_t value = 0;
    if (!cpu->load(effective_address(ip, cpu), sizeof(T), value)) {
        COPS_TAIL(op_fault);
    }
    cpu->x[ip->rd] = extend<T>(value);
    if (cpu->leave_block) {
        COPS_TAIL(op_leave_block);
    }
    COPS_NEXT();
}

/// The store at `ip` when no entry answers.
template <class T>
COPS_OP(store_slow) {
    if (!cpu->store(effective_address(ip, cpu), sizeof(T), cpu->x[ip->rs2])) {
        COPS_TAIL(op_fault);
    }
    if (cpu->leave_block) {
        COPS_TAIL(op_leave_block);
    }
    COPS_NEXT();
}

}  // namespace vmm::interp
