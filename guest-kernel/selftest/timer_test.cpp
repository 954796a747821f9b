// SPDX-License-Identifier: Apache-2.0
#include "arch/riscv64/csr.hpp"
#include "exec/hart.hpp"
#include "exec/timer.hpp"
#include "selftest/selftest.hpp"

namespace kernel::selftest {

namespace {

constexpr std::uint64_t kMillisecond = 1'000'000;

void units_convert(Outcome& outcome) {
    constexpr std::uint64_t kSecond = 1'000'000'000;
    outcome.equal(timer::from_nanoseconds(kSecond), cpu_features.timebase, "a second");
    outcome.equal(timer::to_nanoseconds(cpu_features.timebase), kSecond, "and back");
    outcome.equal(timer::from_nanoseconds(0), 0, "nothing");
    const std::uint64_t day = 86'400 * kSecond;
    outcome.equal(timer::to_nanoseconds(timer::from_nanoseconds(day)), day, "a day");
    const std::uint64_t never = timer::from_nanoseconds(~std::uint64_t{0});
    outcome.holds(never + csr::now() > never, "the longest time does not wrap around");
}

Async<void> sleep_lasts_at_least(Outcome& outcome) {
    const std::uint64_t deadline = csr::now() + timer::from_nanoseconds(kMillisecond);
    Waiter waiter;
    timer::Sleep::add(waiter, deadline);
    const std::int64_t result = co_await Event{};
    outcome.equal(result, 0, "ended by its deadline");
    outcome.holds(csr::now() >= deadline, "and not before");
    Waiter late;
    timer::Sleep::add(late, 1);  // long ago
    co_await Event{};
    co_await timer::Pause{};
}

struct Order {
    unsigned entries[8] = {};
    unsigned count = 0;  // atomic
    cops_task_id owner = 0;
};

Async<void> sleep_until_then_note(Order* order, std::uint64_t deadline, unsigned entry) {
    Waiter waiter;
    timer::Sleep::add(waiter, deadline);
    co_await Event{};
    order->entries[__atomic_fetch_add(&order->count, 1u, __ATOMIC_RELAXED)] = entry;
    wake_task(order->owner);
}

Async<void> earlier_deadlines_come_first(Outcome& outcome) {
    Order order;
    order.owner = current_task();
    // All are due when the first of them is looked at; the list alone says in which order.
    const std::uint64_t soon = csr::now() + timer::from_nanoseconds(kMillisecond);
    for (const unsigned entry : {3u, 1u, 4u, 2u}) {
        Async<void> sleeper = sleep_until_then_note(&order, soon + entry, entry);
        outcome.holds(spawn(std::move(sleeper), 0, COPS_SPAWN_PINNED) != 0, "spawned");
    }
    while (__atomic_load_n(&order.count, __ATOMIC_RELAXED) < 4) {
        co_await Suspend{};
    }
    for (unsigned i = 0; i < 4; ++i) {
        outcome.equal(order.entries[i], i + 1, "in the order of deadlines");
    }
}

Async<void> sleep_can_be_cancelled(Outcome& outcome) {
    Waiter waiter;
    timer::Sleep::add(waiter, csr::now() + timer::from_nanoseconds(3'600'000 * kMillisecond));
    outcome.holds(timer::Sleep::cancel(waiter, -125), "it slept");
    const std::int64_t result = co_await Event{};
    outcome.equal(result, -125, "and learns that it was cancelled");
    outcome.holds(!timer::Sleep::cancel(waiter, -125), "once");
}

constexpr Test kTests[] = {
    {"timer.units_convert", &units_convert},
    {"timer.sleep_lasts_at_least", &sleep_lasts_at_least},
    {"timer.earlier_deadlines_come_first", &earlier_deadlines_come_first},
    {"timer.sleep_can_be_cancelled", &sleep_can_be_cancelled},
};

}  // namespace

std::span<const Test> timer_tests() {
    return kTests;
}

}  // namespace kernel::selftest
