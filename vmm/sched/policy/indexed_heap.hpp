// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace vmm::sched {

/// At most one key for each slot (a small number, `key.slot`), and the least of all keys at hand. A
/// heap of four children a node: 10,000 keys are seven steps deep. The children of a node lie in
/// one group, which for keys of 16 bytes is one cache line. set() and erase() cost O(log n), the
/// rest O(1). `Less` orders keys totally.
template <class Key, class Less>
class IndexedHeap {
public:
    explicit IndexedHeap(Less less = {})
        : less_(less) {}

    bool empty() const noexcept { return size_ == 0; }
    std::uint32_t size() const noexcept { return size_; }
    const Key& least() const noexcept { return node(0); }
    /// The keys in no particular order, `index` below size().
    const Key& any(std::uint32_t index) const noexcept { return node(index); }
    bool contains(std::uint32_t slot) const noexcept {
        return slot < positions_.size() && positions_[slot] != kAbsent;
    }

    /// Inserts the key of its slot or replaces it.
    void set(const Key& key) {
        if (key.slot >= positions_.size()) {
            positions_.resize(key.slot + 1, kAbsent);
        }
        std::uint32_t at = positions_[key.slot];
        if (at == kAbsent) {
            at = size_++;
            if (group_of(at) == groups_.size()) {
                groups_.emplace_back();
            }
            rise(at, key);
        } else if (less_(key, node(at))) {
            rise(at, key);
        } else {
            sink(at, key);
        }
    }

    /// Takes the slot's key out, if it has one.
    void erase(std::uint32_t slot) {
        if (!contains(slot)) {
            return;
        }
        const std::uint32_t at = positions_[slot];
        positions_[slot] = kAbsent;
        const Key last = node(--size_);
        if (at == size_) {
            return;
        }
        if (at != 0 && less_(last, node((at - 1) / kChildren))) {
            rise(at, last);
        } else {
            sink(at, last);
        }
    }

private:
    static constexpr std::uint32_t kAbsent = ~std::uint32_t{0};
    static constexpr std::uint32_t kChildren = 4;

    /// Nodes 4g - 3 to 4g: the children of node g - 1. The root is the last of the first group.
    struct alignas(kChildren * sizeof(Key)) Group {
        Key keys[kChildren];
    };

    static std::uint32_t group_of(std::uint32_t at) noexcept { return (at + 3) / kChildren; }
    Key& node(std::uint32_t at) noexcept {
        return groups_[group_of(at)].keys[(at + 3) % kChildren];
    }
    const Key& node(std::uint32_t at) const noexcept {
        return groups_[group_of(at)].keys[(at + 3) % kChildren];
    }
    void place(std::uint32_t at, const Key& key) {
        node(at) = key;
        positions_[key.slot] = at;
    }
    void rise(std::uint32_t at, const Key& key) {
        while (at != 0) {
            const std::uint32_t parent = (at - 1) / kChildren;
            if (!less_(key, node(parent))) {
                break;
            }
            place(at, node(parent));
            at = parent;
        }
        place(at, key);
    }
    void sink(std::uint32_t at, const Key& key) {
        for (;;) {
            const std::uint32_t first = at * kChildren + 1;
            if (first >= size_) {
                break;
            }
            const std::uint32_t least = first + least_of(groups_[at + 1], size_ - first);
            if (!less_(node(least), key)) {
                break;
            }
            place(at, node(least));
            at = least;
        }
        place(at, key);
    }
    /// Which of the first `count` keys of the group is the least. Sums instead of branches, which
    /// would be guessed wrong every other time.
    std::uint32_t least_of(const Group& group, std::uint32_t count) const {
        const Key* keys = group.keys;
        if (count >= kChildren) {
            const std::uint32_t low = less_(keys[1], keys[0]) ? 1U : 0U;
            const std::uint32_t high = 2U + (less_(keys[3], keys[2]) ? 1U : 0U);
            const std::uint32_t is_high = less_(keys[high], keys[low]) ? 1U : 0U;
            return low + (high - low) * is_high;
        }
        std::uint32_t least = 0;
        for (std::uint32_t child = 1; child < count; ++child) {
            least = less_(keys[child], keys[least]) ? child : least;
        }
        return least;
    }

    [[no_unique_address]] Less less_;
    std::uint32_t size_ = 0;
    std::vector<Group> groups_;
    std::vector<std::uint32_t> positions_;  // by slot: where its key is
};

}  // namespace vmm::sched
