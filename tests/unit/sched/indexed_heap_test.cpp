// SPDX-License-Identifier: Apache-2.0
#include "sched/policy/id_table.hpp"
#include "sched/policy/indexed_heap.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <set>

namespace vmm::sched {
namespace {

struct Key {
    int value = 0;
    std::uint32_t slot = 0;
    friend auto operator<=>(const Key&, const Key&) = default;
};
using Heap = IndexedHeap<Key, std::less<>>;

TEST(IndexedHeap, a_slot_that_has_no_key_is_erased_in_vain) {
    Heap heap;
    heap.erase(3);
    EXPECT_TRUE(heap.empty());
    heap.set({7, 2});
    heap.erase(3);
    EXPECT_EQ(heap.least().value, 7);
    EXPECT_TRUE(heap.contains(2));
    EXPECT_FALSE(heap.contains(3));
}

RC_GTEST_PROP(IndexedHeap, has_the_least_key_of_all_slots, ()) {
    Heap heap;
    std::map<std::uint32_t, int> keys;
    for (const auto& [slot, value] :
         *rc::gen::container<std::vector<std::pair<std::uint32_t, int>>>(
             rc::gen::pair(rc::gen::inRange(0U, 40U), rc::gen::inRange(-10, 60))
         )) {
        if (value < 0) {
            keys.erase(slot);
            heap.erase(slot);
        } else {
            keys[slot] = value;
            heap.set({value, slot});
        }
        std::set<Key> sorted;
        for (const auto& [of, key] : keys) {
            sorted.insert({key, of});
            RC_ASSERT(heap.contains(of));
        }
        RC_ASSERT(heap.size() == sorted.size());
        RC_ASSERT(heap.empty() == sorted.empty());
        if (!sorted.empty()) {
            RC_ASSERT(heap.least() == *sorted.begin());
        }
        std::set<Key> all;
        for (std::uint32_t i = 0; i < heap.size(); ++i) {
            all.insert(heap.any(i));
        }
        RC_ASSERT(all == sorted);
    }
}

/// Few homes: many ids share one.
struct BadHash {
    std::size_t operator()(std::uint32_t id) const { return id % 5; }
};

RC_GTEST_PROP(IdTable, finds_what_was_inserted_and_not_erased, ()) {
    IdTable<std::uint32_t, BadHash> table;
    std::map<std::uint32_t, std::uint32_t> slots;
    for (const std::uint32_t id :
         *rc::gen::container<std::vector<std::uint32_t>>(rc::gen::inRange(0U, 40U))) {
        if (slots.contains(id)) {
            table.erase(id);
            slots.erase(id);
        } else {
            slots[id] = id + 100;
            table.insert(id, id + 100);
        }
        for (std::uint32_t other = 0; other < 40; ++other) {
            const auto found = slots.find(other);
            RC_ASSERT(table.find(other) == (found == slots.end() ? table.kNone : found->second));
        }
    }
}

}  // namespace
}  // namespace vmm::sched
