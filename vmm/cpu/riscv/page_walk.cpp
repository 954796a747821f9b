// SPDX-License-Identifier: Apache-2.0
#include "cpu/riscv/page_walk.hpp"

#include "cpu/riscv/encoding.hpp"

#include <atomic>
#include <optional>

namespace vmm::riscv {
namespace {

constexpr std::uint64_t kValid = 1, kRead = 2, kWrite = 4, kExecute = 8, kUser = 16, kAccessed = 64,
                        kDirty = 128;
/// Bits 54..60 and 63: reserved, and N of Svnapot, which is not here.
constexpr std::uint64_t kReserved = std::uint64_t{0x9fc0} << 48;
/// Memory type (Svpbmt). Accepted in leaves and without effect: RAM is coherent for every hart and
/// device, and what is outside of it is a device for the machine whatever the entry says.
constexpr std::uint64_t kMemoryType = std::uint64_t{3} << 61;

constexpr unsigned levels(std::uint64_t satp) {
    return satp >> satp::kModeShift == satp::kModeSv48 ? 4 : 3;
}

constexpr std::uint64_t entry_target(std::uint64_t entry) {
    return (entry >> 10 & satp::kPpnMask) << 12;
}

/// The upper bits are copies of the highest one that is translated: 38 or 47.
constexpr bool canonical(std::uint64_t satp, std::uint64_t address) {
    const auto top = static_cast<std::int64_t>(address) >> (12 + 9 * levels(satp) - 1);
    return top == 0 || top == -1;
}

bool may_read(const TranslationMode& mode, std::uint64_t entry) {
    return (entry & kRead) != 0 || (mode.mxr && (entry & kExecute) != 0);
}

bool allowed(const TranslationMode& mode, std::uint64_t entry, Access access) {
    if (mode.privilege == Privilege::user) {
        if ((entry & kUser) == 0) {
            return false;
        }
    } else if ((entry & kUser) != 0 && (access == Access::fetch || !mode.sum)) {
        return false;
    }
    switch (access) {
    case Access::fetch:
        return (entry & kExecute) != 0;
    case Access::load:
        return may_read(mode, entry);
    case Access::store:
        return (entry & kWrite) != 0;
    }
    return false;
}

/// One attempt; nothing when the leaf changed under us.
std::optional<Walk> walk_once(
    const TranslationMode& mode, const GuestMemory& memory, std::uint64_t address, Access access
) {
    std::uint64_t table = (mode.satp & satp::kPpnMask) << 12;
    for (unsigned level = levels(mode.satp); level-- > 0;) {
        const unsigned shift = 12 + 9 * level;
        const std::uint64_t where = table + (address >> shift & 511) * 8;
        std::byte* host = memory.writable_range(GuestPhys{where}, 8);
        if (host == nullptr) {
            return Walk{.status = WalkStatus::access_fault};
        }
        // Acquire: a walk that sees an entry sees the tables that were written before it. Its
        // partners are the guest's stores (ordered by its fences) and the compare-and-swap below.
        std::atomic_ref<std::uint64_t> entry_ref(*reinterpret_cast<std::uint64_t*>(host));
        std::uint64_t entry = entry_ref.load(std::memory_order_acquire);
        const bool leaf = (entry & (kRead | kExecute)) != 0;
        if ((entry & kValid) == 0 || (entry & kReserved) != 0
            || (entry & (kRead | kWrite)) == kWrite) {
            return Walk{};
        }
        if (!leaf) {
            if ((entry & (kUser | kAccessed | kDirty | kMemoryType)) != 0) {
                return Walk{};  // reserved in pointers to tables
            }
            table = entry_target(entry);
            continue;
        }
        const std::uint64_t page_bytes = std::uint64_t{1} << shift;
        if (!allowed(mode, entry, access) || (entry_target(entry) & (page_bytes - 1)) != 0
            || (entry & kMemoryType) == kMemoryType) {
            return Walk{};
        }
        const std::uint64_t wanted =
            entry | kAccessed | (access == Access::store ? kDirty : std::uint64_t{0});
        if (wanted != entry
            && !entry_ref.compare_exchange_strong(entry, wanted, std::memory_order_acq_rel)) {
            return std::nullopt;
        }
        return Walk{
            .status = WalkStatus::ok,
            .address = entry_target(entry) | (address & (page_bytes - 1)),
            .page_bytes = page_bytes,
            .readable = allowed(mode, wanted, Access::load),
            .writable = (wanted & kDirty) != 0 && allowed(mode, wanted, Access::store),
        };
    }
    return Walk{};  // the last level held a pointer
}

}  // namespace

Walk translate(
    const TranslationMode& mode, const GuestMemory& memory, std::uint64_t address, Access access
) noexcept {
    if (mode.satp >> satp::kModeShift == satp::kModeBare) {
        return {
            .status = WalkStatus::ok,
            .address = address,
            .page_bytes = 0,
            .readable = true,
            .writable = true,
        };
    }
    if (!canonical(mode.satp, address)) {
        return {};
    }
    for (;;) {
        // Each retry means that another hart changed the entry: somebody makes progress.
        if (const auto walk = walk_once(mode, memory, address, access)) {
            return *walk;
        }
    }
}

std::optional<std::uint64_t>
peek(std::uint64_t satp, const GuestMemory& memory, std::uint64_t address) noexcept {
    if (satp >> satp::kModeShift == satp::kModeBare) {
        return address;
    }
    if (!canonical(satp, address)) {
        return std::nullopt;
    }
    std::uint64_t table = (satp & satp::kPpnMask) << 12;
    for (unsigned level = levels(satp); level-- > 0;) {
        const unsigned shift = 12 + 9 * level;
        const GuestPhys where{table + (address >> shift & 511) * 8};
        std::byte* host = memory.writable_range(where, 8);
        if (host == nullptr) {
            return std::nullopt;
        }
        // Acquire as in walk_once().
        const std::uint64_t entry =
            std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(host))
                .load(std::memory_order_acquire);
        if ((entry & kValid) == 0) {
            return std::nullopt;
        }
        if ((entry & (kRead | kWrite | kExecute)) != 0) {
            const std::uint64_t inside = (std::uint64_t{1} << shift) - 1;
            return (entry_target(entry) & ~inside) | (address & inside);
        }
        table = entry_target(entry);
    }
    return std::nullopt;
}

}  // namespace vmm::riscv
