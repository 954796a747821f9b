// SPDX-License-Identifier: Apache-2.0
// Lists and spin locks.
#include "base/list.hpp"
#include "base/spinlock.hpp"
#include "selftest/selftest.hpp"

namespace kernel::selftest {

namespace {

struct Item {
    int value = 0;
    Link<Item> link;
    Link<Item> other;
};
using Items = kernel::List<Item, &Item::link>;

bool has(const Items& items, std::initializer_list<int> values) {
    const Item* item = items.front();
    const Item* last = nullptr;
    for (const int value : values) {
        if (item == nullptr || item->value != value || Items::prev(*item) != last) {
            return false;
        }
        last = item;
        item = Items::next(*item);
    }
    return item == nullptr && items.back() == last && items.empty() == (values.size() == 0);
}

void list_keeps_order(Outcome& outcome) {
    Item a{1, {}, {}}, b{2, {}, {}}, c{3, {}, {}};
    Items items;
    outcome.holds(has(items, {}), "empty at first");
    outcome.holds(items.pop_front() == nullptr, "nothing to pop");
    items.push_back(b);
    items.insert_before(&b, a);
    items.insert_before(nullptr, c);
    outcome.holds(has(items, {1, 2, 3}), "before the first, and at the end");
    items.remove(b);
    outcome.holds(has(items, {1, 3}), "without the middle one");
    items.insert_before(&c, b);
    outcome.holds(has(items, {1, 2, 3}), "back in the middle");
    items.remove(c);
    outcome.holds(has(items, {1, 2}), "without the last one");
    outcome.holds(items.pop_front() == &a && has(items, {2}), "the first one popped");
    items.remove(b);
    outcome.holds(has(items, {}), "empty again");
}

void list_unlinks_what_it_removes(Outcome& outcome) {
    Item a, b;
    Items items;
    kernel::List<Item, &Item::other> others;
    items.push_back(a);
    items.push_back(b);
    others.push_back(b);
    items.remove(a);
    outcome.holds(!a.link.linked && a.link.next == nullptr, "the removed one is in no list");
    outcome.holds(b.link.linked && b.other.linked, "the other one is in both of its lists");
    items.remove(b);
    outcome.holds(others.front() == &b && b.other.linked, "through another link it stays");
}

struct Counter {
    SpinLock lock{Rank::run_queue};
    std::uint64_t value = 0;
    std::uint32_t inside = 0;
    bool overlap = false;
};

constexpr std::uint64_t kRounds = 2000;

void count(unsigned, void* argument) {
    Counter& counter = *static_cast<Counter*>(argument);
    for (std::uint64_t i = 0; i < kRounds; ++i) {
        const Guard guard(counter.lock);
        counter.overlap = counter.overlap || ++counter.inside != 1;
        ++counter.value;  // not atomic: the lock is what makes it right
        --counter.inside;
    }
}

Async<void> lock_lets_one_hart_in(Outcome& outcome) {
    Counter counter;
    Async<void> work = on_every_hart(&count, &counter);
    if (outcome.holds(work.valid(), "memory for the work")) {
        co_await work;
        outcome.holds(!counter.overlap, "nobody else was inside");
        outcome.equal(counter.value, kRounds * count_harts(), "every increment counted");
    }
}

void lock_ranks_are_given_back(Outcome& outcome) {
    SpinLock low{Rank::process};
    SpinLock high{Rank::frames};
    const std::uint32_t before = this_cpu().held_ranks;
    {
        const Guard first(low);
        const Guard second(high);
        outcome.holds(this_cpu().held_ranks != before, "ranks are noted in this image");
    }
    outcome.equal(this_cpu().held_ranks, before, "ranks held after both");
}

constexpr Test kTests[] = {
    {"list.keeps_order", &list_keeps_order},
    {"list.unlinks_what_it_removes", &list_unlinks_what_it_removes},
    {"spinlock.lets_one_hart_in", &lock_lets_one_hart_in},
    {"spinlock.ranks_are_given_back", &lock_ranks_are_given_back},
};

}  // namespace

std::span<const Test> base_tests() {
    return kTests;
}

}  // namespace kernel::selftest
