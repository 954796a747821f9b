// SPDX-License-Identifier: Apache-2.0
// The slow path of memory accesses: what the inline lookup does not answer.
#include "cpu/common/float_environment.hpp"
#include "cpu/common/guest_word.hpp"
#include "cpu/dbt/runtime/cpu.hpp"

namespace vmm::dbt {

using riscv::Access;
using riscv::Cause;

namespace {

constexpr std::uint64_t kPageSize = 4096;

std::uint64_t extend(std::uint64_t value, unsigned size) {
    const unsigned shift = 64 - 8 * size;
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(value << shift) >> shift);
}

}  // namespace

TranslationCaches::Mode Cpu::cache_mode() const {
    if (hart.user()) {
        return TranslationCaches::user;
    }
    return (hart.state.sstatus & riscv::sstatus::kSum) != 0 ? TranslationCaches::supervisor_sum
                                                            : TranslationCaches::supervisor;
}

riscv::TranslationMode Cpu::translation_mode() const {
    return {
        .satp = hart.state.satp,
        .privilege = hart.state.privilege,
        .sum = (hart.state.sstatus & riscv::sstatus::kSum) != 0,
        .mxr = (hart.state.sstatus & riscv::sstatus::kMxr) != 0,
    };
}

void Cpu::fault(Access access, bool page_fault, std::uint64_t address) {
    fault_value = address;
    if (access == Access::load) {
        fault_cause = page_fault ? Cause::load_page : Cause::load_access;
    } else {
        fault_cause = page_fault ? Cause::store_page : Cause::store_access;
    }
}

bool Cpu::locate(std::uint64_t address, Access access, Located& located) {
    const TlbEntry& known = state.tlb->entries[tlb_index(address)];
    const std::uint64_t page = address & ~kPageOffsetMask;
    if ((access == Access::store ? known.write_tag : known.read_tag) == page) {
        located.host = reinterpret_cast<std::byte*>(address + known.addend);
        return true;
    }
    ++tlb_misses;
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
    caches.insert(
        cache_mode(),
        {
            .read_tag = walk.readable ? page : kNoTag,
            .write_tag = walk.writable && writable != nullptr ? page : kNoTag,
            .addend = reinterpret_cast<std::uintptr_t>(readable) - page,
            .page = page,
        }
    );
    // Loads never write through this pointer.
    located.host = const_cast<std::byte*>(readable) + (address & kPageOffsetMask);
    return true;
}

Outcome Cpu::access(
    std::uint64_t address, std::uint64_t value, std::uint32_t info, std::uint64_t return_address
) {
    const unsigned size = info & AccessInfo::kSizeMask;
    const bool is_store = (info & AccessInfo::kStore) != 0;
    const bool atomic = (info & AccessInfo::kAtomic) != 0;
    if (atomic && (address & (size - 1)) != 0) {
        fault_cause = is_store ? Cause::store_misaligned : Cause::load_misaligned;
        fault_value = address;
        return fault_at(return_address);
    }
    if ((address & kPageOffsetMask) + size <= kPageSize) {
        const Access kind = is_store ? Access::store : Access::load;
        Located at;
        if (!locate(address, kind, at)) {
            return fault_at(return_address);
        }
        if (at.host != nullptr) {
            state.argument = reinterpret_cast<std::uint64_t>(at.host);
            return Outcome::address;
        }
        if (atomic) {
            fault(kind, false, address);
            return fault_at(return_address);
        }
        ++mmio_exits;
        bool answered = false;
        if ((address & (size - 1)) == 0) {
            const HostFloatScope scope;
            const GuestPhys physical{at.physical};
            answered = is_store ? host.mmio_write(physical, size, value)
                                : host.mmio_read(physical, size, &value);
        }
        if (!answered) {
            fault(kind, false, address);
            return fault_at(return_address);
        }
        // A store may have asked for the end of this turn or raised an interrupt: look now.
        leave_block = leave_block || is_store;
    } else {
        ++slow_accesses;
        const bool done =
            is_store ? split_store(address, size, value) : split_load(address, size, value);
        if (!done) {
            return fault_at(return_address);
        }
    }
    if (!is_store) {
        if ((info & AccessInfo::kFloat) != 0) {
            value |= size == 4 ? state.float_constants.box.low : std::uint64_t{0};
        } else if ((info & AccessInfo::kSign) != 0) {
            value = extend(value, size);
        } else if (size < 8) {
            value &= (std::uint64_t{1} << 8 * size) - 1;
        }
        state.argument = value;
    }
    return leave_block ? leave_behind(return_address, info) : Outcome::done;
}

Outcome Cpu::fault_at(std::uint64_t return_address) {
    const Region& region = code.region_of(return_address);
    const Site& site = code.site_of(region, return_address);
    write_back(region, site.dirty);
    state.pc = state.page_base + site.offset;
    state.budget += site.give_back;
    raise(fault_cause, fault_value);
    // An exception has to cost budget too: code that does nothing else must still be polled.
    --state.budget;
    --retired_base;
    state.reason = next_by();
    return Outcome::leave;
}

Outcome Cpu::leave_behind(std::uint64_t return_address, std::uint32_t info) {
    const auto dst = static_cast<ir::Var>(info >> AccessInfo::kDstShift);
    const bool is_store = (info & AccessInfo::kStore) != 0;
    const Region& region = code.region_of(return_address);
    const Site& site = code.site_of(region, return_address);
    write_back(region, site.dirty);
    if (!is_store && dst != AccessInfo::kNoDst) {
        if (ir::is_float(dst)) {
            state.f[dst - ir::kFirstFloat] = state.argument;
            hart.set_float_state(riscv::FloatState::dirty);
        } else {
            state.x[dst] = state.argument;
        }
    }
    state.pc = state.page_base + site.next_offset;
    state.budget += site.give_back - 1;
    leave_block = false;
    set_budget(-1);  // poll now
    state.reason = next_by();
    return Outcome::leave;
}

bool Cpu::split_load(std::uint64_t address, unsigned size, std::uint64_t& value) {
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

}  // namespace vmm::dbt
