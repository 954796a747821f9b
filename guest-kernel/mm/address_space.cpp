// SPDX-License-Identifier: Apache-2.0
#include "mm/address_space.hpp"

#include "arch/riscv64/cpu.hpp"
#include "arch/riscv64/csr.hpp"
#include "arch/riscv64/page_table.hpp"
#include "arch/riscv64/sbi.hpp"
#include "mm/frames.hpp"
#include "mm/heap.hpp"

#include <algorithm>

namespace kernel {

namespace {

constexpr UserAddr kMappingTop = 0x3f00000000;  // mappings grow down from here
constexpr UserAddr kLowest = 0x1000;
constexpr unsigned kMaxAreas = 8192;  // calls walk them with interrupts off

constinit std::uint64_t promised_pages = 0;  // atomic: frames that private areas may come to need

std::uint64_t pages_of(const Area& area) {
    return (area.end - area.start) >> kPageShift;
}

// Private writable memory is promised only while there is some: so malloc fails instead of the
// process dying later.
bool promise(std::uint64_t pages) {
    const std::uint64_t before = __atomic_fetch_add(&promised_pages, pages, __ATOMIC_RELAXED);
    const std::uint64_t limit = frames::total() - frames::total() / 16;
    if (pages > limit || before + pages > limit) {
        __atomic_fetch_sub(&promised_pages, pages, __ATOMIC_RELAXED);
        return false;
    }
    return true;
}

void take_back(std::uint64_t pages) {
    __atomic_fetch_sub(&promised_pages, pages, __ATOMIC_RELAXED);
}

bool is_plain(const Area& area) {
    return !area.shared && !area.fixed && area.file == nullptr;
}

Pte flags_of(std::uint32_t rights) {
    Pte flags = kPteValid | kPteUser | kPteAccessed;
    if ((rights & (kRead | kWrite)) != 0) {
        flags |= kPteRead;
    }
    if ((rights & kWrite) != 0) {
        flags |= kPteWrite | kPteDirty;
    }
    if ((rights & kExecute) != 0) {
        flags |= kPteExecute | kPteRead;
    }
    return flags;
}

}  // namespace

Result<void> AddressSpace::init(std::uint32_t asid) {
    root_ = new_user_root();
    if (root_ == 0) {
        return std::unexpected(Errno::no_memory);
    }
    asid_ = asid;
    satp_ = user_satp(root_, asid);
    return {};
}

void AddressSpace::clear() {
    const Guard guard(lock_);
    while (Area* area = areas_.front()) {
        drop_pages(*area, area->start, area->end);
        remove(*area);
    }
    if (root_ != 0) {
        free_user_root(root_);
        root_ = 0;
    }
}

void AddressSpace::remove(Area& area) {
    areas_.remove(area);
    --area_count_;
    if (area.committed) {
        take_back(pages_of(area));
    }
    heap::destroy(&area);
}

Area* AddressSpace::first_from(UserAddr start) {
    Area* area = areas_.front();
    while (area != nullptr && area->end <= start) {
        area = Areas::next(*area);
    }
    return area;
}

Area* AddressSpace::find(UserAddr address) {
    Area* const area = first_from(address);
    return area != nullptr && area->start <= address ? area : nullptr;
}

// Null when memory is short or the process has too many.
Area* AddressSpace::add(Area* before, const Area& area) {
    if (area_count_ == kMaxAreas || frames::are_scarce()) {
        return nullptr;
    }
    Area* const added = heap::make<Area>(area);
    if (added != nullptr) {
        added->link = {};
        areas_.insert_before(before, *added);
        ++area_count_;
    }
    return added;
}

// Adds the area to the one that it continues, or that continues it: many small mappings of a kind
// are one area.
bool AddressSpace::extend(Area* after, const Area& area) {
    if (!is_plain(area)) {
        return false;
    }
    const auto alike = [&](const Area& one) {
        return is_plain(one) && one.rights == area.rights && one.committed == area.committed;
    };
    Area* const before = after == nullptr ? areas_.back() : Areas::prev(*after);
    if (before != nullptr && before->end == area.start && alike(*before)) {
        before->end = area.end;
        return true;
    }
    if (after != nullptr && after->start == area.end && alike(*after)) {
        after->start = area.start;
        return true;
    }
    return false;
}

Result<void> AddressSpace::insert(const Area& area) {
    if (area.start < kLowest || area.start >= area.end || area.end > kUserEnd) {
        return std::unexpected(Errno::invalid);
    }
    Area* const after = first_from(area.start);
    if (after != nullptr && after->start < area.end) {
        return std::unexpected(Errno::exists);
    }
    if (area.committed && !promise(pages_of(area))) {
        return std::unexpected(Errno::no_memory);
    }
    if (extend(after, area)) {
        return {};
    }
    if (add(after, area) == nullptr) {
        if (area.committed) {
            take_back(pages_of(area));
        }
        return std::unexpected(Errno::no_memory);
    }
    return {};
}

Result<void> AddressSpace::map(const Area& area) {
    const Guard guard(lock_);
    return insert(area);
}

Result<void> AddressSpace::replace(const Area& area) {
    const Guard guard(lock_);
    if (Result<void> cleared = unmap_locked(area.start, area.end); !cleared) {
        return cleared;
    }
    return insert(area);
}

Result<void> AddressSpace::map_fixed(
    UserAddr address, PhysAddr first, std::uint32_t rights, std::uint64_t pages
) {
    const Guard guard(lock_);
    Area area;
    area.start = address;
    area.end = address + pages * kPageSize;
    area.rights = rights;
    area.shared = true;
    area.fixed = true;
    if (Result<void> result = insert(area); !result) {
        return result;
    }
    for (std::uint64_t i = 0; i < pages; ++i) {
        const PhysAddr page = first + i * kPageSize;
        Pte* const pte = user_pte(root_, address + i * kPageSize, true);
        if (pte == nullptr) {
            drop_pages(area, area.start, area.end);
            remove(*find(address));
            return std::unexpected(Errno::no_memory);
        }
        if (frames::is_frame(page)) {
            frames::retain(page);
        }
        *pte = make_pte(page, flags_of(rights));
    }
    return {};
}

// Entries that name a frame only: what was never touched costs a look at each 2 MiB.
template <typename Visit>
void AddressSpace::for_each_page(UserAddr start, UserAddr end, Visit visit) {
    for (UserAddr at = start; at < end;) {
        Pte* const pte = user_pte(root_, at, false);
        if (pte == nullptr) {
            at = (at | ((std::uint64_t{1} << 21) - 1)) + 1;
            continue;
        }
        if (*pte != 0) {
            visit(*pte);
            flush_page(at, asid_);
        }
        at += kPageSize;
    }
}

std::uint64_t AddressSpace::other_harts() const {
    return harts() & ~(std::uint64_t{1} << this_cpu().hart);
}

void AddressSpace::flush_elsewhere(UserAddr start, UserAddr end) const {
    if (const std::uint64_t others = other_harts(); others != 0) {
        sbi::remote_fence(others, start, end - start, asid_);
    }
}

void AddressSpace::drop_pages(const Area& area, UserAddr start, UserAddr end) {
    if (other_harts() != 0) {
        // They may use an entry until they are told, so its frame must not be given back before.
        for_each_page(start, end, [](Pte& pte) {
            __atomic_store_n(&pte, pte & ~kPteValid, __ATOMIC_RELAXED);
        });
        flush_elsewhere(start, end);
    }
    for_each_page(start, end, [&](Pte& pte) {
        const PhysAddr frame = pte_address(pte);
        pte = 0;
        if (frames::is_frame(frame)) {
            frames::release(frame);  // stays while pinned
        }
        count_resident(area.shared ? 0 : -1);
    });
}

// Makes the area smaller.
void AddressSpace::cut(Area& area, UserAddr start, UserAddr end) {
    const std::uint64_t before = pages_of(area);
    area.start = start;
    area.end = end;
    if (area.committed) {
        take_back(before - pages_of(area));
    }
}

Area* AddressSpace::split(Area& area, UserAddr at) {
    Area* const upper = add(Areas::next(area), area);
    if (upper != nullptr) {
        upper->start = at;
        area.end = at;
    }
    return upper;
}

// Makes area borders of both ends. Splitting alone changes nothing that a process could see.
Result<void> AddressSpace::split_at(UserAddr start, UserAddr end) {
    for (const UserAddr at : {start, end}) {
        Area* const area = find(at);
        if (area != nullptr && area->start < at && split(*area, at) == nullptr) {
            return std::unexpected(Errno::no_memory);
        }
    }
    return {};
}

bool AddressSpace::may_change(UserAddr start, UserAddr end) {
    for (Area* area = first_from(start); area != nullptr && area->start < end;
         area = Areas::next(*area)) {
        if (area->fixed) {
            return false;
        }
    }
    return true;
}

Result<void> AddressSpace::unmap(UserAddr start, UserAddr end) {
    const Guard guard(lock_);
    return unmap_locked(start, end);
}

Result<void> AddressSpace::unmap_locked(UserAddr start, UserAddr end) {
    if (start >= end || end > kUserEnd || !may_change(start, end)) {
        return std::unexpected(Errno::invalid);
    }
    Area* area = first_from(start);
    // Only a hole in the middle needs memory: who gives memory back can do so when there is none.
    if (area != nullptr && area->start < start && area->end > end && split(*area, end) == nullptr) {
        return std::unexpected(Errno::no_memory);
    }
    while (area != nullptr && area->start < end) {
        Area* const next = Areas::next(*area);
        drop_pages(*area, std::max(area->start, start), std::min(area->end, end));
        if (area->start < start) {
            cut(*area, area->start, start);
        } else if (area->end > end) {
            cut(*area, end, area->end);
        } else {
            remove(*area);
        }
        area = next;
    }
    return {};
}

Result<void> AddressSpace::protect(UserAddr start, UserAddr end, std::uint32_t rights) {
    const Guard guard(lock_);
    if (start >= end || end > kUserEnd) {
        return std::unexpected(Errno::invalid);
    }
    if (!may_change(start, end)) {
        return std::unexpected(Errno::access);
    }
    for (UserAddr at = start; at < end;) {  // no holes, as Linux has it
        Area* const area = find(at);
        if (area == nullptr) {
            return std::unexpected(Errno::no_memory);
        }
        at = area->end;
    }
    if (Result<void> result = split_at(start, end); !result) {
        return result;
    }
    for (Area* area = first_from(start); area != nullptr && area->start < end;
         area = Areas::next(*area)) {
        if ((rights & kWrite) != 0 && !area->committed) {
            if (!promise(pages_of(*area))) {
                flush_elsewhere(start, area->start);  // what comes before it has changed
                return std::unexpected(Errno::no_memory);
            }
            area->committed = true;
        }
        area->rights = rights;
        // Without rights an entry keeps its frame but faults: user access is off.
        const Pte flags = rights == 0 ? kPteValid | kPteRead : flags_of(rights);
        for_each_page(area->start, area->end, [&](Pte& pte) {
            pte = make_pte(pte_address(pte), flags);
        });
    }
    flush_elsewhere(start, end);
    return {};
}

Result<void> AddressSpace::map_anywhere(Area& area, std::uint64_t bytes) {
    const Guard guard(lock_);
    const Result<UserAddr> found = find_free(bytes);
    if (!found) {
        return std::unexpected(found.error());
    }
    area.start = *found;
    area.end = *found + bytes;
    area.file_start = area.start;
    return insert(area);
}

Result<UserAddr> AddressSpace::find_free(std::uint64_t bytes) {
    if (bytes == 0 || bytes > kMappingTop) {
        return std::unexpected(Errno::no_memory);
    }
    UserAddr top = kMappingTop;
    for (Area* area = areas_.back(); area != nullptr; area = Areas::prev(*area)) {
        if (area->start >= top) {
            continue;
        }
        if (area->end <= top && top - area->end >= bytes) {
            break;
        }
        top = area->start;
    }
    if (top < bytes + kLowest || top - bytes < break_) {
        return std::unexpected(Errno::no_memory);
    }
    return top - bytes;
}

void AddressSpace::set_break_start(UserAddr address) {
    break_start_ = page_up(address);
    break_ = break_start_;
}

bool AddressSpace::grow_break(UserAddr old_end, UserAddr new_end) {
    Area* const last = old_end > break_start_ ? find(old_end - 1) : nullptr;
    Area* const after = first_from(old_end);
    if (after != nullptr && after->start < new_end) {
        return false;
    }
    if (last != nullptr && last->committed && last->file == nullptr
        && last->rights == (kRead | kWrite)) {
        if (!promise((new_end - old_end) >> kPageShift)) {
            return false;
        }
        last->end = new_end;
        return true;
    }
    Area area;
    area.start = old_end;
    area.end = new_end;
    area.rights = kRead | kWrite;
    area.committed = true;
    return insert(area).has_value();
}

UserAddr AddressSpace::move_break(UserAddr wanted) {
    const Guard guard(lock_);
    const UserAddr old_end = page_up(break_);
    const UserAddr new_end = page_up(wanted);
    if (wanted < break_start_ || wanted >= kMappingTop) {
        return break_;
    }
    const bool moved = new_end > old_end   ? grow_break(old_end, new_end)
                       : new_end < old_end ? unmap_locked(new_end, old_end).has_value()
                                           : true;
    break_ = moved ? wanted : break_;
    return break_;
}

// The whole page: what the file has of it, zeroes around that.
void AddressSpace::fill(Area& area, UserAddr page, PhysAddr frame) {
    const UserAddr file_end = area.file_start + area.file_bytes;
    const UserAddr from = std::max(page, area.file_start);
    const UserAddr to = std::min(page + kPageSize, file_end);
    auto* const out = direct<std::byte>(frame);
    if (area.file == nullptr || from >= to) {
        __builtin_memset(out, 0, kPageSize);
        return;
    }
    __builtin_memset(out, 0, from - page);
    __builtin_memcpy(out + (from - page), area.file + (from - area.file_start), to - from);
    __builtin_memset(out + (to - page), 0, page + kPageSize - to);
}

PhysAddr AddressSpace::resolve(UserAddr address, std::uint32_t access, bool* no_memory) {
    const UserAddr page = page_down(address);
    Area* const area = address < kUserEnd ? find(address) : nullptr;
    // Readable is whatever can be written or executed: the page tables know no less.
    if (area == nullptr || root_ == 0 || area->rights == 0
        || (access & ~(area->rights | kRead)) != 0) {
        return 0;
    }
    Pte* const pte = user_pte(root_, page, true);
    if (pte == nullptr) {
        *no_memory = true;
        return 0;
    }
    if ((*pte & kPteValid) != 0) {
        return pte_address(*pte);
    }
    const PhysAddr frame = area->shared ? 0 : frames::allocate_for_user();
    if (frame == 0) {
        *no_memory = !area->shared;
        return 0;
    }
    fill(*area, page, frame);
    // The entry comes after the frame's content, for the hart that walks it.
    __atomic_store_n(pte, make_pte(frame, flags_of(area->rights)), __ATOMIC_RELEASE);
    count_resident(1);
    return frame;
}

bool AddressSpace::fault(UserAddr address, std::uint32_t access, bool* no_memory) {
    *no_memory = false;
    const Guard guard(lock_);
    if (resolve(address, access, no_memory) == 0) {
        return false;
    }
    if (access == kExecute) {
        csr::fence_instructions();  // the frame was written as data
        if (const std::uint64_t others = other_harts(); others != 0) {
            sbi::remote_fence_instructions(others);
        }
    }
    flush_page(page_down(address), asid_);
    return true;
}

std::optional<std::uint32_t> AddressSpace::rights_at(UserAddr address) {
    const Guard guard(lock_);
    const Area* const area = find(address);
    return area == nullptr ? std::nullopt : std::optional(area->rights);
}

UserAddr AddressSpace::writable_above(UserAddr address) {
    const Guard guard(lock_);
    const Area* const area = first_from(address);
    const bool counts = area != nullptr && area->start > address && (area->rights & kWrite) != 0;
    return counts ? area->start : 0;
}

bool AddressSpace::read(void* to, UserAddr from, std::size_t bytes) {
    auto* out = static_cast<std::byte*>(to);
    bool no_memory = false;
    while (bytes != 0) {
        const std::size_t offset = from & (kPageSize - 1);
        const std::size_t part = std::min(bytes, kPageSize - offset);
        const Guard guard(lock_);
        const PhysAddr frame = resolve(from, kRead, &no_memory);
        if (frame == 0 || !frames::is_frame(frame)) {
            return false;
        }
        __builtin_memcpy(out, direct<std::byte>(frame) + offset, part);
        out += part;
        from += part;
        bytes -= part;
    }
    return true;
}

bool AddressSpace::write(UserAddr to, const void* from, std::size_t bytes) {
    const auto* in = static_cast<const std::byte*>(from);
    bool no_memory = false;
    while (bytes != 0) {
        const std::size_t offset = to & (kPageSize - 1);
        const std::size_t part = std::min(bytes, kPageSize - offset);
        const Guard guard(lock_);
        const PhysAddr frame = resolve(to, kWrite, &no_memory);
        if (frame == 0 || !frames::is_frame(frame)) {
            return false;
        }
        __builtin_memcpy(direct<std::byte>(frame) + offset, in, part);
        in += part;
        to += part;
        bytes -= part;
    }
    return true;
}

PhysAddr AddressSpace::pin(UserAddr address, std::uint32_t access) {
    bool no_memory = false;
    const Guard guard(lock_);
    const PhysAddr frame = resolve(address, access, &no_memory);
    if (frame == 0 || !frames::is_frame(frame)) {
        return 0;
    }
    frames::pin(frame);
    return frame;
}

}  // namespace kernel
