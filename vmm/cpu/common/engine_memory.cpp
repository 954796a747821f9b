// SPDX-License-Identifier: Apache-2.0
// Memory accesses that an engine's cached translations do not answer.
#include "cpu/common/engine_hart.hpp"
#include "cpu/common/float_environment.hpp"

namespace vmm {

using riscv::Access;
using riscv::Cause;
using riscv::WalkStatus;

void EngineHart::fault(Access access, bool page_fault, std::uint64_t address) {
    fault_value = address;
    switch (access) {
    case Access::fetch:
        fault_cause = page_fault ? Cause::instruction_page : Cause::instruction_access;
        break;
    case Access::load:
        fault_cause = page_fault ? Cause::load_page : Cause::load_access;
        break;
    case Access::store:
        fault_cause = page_fault ? Cause::store_page : Cause::store_access;
        break;
    }
}

std::optional<EngineHart::DataPage> EngineHart::data_page(std::uint64_t address, Access access) {
    const riscv::Walk walk =
        riscv::translate(riscv::translation_mode(hart.state), memory, address, access);
    if (walk.status != WalkStatus::ok) {
        fault(access, walk.status == WalkStatus::page_fault, address);
        return std::nullopt;
    }
    const GuestPhys frame{walk.address & ~kPageOffsetMask};
    std::byte* writable = memory.writable_range(frame, kPageSize);
    const std::byte* readable =
        writable != nullptr ? writable : memory.readable_range(frame, kPageSize);
    if (readable == nullptr) {
        return DataPage{.physical = walk.address};  // a device, or nothing
    }
    if (access == Access::store && writable == nullptr) {
        fault(access, false, address);
        return std::nullopt;
    }
    const std::uint64_t page = address & ~kPageOffsetMask;
    return DataPage{
        .is_memory = true,
        .physical = walk.address,
        .page_bytes = walk.page_bytes,
        .entry =
            {
                .read_tag = walk.readable ? page : kNoTag,
                .write_tag = walk.writable && writable != nullptr ? page : kNoTag,
                .addend = reinterpret_cast<std::uintptr_t>(readable) - page,
                .page = page,
            },
    };
}

std::optional<EngineHart::CodeFrame> EngineHart::walk_code(std::uint64_t address) {
    const riscv::Walk walk =
        riscv::translate(riscv::translation_mode(hart.state), memory, address, Access::fetch);
    const std::byte* frame =
        walk.status == WalkStatus::ok
            ? memory.readable_range(GuestPhys{walk.address & ~kPageOffsetMask}, kPageSize)
            : nullptr;
    if (frame == nullptr) {
        fault(Access::fetch, walk.status == WalkStatus::page_fault, address);
        return std::nullopt;
    }
    return CodeFrame{frame, walk.page_bytes};
}

bool EngineHart::access_device(
    Access access,
    std::uint64_t address,
    std::uint64_t physical,
    unsigned size,
    std::uint64_t& value
) {
    ++mmio_exits;
    bool answered = false;
    if ((address & (size - 1)) == 0) {
        const HostFloatScope scope;
        answered = access == Access::store ? host.mmio_write(GuestPhys{physical}, size, value)
                                           : host.mmio_read(GuestPhys{physical}, size, &value);
    }
    if (!answered) {
        fault(access, false, address);
        return false;
    }
    // A store may have asked for the end of this turn or raised an interrupt: look at once.
    leave_block = leave_block || access == Access::store;
    return true;
}

}  // namespace vmm
