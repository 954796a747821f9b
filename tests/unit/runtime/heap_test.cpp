// SPDX-License-Identifier: Apache-2.0
// The intrusive heap behind queues of waiters and timers, against a sorted list.
#include <cops/sync/detail/heap.hpp>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <deque>
#include <vector>

namespace {

struct Item {
    cops::detail::HeapLinks<Item> links;
    unsigned key;
    unsigned turn;

    [[nodiscard]] bool before(const Item& other) const {
        return key != other.key ? key < other.key : turn < other.turn;
    }
};

RC_GTEST_PROP(Heap, agrees_with_a_sorted_list, ()) {
    cops::detail::Heap<Item> heap;
    std::deque<Item> items;     // Stay where they are.
    std::vector<Item*> inside;  // Sorted.
    const auto steps = *rc::gen::inRange(1, 300);
    for (int step = 0; step < steps; ++step) {
        const auto action = *rc::gen::inRange(0, 5);
        if (action <= 2 || inside.empty()) {
            items.push_back({{}, *rc::gen::inRange(0u, 8u), static_cast<unsigned>(step)});
            Item& item = items.back();
            heap.push(item);
            inside.insert(
                std::ranges::find_if(inside, [&](Item* other) { return item.before(*other); }),
                &item
            );
        } else if (action == 3) {
            RC_ASSERT(heap.pop() == inside.front());
            inside.erase(inside.begin());
        } else {
            const auto at = *rc::gen::inRange<std::size_t>(0, inside.size());
            heap.remove(*inside[at]);
            inside.erase(inside.begin() + static_cast<std::ptrdiff_t>(at));
        }
        RC_ASSERT(heap.top() == (inside.empty() ? nullptr : inside.front()));
        RC_ASSERT(heap.empty() == inside.empty());
    }
    for (Item* item : inside) {
        RC_ASSERT(heap.pop() == item);
    }
    RC_ASSERT(heap.pop() == nullptr);
}

}  // namespace
