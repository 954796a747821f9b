// SPDX-License-Identifier: Apache-2.0
#include "mm/frames.hpp"

#include "base/list.hpp"
#include "base/log.hpp"
#include "base/spinlock.hpp"

#include <algorithm>
#include <bit>

namespace kernel::frames {

namespace {

struct Frame {
    Link<Frame> link;          // free list of its order
    std::uint32_t references;  // 0 = free, or inside of a block
    std::uint32_t pins;
    std::uint32_t tag;
    std::uint8_t order;
    bool free;  // first frame of a free block
};

constexpr std::uint64_t kLargest = std::uint64_t{1} << (kOrders - 1);

constinit SpinLock lock{Rank::frames};
constinit Frame* map = nullptr;
constinit PhysAddr first = 0;
constinit std::uint64_t count = 0;
constinit List<Frame, &Frame::link> free_blocks[kOrders];
constinit std::uint64_t total_frames = 0;
constinit std::uint64_t free_frames = 0;
constinit std::uint64_t pinned_frames = 0;

Frame& frame_of(PhysAddr address) {
    return map[(address - first) >> kPageShift];
}
PhysAddr address_of(const Frame& frame) {
    return first + (static_cast<std::uint64_t>(&frame - map) << kPageShift);
}

// The entry of a block's first frame is made here, so the map needs no clearing: a frame whose
// entry was never made lies inside a free block, and nobody asks for it.
void put(Frame& frame, unsigned order) {
    frame = {};
    frame.order = static_cast<std::uint8_t>(order);
    frame.free = true;
    free_blocks[order].push_back(frame);
}

void free_block(Frame& block) {
    std::uint64_t index = static_cast<std::uint64_t>(&block - map);
    unsigned order = block.order;
    free_frames += std::uint64_t{1} << order;
    for (; order + 1 < kOrders; ++order) {
        const std::uint64_t buddy = index ^ (std::uint64_t{1} << order);
        if (buddy >= count || !map[buddy].free || map[buddy].order != order) {
            break;
        }
        free_blocks[order].remove(map[buddy]);
        map[buddy].free = false;
        index &= ~(std::uint64_t{1} << order);
    }
    put(map[index], order);
}

PhysAddr allocate_locked(unsigned order) {
    unsigned found = order;
    while (found < kOrders && free_blocks[found].empty()) {
        ++found;
    }
    if (found >= kOrders) {
        return 0;
    }
    Frame& block = *free_blocks[found].pop_front();
    block.free = false;
    while (found > order) {
        --found;
        put(*(&block + (std::uint64_t{1} << found)), found);
    }
    block.order = static_cast<std::uint8_t>(order);
    block.references = 1;
    block.pins = 0;
    block.tag = 0;
    free_frames -= std::uint64_t{1} << order;
    return address_of(block);
}

std::uint64_t kept_back() {
    return 64 + total_frames / 64;
}

void release_locked(PhysAddr frame) {
    Frame& block = frame_of(frame);
    check(block.references != 0, "frame released twice");
    if (--block.references == 0) {
        free_block(block);
    }
}

}  // namespace

std::size_t map_bytes(PhysAddr ram_start, PhysAddr ram_end) {
    return page_up(((ram_end - ram_start) >> kPageShift) * sizeof(Frame));
}

void init(PhysAddr ram_start, PhysAddr ram_end, PhysAddr where) {
    map = direct<Frame>(where);
    first = ram_start;
    count = (ram_end - ram_start) >> kPageShift;
}

void reserve(PhysAddr start, PhysAddr end) {
    for (PhysAddr at = start; at < end; at += kPageSize) {
        frame_of(at) = {};
        frame_of(at).references = 1;  // Processes map some, the vDSO, and give theirs back.
    }
}

void add(PhysAddr start, PhysAddr end) {
    const Guard guard(lock);
    std::uint64_t index = (start - first) >> kPageShift;
    const std::uint64_t limit = (end - first) >> kPageShift;
    while (index < limit) {
        // The largest block that begins here and ends in the range: no two of them are buddies.
        const auto aligned = static_cast<unsigned>(std::countr_zero(index | kLargest));
        const auto fits = static_cast<unsigned>(std::bit_width(limit - index) - 1);
        const unsigned order = std::min(aligned, fits);
        put(map[index], order);
        index += std::uint64_t{1} << order;
        free_frames += std::uint64_t{1} << order;
        total_frames += std::uint64_t{1} << order;
    }
}

PhysAddr allocate(unsigned order) {
    const Guard guard(lock);
    return order < kOrders ? allocate_locked(order) : 0;
}

PhysAddr allocate_zeroed() {
    const PhysAddr frame = allocate(0);
    if (frame != 0) {
        __builtin_memset(direct(frame), 0, kPageSize);
    }
    return frame;
}

PhysAddr allocate_for_user() {
    const Guard guard(lock);
    return free_frames > kept_back() ? allocate_locked(0) : 0;
}

PhysAddr allocate_zeroed_for_user() {
    const PhysAddr frame = allocate_for_user();
    if (frame != 0) {
        __builtin_memset(direct(frame), 0, kPageSize);
    }
    return frame;
}

bool are_scarce() {
    const Guard guard(lock);
    return free_frames <= kept_back();
}

bool is_frame(PhysAddr address) {
    return address >= first && (address - first) >> kPageShift < count;
}

void retain(PhysAddr frame) {
    const Guard guard(lock);
    ++frame_of(frame).references;
}

void release(PhysAddr frame) {
    const Guard guard(lock);
    release_locked(frame);
}

void pin(PhysAddr frame) {
    const Guard guard(lock);
    ++frame_of(frame).references;
    ++frame_of(frame).pins;
    ++pinned_frames;
}

void unpin(PhysAddr frame) {
    const Guard guard(lock);
    check(frame_of(frame).pins != 0, "frame unpinned twice");
    --frame_of(frame).pins;
    --pinned_frames;
    release_locked(frame);
}

std::uint64_t total() {
    return total_frames;
}
std::uint64_t available() {
    return __atomic_load_n(&free_frames, __ATOMIC_RELAXED);
}
std::uint64_t pinned() {
    return __atomic_load_n(&pinned_frames, __ATOMIC_RELAXED);
}

void set_tag(PhysAddr frame, std::uint32_t tag) {
    frame_of(frame).tag = tag;
}
std::uint32_t tag(PhysAddr address) {
    return frame_of(page_down(address)).tag;
}
unsigned order_of(PhysAddr frame) {
    return frame_of(frame).order;
}

}  // namespace kernel::frames
