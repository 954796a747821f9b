// SPDX-License-Identifier: Apache-2.0
// The slow path of memory accesses: what the data translations do not answer at once.
#include "cpu/common/guest_word.hpp"
#include "cpu/interp/cpu.hpp"

namespace vmm::interp {

using riscv::Access;
using riscv::Cause;

bool Cpu::locate(std::uint64_t address, Access access, Located& located) {
    return walk_data(caches, address, access, located);
}

bool Cpu::access(Access kind, std::uint64_t address, unsigned size, std::uint64_t& value) {
    ++tlb_misses;
    if ((address & kPageOffsetMask) + size > kPageSize) {
        ++split_accesses;
        return access_split(*this, kind, address, size, value);
    }
    Located at;
    if (!locate(address, kind, at)) {
        return false;
    }
    if (at.host == nullptr) {
        return access_device(kind, address, at.physical, size, value);
    }
    if (kind == Access::store) {
        store_guest(at.host, size, value);
    } else {
        value = load_guest(at.host, size);
    }
    return true;
}

std::byte* Cpu::atomic_word(std::uint64_t address, unsigned size, bool store) {
    if ((address & (size - 1)) != 0) {
        fault_cause = store ? Cause::store_misaligned : Cause::load_misaligned;
        fault_value = address;
        return nullptr;
    }
    const TlbEntry& entry = tlb[tlb_index(address)];
    if ((store ? entry.write_tag : entry.read_tag) == (address & ~kPageOffsetMask)) {
        return reinterpret_cast<std::byte*>(address + entry.addend);
    }
    const Access access = store ? Access::store : Access::load;
    Located at;
    if (!locate(address, access, at)) {
        return nullptr;
    }
    if (at.host == nullptr) {
        fault(access, false, address);
    }
    return at.host;
}

}  // namespace vmm::interp
