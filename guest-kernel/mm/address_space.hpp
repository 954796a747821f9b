// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/list.hpp"
#include "base/spinlock.hpp"
#include "base/types.hpp"

#include <cstddef>
#include <cstdint>

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
/// on any hart may reach it. The process itself runs on one hart only: that hart flushes.
class AddressSpace : NoCopy {
public:
    AddressSpace() = default;
    ~AddressSpace() { clear(); }

    Result<void> init(std::uint32_t asid);
    /// Unmaps everything and frees the tables. The hart must not use them any more.
    void clear();

    /// Adds an area in a free range. invalid: not a range of user addresses; exists: overlaps;
    /// no_memory: out of kernel memory, or more private memory than there is would be promised.
    Result<void> map(const Area& area);
    /// Maps a frame or a device page for good.
    Result<void> map_page(UserAddr address, PhysAddr page, std::uint32_t rights);
    Result<void> unmap(UserAddr start, UserAddr end);
    Result<void> protect(UserAddr start, UserAddr end, std::uint32_t rights);
    /// A free range below the last one given out.
    Result<UserAddr> find_free(std::uint64_t bytes);

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

    std::uint64_t satp() const { return satp_; }
    std::uint32_t asid() const { return asid_; }

private:
    using Areas = List<Area, &Area::link>;

    Area* find(UserAddr address);
    Area* first_from(UserAddr start);
    Area* split(Area& area, UserAddr at);
    PhysAddr resolve(UserAddr address, std::uint32_t access, bool* no_memory);
    static void fill(Area& area, UserAddr page, PhysAddr frame);
    void drop_pages(UserAddr start, UserAddr end);
    void remove(Area& area);
    bool may_change(UserAddr start, UserAddr end);
    Result<void> insert(const Area& area);
    Result<void> split_at(UserAddr start, UserAddr end);

    SpinLock lock_{Rank::address_space};
    Areas areas_;
    PhysAddr root_ = 0;
    std::uint64_t satp_ = 0;
    std::uint32_t asid_ = 0;
    UserAddr break_start_ = 0;
    UserAddr break_ = 0;
};

}  // namespace kernel
