// SPDX-License-Identifier: Apache-2.0
#include "mm/heap.hpp"

#include "base/log.hpp"
#include "base/spinlock.hpp"
#include "mm/frames.hpp"

#include <bit>

namespace kernel::heap {

namespace {

// Classes 16, 32, ... 2048; a tag is class + 1, kBlock for whole blocks.
constexpr unsigned kClasses = 8;
constexpr std::size_t kSmallest = 16;
constexpr std::uint32_t kBlock = 100;

struct FreeItem {
    FreeItem* next;
};

constinit SpinLock lock{Rank::heap};
constinit FreeItem* free_items[kClasses] = {};

bool refill(unsigned size_class) {
    const PhysAddr frame = frames::allocate();
    if (frame == 0) {
        return false;
    }
    frames::set_tag(frame, size_class + 1);
    const std::size_t bytes = kSmallest << size_class;
    for (std::size_t at = 0; at < kPageSize; at += bytes) {
        auto* const item = direct<FreeItem>(frame + at);
        item->next = free_items[size_class];
        free_items[size_class] = item;
    }
    return true;
}

void* allocate_block(std::size_t bytes) {
    const unsigned order =
        static_cast<unsigned>(std::bit_width((page_up(bytes) >> kPageShift) - 1));
    const PhysAddr block = frames::allocate(order);
    if (block == 0) {
        return nullptr;
    }
    frames::set_tag(block, kBlock);
    return direct(block);
}

}  // namespace

void* allocate(std::size_t bytes) {
    if (bytes > (kSmallest << (kClasses - 1))) {
        return allocate_block(bytes);
    }
    const unsigned size_class =
        bytes <= kSmallest ? 0 : static_cast<unsigned>(std::bit_width((bytes - 1) / kSmallest));
    const Guard guard(lock);
    if (free_items[size_class] == nullptr && !refill(size_class)) {
        return nullptr;
    }
    FreeItem* const item = free_items[size_class];
    free_items[size_class] = item->next;
    return item;
}

void free(void* memory) {
    if (memory == nullptr) {
        return;
    }
    const PhysAddr address = physical(memory);
    const std::uint32_t tag = frames::tag(address);
    if (tag == kBlock) {
        frames::release(address);
        return;
    }
    check(tag != 0 && tag <= kClasses, "freed what the heap did not give");
    const Guard guard(lock);
    auto* const item = static_cast<FreeItem*>(memory);
    item->next = free_items[tag - 1];
    free_items[tag - 1] = item;
}

}  // namespace kernel::heap

// Only through heap::make and coroutine frames; these serve the compiler's deleting destructors.
void operator delete(void* memory) noexcept;
void operator delete(void* memory, std::size_t bytes) noexcept;
void operator delete(void* memory) noexcept {
    kernel::heap::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    kernel::heap::free(memory);
}
