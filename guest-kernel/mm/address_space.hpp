// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/list.hpp"
#include "base/spinlock.hpp"
#include "base/types.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace kernel {

/// What an area allows (and what an access needs).
inline constexpr std::uint32_t kRead = 1;
inline constexpr std::uint32_t kWrite = 2;
inline constexpr std::uint32_t kExecute = 4;

/// A range of user addresses with one kind of content.
struct Area {
    Link<Area> link;
    UserAddr start = 0;
    UserAddr end = 0;  // both page aligned
    std::uint32_t rights = 0;
    bool shared = false;     // frames are the kernel's; mapped from the start, never filled here
    bool committed = false;  // counts against the memory that may be promised
    bool fixed = false;      // the process may neither unmap nor protect it
    /// Private content: file_bytes from file, beginning at address file_start; zeroes elsewhere.
    const std::byte* file = nullptr;
    UserAddr file_start = 0;
    std::uint64_t file_bytes = 0;
};

/// Memory of one process. Filled on demand; its lock guards areas and tables, so kernel coroutines
/// on any hart may reach it. No frame is given back before every hart that has a thread of the
/// process has forgotten it.
class AddressSpace : NoCopy {
public:
    AddressSpace() = default;
    ~AddressSpace() { clear(); }

    Result<void> init(std::uint32_t asid);
    /// Unmaps everything and frees the tables. The hart must not use them any more.
    void clear();

    /// A thread of the process is on the hart from here on, and until leave().
    void enter(unsigned hart) { __atomic_fetch_or(&harts_, 1ULL << hart, __ATOMIC_SEQ_CST); }
    void leave(unsigned hart) { __atomic_fetch_and(&harts_, ~(1ULL << hart), __ATOMIC_SEQ_CST); }
    std::uint64_t harts() const { return __atomic_load_n(&harts_, __ATOMIC_SEQ_CST); }

    /// Adds an area in a free range. invalid: not a range of user addresses; exists: overlaps;
    /// no_memory: out of kernel memory, too many areas, or more private memory than there is would
    /// be promised.
    Result<void> map(const Area& area);
    /// Maps consecutive frames, or pages of a device or of the kernel's image, for good.
    Result<void>
    map_fixed(UserAddr address, PhysAddr first, std::uint32_t rights, std::uint64_t pages = 1);
    Result<void> unmap(UserAddr start, UserAddr end);
    Result<void> protect(UserAddr start, UserAddr end, std::uint32_t rights);
    /// The same in place of what is there: no thread sees the range empty.
    Result<void> replace(const Area& area);
    /// The same as map() where there is room for so many bytes: sets the area's bounds.
    Result<void> map_anywhere(Area& area, std::uint64_t bytes);

    /// Sets the break's start (program loaded).
    void set_break_start(UserAddr address);
    /// Moves the break if it can; returns where it is.
    UserAddr move_break(UserAddr wanted);

    /// Page fault of the process: true when the access may be tried again. *no_memory tells the two
    /// reasons for false apart.
    bool fault(UserAddr address, std::uint32_t access, bool* no_memory);

    /// Copies; never faults. False: some address isn't the process's, or memory is short.
    bool read(void* to, UserAddr from, std::size_t bytes);
    bool write(UserAddr to, const void* from, std::size_t bytes);
    /// The frame at `address`, filled if need be and pinned; the caller unpins it. 0: no such
    /// memory.
    PhysAddr pin(UserAddr address, std::uint32_t access);

    /// What the area at `address` allows; nothing when there is none.
    std::optional<std::uint32_t> rights_at(UserAddr address);
    /// Start of the first area above an address in none, if that area is writable; else 0.
    UserAddr writable_above(UserAddr address);

    /// Private frames filled so far.
    std::uint64_t resident_pages() const {
        return __atomic_load_n(&resident_pages_, __ATOMIC_RELAXED);
    }

    std::uint64_t satp() const { return satp_; }
    std::uint32_t asid() const { return asid_; }

private:
    using Areas = List<Area, &Area::link>;

    Area* find(UserAddr address);
    Area* first_from(UserAddr start);
    bool extend(Area* after, const Area& area);
    Area* add(Area* before, const Area& area);
    Area* split(Area& area, UserAddr at);
    template <typename Visit>
    void for_each_page(UserAddr start, UserAddr end, Visit visit);
    PhysAddr resolve(UserAddr address, std::uint32_t access, bool* no_memory);
    static void fill(Area& area, UserAddr page, PhysAddr frame);
    void drop_pages(const Area& area, UserAddr start, UserAddr end);
    Result<void> unmap_locked(UserAddr start, UserAddr end);
    Result<UserAddr> find_free(std::uint64_t bytes);
    bool grow_break(UserAddr old_end, UserAddr new_end);
    std::uint64_t other_harts() const;
    void flush_elsewhere(UserAddr start, UserAddr end) const;
    static void cut(Area& area, UserAddr start, UserAddr end);
    void count_resident(int change) {
        __atomic_store_n(
            &resident_pages_, resident_pages_ + static_cast<std::uint64_t>(change), __ATOMIC_RELAXED
        );
    }
    void remove(Area& area);
    bool may_change(UserAddr start, UserAddr end);
    Result<void> insert(const Area& area);
    Result<void> split_at(UserAddr start, UserAddr end);

    SpinLock lock_{Rank::address_space};
    Areas areas_;
    unsigned area_count_ = 0;
    std::uint64_t resident_pages_ = 0;  // written under the lock, read by anybody
    PhysAddr root_ = 0;
    std::uint64_t satp_ = 0;
    std::uint32_t asid_ = 0;
    std::uint64_t harts_ = 0;  // atomic
    UserAddr break_start_ = 0;
    UserAddr break_ = 0;
};

}  // namespace kernel
