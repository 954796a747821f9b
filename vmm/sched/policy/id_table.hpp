// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace vmm::sched {

/// Slots by id: a hash table in one array (linear probing), so that a look-up among 10,000 touches
/// one cache line. `Hash` spreads over all bits.
template <class Id, class Hash>
class IdTable {
public:
    static constexpr std::uint32_t kNone = ~std::uint32_t{0};

    /// The id's slot, or kNone.
    std::uint32_t find(const Id& id) const noexcept {
        for (std::size_t at = home(id); !cells_.empty(); at = next(at)) {
            if (cells_[at].slot == kNone || cells_[at].id == id) {
                return cells_[at].slot;
            }
        }
        return kNone;
    }

    /// The id must not be there.
    void insert(const Id& id, std::uint32_t slot) {
        if (2 * (size_ + 1) > cells_.size()) {
            grow();
        }
        put({id, slot});
        ++size_;
    }

    /// The id must be there.
    void erase(const Id& id) {
        std::size_t hole = home(id);
        while (!(cells_[hole].id == id)) {
            hole = next(hole);
        }
        // What could have been put into the hole moves there, so that no search ends too early.
        for (std::size_t at = next(hole); cells_[at].slot != kNone; at = next(at)) {
            const std::size_t from_home = (at - home(cells_[at].id)) & mask();
            if (from_home >= ((at - hole) & mask())) {
                cells_[hole] = cells_[at];
                hole = at;
            }
        }
        cells_[hole] = {};
        --size_;
    }

private:
    struct Cell {
        Id id{};
        std::uint32_t slot = kNone;  // kNone: free
    };

    std::size_t mask() const noexcept { return cells_.size() - 1; }
    std::size_t home(const Id& id) const noexcept { return Hash{}(id)&mask(); }
    std::size_t next(std::size_t at) const noexcept { return (at + 1) & mask(); }

    void put(const Cell& cell) {
        std::size_t at = home(cell.id);
        while (cells_[at].slot != kNone) {
            at = next(at);
        }
        cells_[at] = cell;
    }
    void grow() {
        std::vector<Cell> old(cells_.empty() ? 16 : 2 * cells_.size());
        old.swap(cells_);
        for (const Cell& cell : old) {
            if (cell.slot != kNone) {
                put(cell);
            }
        }
    }

    std::vector<Cell> cells_;  // a power of two, at most half of them taken
    std::size_t size_ = 0;
};

}  // namespace vmm::sched
