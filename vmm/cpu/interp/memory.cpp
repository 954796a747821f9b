// SPDX-License-Identifier: Apache-2.0
// The slow path of memory accesses: what the data translations do not answer at once.
#include "cpu/common/float_environment.hpp"
#include "cpu/common/guest_word.hpp"
#include "cpu/interp/cpu.hpp"

namespace vmm::interp {

using riscv::Access;
using riscv::Cause;

void Cpu::fault(Access access, bool page_fault, std::uint64_t address) {
    fault_value = address;
    if (access == Access::load) {
        fault_cause = page_fault ? Cause::load_page : Cause::load_access;
    } else {
        fault_cause = page_fault ? Cause::store_page : Cause::store_access;
    }
}

bool Cpu::locate(std::uint64_t address, Access access, Located& located) {
    const riscv::Walk walk = riscv::translate(translation_mode(), memory, address, access);
    if (walk.status != riscv::WalkStatus::ok) {
        fault(access, walk.status == riscv::WalkStatus::page_fault, address);
        return false;
    }
    located.physical = walk.address;
    const GuestPhys frame{walk.address & ~kPageOffsetMask};
    std::byte* writable = memory.writable_range(frame, kPageSize);
    const std::byte* readable =
        writable != nullptr ? writable : memory.readable_range(frame, kPageSize);
    if (readable == nullptr) {
        return true;  // a device, or nothing
    }
    if (access == Access::store && writable == nullptr) {
        fault(access, false, address);
        return false;
    }
    if (walk.page_bytes > kPageSize) {
        caches.note_superpage(address, walk.page_bytes);
    }
    const std::uint64_t page = address & ~kPageOffsetMask;
    caches.note_data();
    caches.data(cache_mode())[tlb_index(address)] = {
        .read_tag = walk.readable ? page : kNoTag,
        .write_tag = walk.writable && writable != nullptr ? page : kNoTag,
        .addend = reinterpret_cast<std::uintptr_t>(readable) - page,
        .reserved = 0,
    };
    // Loads never write through this pointer.
    located.host = const_cast<std::byte*>(readable) + (address & kPageOffsetMask);
    return true;
}

AccessResult Cpu::load(std::uint64_t address, unsigned size, std::uint64_t& value) {
    ++tlb_misses;
    if ((address & kPageOffsetMask) + size > kPageSize) {
        return split_load(address, size, value) ? AccessResult::done : AccessResult::fault;
    }
    Located at;
    if (!locate(address, Access::load, at)) {
        return AccessResult::fault;
    }
    if (at.host != nullptr) {
        value = load_guest(at.host, size);
        return AccessResult::done;
    }
    ++mmio_exits;
    bool answered = false;
    if ((address & (size - 1)) == 0) {
        const HostFloatScope scope;
        answered = host.mmio_read(GuestPhys{at.physical}, size, &value);
    }
    if (!answered) {
        fault(Access::load, false, address);
        return AccessResult::fault;
    }
    return AccessResult::done;
}

AccessResult Cpu::store(std::uint64_t address, unsigned size, std::uint64_t value) {
    ++tlb_misses;
    if ((address & kPageOffsetMask) + size > kPageSize) {
        return split_store(address, size, value) ? AccessResult::done : AccessResult::fault;
    }
    Located at;
    if (!locate(address, Access::store, at)) {
        return AccessResult::fault;
    }
    if (at.host != nullptr) {
        store_guest(at.host, size, value);
        return AccessResult::done;
    }
    ++mmio_exits;
    bool answered = false;
    if ((address & (size - 1)) == 0) {
        const HostFloatScope scope;
        answered = host.mmio_write(GuestPhys{at.physical}, size, value);
    }
    if (!answered) {
        fault(Access::store, false, address);
        return AccessResult::fault;
    }
    // The device may have asked for the end of this turn or raised an interrupt: look now.
    leave_block = true;
    return AccessResult::done;
}

bool Cpu::split_load(std::uint64_t address, unsigned size, std::uint64_t& value) {
    ++split_accesses;
    const std::uint64_t next_page = (address | kPageOffsetMask) + 1;
    const auto first_bytes = static_cast<unsigned>(next_page - address);
    Located first;
    Located second;
    if (!locate(address, Access::load, first) || !locate(next_page, Access::load, second)) {
        return false;
    }
    if (first.host == nullptr || second.host == nullptr) {
        fault(Access::load, false, first.host == nullptr ? address : next_page);
        return false;
    }
    value = load_bytes(first.host, first_bytes)
            | load_bytes(second.host, size - first_bytes) << 8 * first_bytes;
    return true;
}

bool Cpu::split_store(std::uint64_t address, unsigned size, std::uint64_t value) {
    ++split_accesses;
    const std::uint64_t next_page = (address | kPageOffsetMask) + 1;
    const auto first_bytes = static_cast<unsigned>(next_page - address);
    Located first;
    Located second;
    if (!locate(address, Access::store, first) || !locate(next_page, Access::store, second)) {
        return false;
    }
    if (first.host == nullptr || second.host == nullptr) {
        fault(Access::store, false, first.host == nullptr ? address : next_page);
        return false;
    }
    store_bytes(first.host, first_bytes, value);
    store_bytes(second.host, size - first_bytes, value >> 8 * first_bytes);
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
