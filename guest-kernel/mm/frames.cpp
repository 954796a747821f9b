// SPDX-License-Identifier: Apache-2.0
#include "mm/frames.hpp"

#include "base/list.hpp"
#include "base/log.hpp"
#include "base/spinlock.hpp"

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

void put(Frame& frame, unsigned order) {
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
    __builtin_memset(map, 0, map_bytes(ram_start, ram_end));
    first = ram_start;
    count = (ram_end - ram_start) >> kPageShift;
}

void add(PhysAddr start, PhysAddr end) {
    const Guard guard(lock);
    for (PhysAddr at = page_up(start); at + kPageSize <= end; at += kPageSize) {
        frame_of(at).order = 0;
        free_block(frame_of(at));
        ++total_frames;
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
    PhysAddr frame = 0;
    {
        const Guard guard(lock);
        const std::uint64_t reserve = 64 + total_frames / 64;
        frame = free_frames > reserve ? allocate_locked(0) : 0;
    }
    if (frame != 0) {
        __builtin_memset(direct(frame), 0, kPageSize);
    }
    return frame;
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
