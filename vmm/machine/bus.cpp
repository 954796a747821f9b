// SPDX-License-Identifier: Apache-2.0
#include "machine/bus.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace vmm {

Result<void> Bus::add(std::string name, GuestPhys base, std::uint64_t size, MmioDevice& device) {
    return insert({base.value, base.value + (size - 1), &device, std::move(name)}, size);
}

Result<void> Bus::reserve(std::string name, GuestPhys base, std::uint64_t size) {
    return insert({base.value, base.value + (size - 1), nullptr, std::move(name)}, size);
}

Result<void> Bus::insert(Range range, std::uint64_t size) {
    if (size == 0 || range.last < range.base) {
        return fail(
            ErrorKind::internal,
            fmt::format(
                "device {}: {:#x} bytes at {:#x} is no address range", range.name, size, range.base
            )
        );
    }
    const auto after = std::ranges::upper_bound(ranges_, range.base, {}, &Range::base);
    const Range* clash = nullptr;
    if (after != ranges_.end() && after->base <= range.last) {
        clash = &*after;
    } else if (after != ranges_.begin() && std::prev(after)->last >= range.base) {
        clash = &*std::prev(after);
    }
    if (clash != nullptr) {
        return fail(
            ErrorKind::internal,
            fmt::format(
                "device {} at {:#x}..{:#x} overlaps {} at {:#x}..{:#x}",
                range.name,
                range.base,
                range.last,
                clash->name,
                clash->base,
                clash->last
            )
        );
    }
    ranges_.insert(after, std::move(range));
    return {};
}

const Bus::Range* Bus::find(GuestPhys address, unsigned size) const noexcept {
    if ((size != 1 && size != 2 && size != 4 && size != 8) || address.value % size != 0) {
        return nullptr;
    }
    const auto after = std::ranges::upper_bound(ranges_, address.value, {}, &Range::base);
    if (after == ranges_.begin()) {
        return nullptr;
    }
    const Range& range = *std::prev(after);
    // The address is aligned, so address + size - 1 doesn't wrap.
    return range.device != nullptr && address.value + (size - 1) <= range.last ? &range : nullptr;
}

bool Bus::read(unsigned hart, GuestPhys address, unsigned size, std::uint64_t* value) const {
    const Range* range = find(address, size);
    return range != nullptr
           && range->device->mmio_read({address.value - range->base, size, hart}, value);
}

bool Bus::write(unsigned hart, GuestPhys address, unsigned size, std::uint64_t value) const {
    const Range* range = find(address, size);
    return range != nullptr
           && range->device->mmio_write({address.value - range->base, size, hart}, value);
}

}  // namespace vmm
