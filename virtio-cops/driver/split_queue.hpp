// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "driver/mmio.hpp"

#include <virtio/virtio_ring.h>

#include <cstddef>
#include <cstdint>

namespace virtio_cops {

/// One used entry.
struct UsedEntry {
    std::uint16_t head = 0;
    std::uint32_t written = 0;
};

/// Driver side of a split virtqueue in which every chain is one indirect table, so that as many
/// requests fit in flight as the queue has descriptors. Memory is the caller's. Not locked.
class SplitQueue {
public:
    /// Bytes that init() needs for `size` (a power of two) descriptors; 16-byte aligned.
    static constexpr std::size_t bytes(std::uint16_t size) {
        return used_offset(size) + sizeof(vring_used) + size * sizeof(vring_used_elem) + 2;
    }

    /// `memory` lies at guest-physical `address` in one piece.
    void init(void* memory, std::uint64_t address, std::uint16_t size);
    QueueAddresses addresses() const;
    std::uint16_t size() const { return size_; }

    /// A free descriptor, or -1. It is the caller's until offer() and from its used entry on.
    int allocate();
    void release(std::uint16_t head);

    /// Makes the chain in the indirect table at `table` (guest-physical, `count` descriptors)
    /// available under `head`.
    void offer(std::uint16_t head, std::uint64_t table, std::uint16_t count);
    /// True when the device wants to be notified of what was offered since the last call.
    bool wants_notify() const;
    /// The next used entry. False: none, or the ring is broken().
    bool take_used(UsedEntry* entry);
    bool broken() const { return broken_; }

private:
    static constexpr std::size_t avail_offset(std::uint16_t size) {
        return size * sizeof(vring_desc);
    }
    static constexpr std::size_t used_offset(std::uint16_t size) {
        const std::size_t end = avail_offset(size) + sizeof(vring_avail) + size * 2u + 2;
        return (end + VRING_USED_ALIGN_SIZE - 1) & ~std::size_t{VRING_USED_ALIGN_SIZE - 1};
    }

    vring_desc* desc_ = nullptr;
    vring_avail* avail_ = nullptr;
    vring_used* used_ = nullptr;
    std::uint64_t address_ = 0;
    std::uint16_t size_ = 0;
    std::uint16_t next_avail_ = 0;
    std::uint16_t next_used_ = 0;
    std::uint16_t free_ = 0;  // head of the free list, linked through vring_desc::next
    std::uint16_t free_count_ = 0;
    bool broken_ = false;
};

inline void SplitQueue::init(void* memory, std::uint64_t address, std::uint16_t size) {
    auto* const base = static_cast<std::byte*>(memory);
    __builtin_memset(base, 0, bytes(size));
    desc_ = reinterpret_cast<vring_desc*>(base);
    avail_ = reinterpret_cast<vring_avail*>(base + avail_offset(size));
    used_ = reinterpret_cast<vring_used*>(base + used_offset(size));
    address_ = address;
    size_ = size;
    next_avail_ = 0;
    next_used_ = 0;
    free_ = 0;
    free_count_ = size;
    broken_ = false;
    for (std::uint16_t i = 0; i < size; ++i) {
        desc_[i].next = static_cast<std::uint16_t>(i + 1);
    }
}

inline QueueAddresses SplitQueue::addresses() const {
    return {size_, address_, address_ + avail_offset(size_), address_ + used_offset(size_)};
}

inline int SplitQueue::allocate() {
    if (free_count_ == 0) {
        return -1;
    }
    const std::uint16_t head = free_;
    free_ = desc_[head].next;
    --free_count_;
    return head;
}

inline void SplitQueue::release(std::uint16_t head) {
    desc_[head].next = free_;
    free_ = head;
    ++free_count_;
}

inline void SplitQueue::offer(std::uint16_t head, std::uint64_t table, std::uint16_t count) {
    desc_[head].addr = table;
    desc_[head].len = static_cast<std::uint32_t>(count * sizeof(vring_desc));
    desc_[head].flags = VRING_DESC_F_INDIRECT;
    desc_[head].next = 0;
    avail_->ring[next_avail_ & (size_ - 1)] = head;
    ++next_avail_;
    // Release: a device that reads the index sees the entry, the descriptor and the table.
    __atomic_store_n(&avail_->idx, next_avail_, __ATOMIC_RELEASE);
}

inline bool SplitQueue::wants_notify() const {
    // The index must be out before the device's wish is read (virtio 1.2, 2.7.13.4.1).
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return (__atomic_load_n(&used_->flags, __ATOMIC_RELAXED) & VRING_USED_F_NO_NOTIFY) == 0;
}

inline bool SplitQueue::take_used(UsedEntry* entry) {
    // Acquire: pairs with the device's release store; what it wrote before is visible.
    const std::uint16_t published = __atomic_load_n(&used_->idx, __ATOMIC_ACQUIRE);
    if (broken_ || published == next_used_) {
        return false;
    }
    const vring_used_elem element = used_->ring[next_used_ & (size_ - 1)];
    if (element.id >= size_ || static_cast<std::uint16_t>(published - next_used_) > size_) {
        broken_ = true;
        return false;
    }
    ++next_used_;
    *entry = {static_cast<std::uint16_t>(element.id), element.len};
    return true;
}

}  // namespace virtio_cops
