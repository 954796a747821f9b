// SPDX-License-Identifier: Apache-2.0
// Kernel coroutines: levels, wakes, events, memory.
#include "exec/coroutine.hpp"
#include "exec/hart.hpp"
#include "exec/wait.hpp"
#include "selftest/frame_chain.hpp"
#include "selftest/selftest.hpp"

namespace kernel::selftest {

namespace {

/// Who ran, in order. Pinned coroutines of one hart need no lock.
struct Log {
    unsigned entries[64] = {};
    unsigned count = 0;

    void add(unsigned entry) {
        if (count < std::size(entries)) {
            entries[count++] = entry;
        }
    }
};

// Tests run at a level above all of these, so those begin when the test lets them.
Async<void> note(Log* log, unsigned entry) {
    log->add(entry);
    co_return;
}

Async<void> note_twice(Log* log, unsigned entry) {
    log->add(entry);
    co_await Yield{};
    log->add(entry + 100);
}

constexpr std::uint32_t kHere = COPS_SPAWN_PINNED;

/// Lets what was spawned here run, down to the level.
Async<void> let_run(std::uint32_t level) {
    const cops_task_id self = current_task();
    cops_executor_set_level(&this_cpu().executor, self, level);
    co_await Yield{};
    cops_executor_set_level(&this_cpu().executor, self, 0);
    co_await Yield{};
}

Async<void> urgent_ones_run_first(Outcome& outcome) {
    Log log;
    for (const unsigned level : {30u, 10u, 20u, 10u, 5u}) {
        outcome.holds(spawn(note(&log, level), level, kHere) != 0, "spawned");
    }
    outcome.equal(log.count, 0, "none runs before this one gives way");
    Async<void> rest = let_run(40);
    co_await rest;
    constexpr unsigned kOrder[] = {5, 10, 10, 20, 30};
    if (outcome.equal(log.count, std::size(kOrder), "all ran")) {
        for (unsigned i = 0; i < log.count; ++i) {
            outcome.equal(log.entries[i], kOrder[i], "in the order of levels");
        }
    }
}

Async<void> equals_take_turns(Outcome& outcome) {
    Log log;
    for (unsigned i = 0; i < 3; ++i) {
        outcome.holds(spawn(note_twice(&log, i), 20, kHere) != 0, "spawned");
    }
    Async<void> rest = let_run(40);
    co_await rest;
    constexpr unsigned kOrder[] = {0, 1, 2, 100, 101, 102};
    if (outcome.equal(log.count, std::size(kOrder), "all ran twice")) {
        for (unsigned i = 0; i < log.count; ++i) {
            outcome.equal(log.entries[i], kOrder[i], "one after the other");
        }
    }
}

Async<std::uint64_t> sum_to(std::uint64_t n) {
    if (n == 0) {
        co_return 0;
    }
    Async<std::uint64_t> rest = sum_to(n - 1);
    co_return rest.valid() ? n + co_await rest : 0;
}

Async<void> results_come_back(Outcome& outcome) {
    Async<std::uint64_t> sum = sum_to(1000);
    outcome.holds(sum.valid(), "memory for it");
    outcome.equal(co_await sum, 500'500, "a thousand deep, each with its own");
}

Async<void> wake_before_suspend_is_kept(Outcome& outcome) {
    wake_task(current_task());
    wake_task(current_task());
    co_await Suspend{};  // would never end if the wake were lost
    cops_executor_signal(&this_cpu().executor, current_task(), 42);
    const std::int64_t result = co_await Event{};
    outcome.equal(result, 42, "the result of an event that came first");
}

Async<void> sleep_once(unsigned* woken) {
    co_await Suspend{};
    ++*woken;
}

Async<void> stale_ids_wake_nobody(Outcome& outcome) {
    Log log;
    const cops_task_id stale = spawn(note(&log, 1), 20, kHere);
    Async<void> rest = let_run(40);
    co_await rest;
    unsigned woken = 0;
    const cops_task_id live = spawn(sleep_once(&woken), 20, kHere);
    Async<void> more = let_run(40);
    co_await more;
    cops_executor_context* const context = &this_cpu().executor;
    outcome.equal(
        static_cast<std::uint32_t>(stale), static_cast<std::uint32_t>(live), "same place"
    );
    for (const cops_task_id id :
         {stale, live + (cops_task_id{1} << 32), cops_task_id{0}, ~cops_task_id{0}}) {
        outcome.holds(cops_executor_wake(context, id) != 0, "an error");
        outcome.holds(cops_executor_signal(context, id, 1) != 0, "for a signal too");
        outcome.holds(cops_executor_alive(context, id) == 0, "and not alive");
    }
    Async<void> still = let_run(40);
    co_await still;
    outcome.equal(woken, 0, "the live one sleeps on");
    wake_task(live);
    Async<void> last = let_run(40);
    co_await last;
    outcome.equal(woken, 1, "until it is meant");
}

Async<void> fails_without_memory(Outcome& outcome) {
    Log log;
    {
        FrameChain chain;
        chain.take_all(0);
        // What the heap holds in stock first, whatever the size of a frame.
        Log* const to = &log;
        unsigned spawned = 0;
        while (spawned < 10'000 && spawn(note(to, 1), 20, kHere) != 0) {
            ++spawned;
        }
        outcome.holds(spawned < 10'000, "a spawn fails, and says so");
        chain.give_back();
    }
    Async<void> rest = let_run(40);
    co_await rest;
    const unsigned before = log.count;
    log.count = 0;
    outcome.holds(spawn(note(&log, 7), 20, kHere) != 0, "with memory it works again");
    Async<void> more = let_run(40);
    co_await more;
    outcome.holds(before <= std::size(log.entries) && log.count == 1, "and runs");
    outcome.equal(log.entries[0], 7, "as it should");
}

struct Baton {
    cops_task_id owner = 0;
    std::uint64_t rounds = 0;
};

constexpr std::uint64_t kHandovers = 3000;

Async<void> partner(Baton* baton) {
    for (std::uint64_t i = 0; i < kHandovers; ++i) {
        co_await Suspend{};
        ++baton->rounds;
        wake_task(baton->owner);
    }
}

// Not pinned: with several harts the two are stolen to and fro and wake one another across them.
Async<void> no_wake_is_lost(Outcome& outcome) {
    Baton baton{current_task(), 0};
    const cops_task_id other = spawn(partner(&baton), 0);
    if (!outcome.holds(other != 0, "spawned")) {
        co_return;
    }
    for (std::uint64_t i = 0; i < kHandovers; ++i) {
        wake_task(other);
        co_await Suspend{};
    }
    outcome.equal(baton.rounds, kHandovers, "each wake was answered by one");
}

Async<void> wait_in(WaitList* list, Log* log) {
    Waiter waiter;
    {
        const Guard guard(list->lock());
        list->add_locked(waiter);
    }
    log->add(static_cast<unsigned>(co_await Event{}));
}

Async<void> wait_lists_signal_everybody(Outcome& outcome) {
    WaitList list(Rank::wait_list);
    Log log;
    for (unsigned i = 0; i < 3; ++i) {
        outcome.holds(spawn(wait_in(&list, &log), 20, kHere) != 0, "spawned");
    }
    Async<void> rest = let_run(40);
    co_await rest;
    outcome.equal(log.count, 0, "they wait");
    list.signal_all(9);
    Async<void> more = let_run(40);
    co_await more;
    outcome.equal(log.count, 3, "all of them were told");
    outcome.equal(log.entries[0], 9, "what there was to tell");
    Waiter never;
    outcome.holds(!list.cancel(never, 1), "who does not wait cannot be cancelled");
}

constexpr Test kTests[] = {
    {"coroutine.urgent_ones_run_first", &urgent_ones_run_first},
    {"coroutine.equals_take_turns", &equals_take_turns},
    {"coroutine.results_come_back", &results_come_back},
    {"coroutine.wake_before_suspend_is_kept", &wake_before_suspend_is_kept},
    {"coroutine.stale_ids_wake_nobody", &stale_ids_wake_nobody},
    {"coroutine.fails_without_memory", &fails_without_memory},
    {"coroutine.no_wake_is_lost", &no_wake_is_lost},
    {"coroutine.wait_lists_signal_everybody", &wait_lists_signal_everybody},
};

}  // namespace

std::span<const Test> coroutine_tests() {
    return kTests;
}

}  // namespace kernel::selftest
