// SPDX-License-Identifier: Apache-2.0
// The slow path of memory accesses: what the inline lookup does not answer.
#include "cpu/dbt/runtime/cpu.hpp"

namespace vmm::dbt {

using riscv::Access;
using riscv::Cause;

namespace {

std::uint64_t extend(std::uint64_t value, unsigned size) {
    const unsigned shift = 64 - 8 * size;
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(value << shift) >> shift);
}

}  // namespace

bool Cpu::locate(std::uint64_t address, Access access, Located& located) {
    const TlbEntry& known = state.tlb->entries[tlb_index(address)];
    if ((access == Access::store ? known.write_tag : known.read_tag)
        == (address & ~kPageOffsetMask)) {
        located.host = reinterpret_cast<std::byte*>(address + known.addend);
        return true;
    }
    return walk_data(caches, address, access, located);
}

Outcome Cpu::access(
    std::uint64_t address, std::uint64_t value, std::uint32_t info, std::uint64_t return_address
) {
    const unsigned size = info & AccessInfo::kSizeMask;
    const bool is_store = (info & AccessInfo::kStore) != 0;
    const Access kind = is_store ? Access::store : Access::load;
    const bool atomic = (info & AccessInfo::kAtomic) != 0;
    if (atomic && (address & (size - 1)) != 0) {
        ++slow_accesses;
        fault_cause = is_store ? Cause::store_misaligned : Cause::load_misaligned;
        fault_value = address;
        return fault_at(return_address);
    }
    if ((address & kPageOffsetMask) + size <= kPageSize) {
        Located at;
        const bool allowed = locate(address, kind, at);
        const bool is_device = allowed && at.host == nullptr && !atomic;
        ++(at.walked && !is_device ? tlb_misses : slow_accesses);
        if (!allowed) {
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
        if (!access_device(kind, address, at.physical, size, value)) {
            return fault_at(return_address);
        }
    } else {
        ++slow_accesses;
        if (!access_split(*this, kind, address, size, value)) {
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

}  // namespace vmm::dbt
