// SPDX-License-Identifier: Apache-2.0
#include "device/queue.hpp"

#include "device/access.hpp"

#include <virtio/virtio_ring.h>

#include <bit>

namespace virtio_cops {
namespace {

/// Descriptors of one chain: more than any request can use, few enough to be read at leisure.
constexpr std::uint32_t kMaxChain = 1024;

bool aligned(std::uint64_t address, std::uint64_t alignment) {
    return address % alignment == 0;
}

vring_desc read_descriptor(const std::byte* at) {
    vring_desc copy;
    copy_from_guest(bytes_of(copy), at);
    return copy;
}

}  // namespace

struct Queue::Table {
    const std::byte* at = nullptr;
    std::uint64_t count = 0;
    bool indirect = false;
};

bool Queue::open(Memory& memory, const QueueState& state, bool indirect) {
    close();
    if (!std::has_single_bit(state.size) || state.size > 0x8000
        || !aligned(state.desc, VRING_DESC_ALIGN_SIZE)
        || !aligned(state.avail, VRING_AVAIL_ALIGN_SIZE)
        || !aligned(state.used, VRING_USED_ALIGN_SIZE)) {
        return false;
    }
    const std::uint64_t size = state.size;
    desc_ = memory.readable(state.desc, size * sizeof(vring_desc));
    avail_ = memory.readable(state.avail, sizeof(vring_avail) + size * 2);
    used_ = memory.writable(state.used, sizeof(vring_used) + size * sizeof(vring_used_elem));
    if (desc_ == nullptr || avail_ == nullptr || used_ == nullptr) {
        return false;
    }
    memory_ = &memory;
    state_ = state;
    indirect_ = indirect;
    return true;
}

std::uint16_t Queue::offered() noexcept {
    // Acquire: pairs with the driver's release of the index; ring entries and descriptors that it
    // wrote before are visible.
    const auto index =
        load_word<std::uint16_t>(avail_ + offsetof(vring_avail, idx), __ATOMIC_ACQUIRE);
    return static_cast<std::uint16_t>(index - state_.next_avail);
}

const char* Queue::take(Chain& chain) {
    chain.readable.clear();
    chain.writable.clear();
    const std::size_t entry = state_.next_avail++ & (state_.size - 1);
    chain.head = load_word<std::uint16_t>(avail_ + sizeof(vring_avail) + entry * 2);
    if (chain.head >= state_.size) {
        return "available ring names a descriptor beyond the queue";
    }
    return follow(chain, {desc_, state_.size, false}, chain.head);
}

const char* Queue::follow(Chain& chain, Table table, std::uint32_t index) {
    for (std::uint32_t steps = 0;;) {
        if (++steps > kMaxChain || (!table.indirect && steps > state_.size)) {
            return "descriptor chain is a loop or too long";
        }
        if (index >= table.count) {
            return "descriptor chain leaves its table";
        }
        const vring_desc desc = read_descriptor(table.at + index * sizeof(vring_desc));
        if ((desc.flags & VRING_DESC_F_INDIRECT) != 0) {
            if (!indirect_ || table.indirect || (desc.flags & VRING_DESC_F_NEXT) != 0
                || desc.len == 0 || desc.len % sizeof(vring_desc) != 0
                || !aligned(desc.addr, alignof(vring_desc))) {
                return "indirect descriptor is not allowed or malformed";
            }
            table = {memory_->readable(desc.addr, desc.len), desc.len / sizeof(vring_desc), true};
            if (table.at == nullptr) {
                return "indirect table lies outside of memory";
            }
            index = 0;
            continue;
        }
        const bool written = (desc.flags & VRING_DESC_F_WRITE) != 0;
        if (!written && !chain.writable.empty()) {
            return "device-readable descriptor after a device-writable one";
        }
        if (desc.len != 0) {
            (written ? chain.writable : chain.readable).push_back({desc.addr, desc.len});
        }
        if ((desc.flags & VRING_DESC_F_NEXT) == 0) {
            return nullptr;
        }
        index = desc.next;
    }
}

void Queue::put_used(std::uint16_t head, std::uint32_t written) noexcept {
    const std::uint64_t at =
        sizeof(vring_used) + (state_.next_used & (state_.size - 1)) * sizeof(vring_used_elem);
    store_word<std::uint32_t>(used_ + at + offsetof(vring_used_elem, id), head);
    store_word<std::uint32_t>(used_ + at + offsetof(vring_used_elem, len), written);
    memory_->note_write(state_.used + at, sizeof(vring_used_elem));
    ++state_.next_used;
    // Release: pairs with the driver's acquire load of the index.
    store_word<std::uint16_t>(
        used_ + offsetof(vring_used, idx), state_.next_used, __ATOMIC_RELEASE
    );
    memory_->note_write(state_.used, sizeof(vring_used));
}

bool Queue::wants_interrupt() noexcept {
    if (avail_ == nullptr) {
        return false;  // a saved state may claim completions of a queue that it never opened
    }
    // The used index must be out before the driver's wish is read (virtio 1.2, 2.7.7.2).
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return (load_word<std::uint16_t>(avail_) & VRING_AVAIL_F_NO_INTERRUPT) == 0;
}

}  // namespace virtio_cops
