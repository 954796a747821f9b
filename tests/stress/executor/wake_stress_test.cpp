// SPDX-License-Identifier: Apache-2.0
// Wakes under real concurrency: none lost, and each ordering that matters is noticed when it is
// broken.
#include "machine.hpp"

#include <gtest/gtest.h>

namespace {

using Weakness = Machine::Weakness;

struct Load {
    Machine& machine;
    std::atomic<unsigned> left;  // Coroutines that have not ended.

    void end() {
        if (left.fetch_sub(1) == 1) {
            machine.stop();
        }
    }
};

// Asks the host again and again; each answer must be its own.
Routine client(Load& load, std::int64_t name, unsigned rounds, std::atomic<unsigned>& wrong) {
    for (unsigned i = 0; i < rounds; ++i) {
        Submit submit;
        submit.submission.offset = name * 1'000'000 + i;
        if (co_await submit != name * 1'000'000 + i) {
            ++wrong;
        }
        if (i % 7 == 0) {
            co_await Yield();
        }
    }
    load.end();
}

// The same from a plain function.
std::int64_t ask_plainly(Machine& machine, std::int64_t offset) {
    Submit submit;
    submit.submission.offset = offset;
    block_on(machine.stacks(), [&](cops_executor_context* ctx, void* frame) {
        cops_executor_submit(ctx, frame, &submit.submission);
    });
    return cops_executor_result(here());
}

Routine plain_client(Load& load, std::int64_t name, unsigned rounds, std::atomic<unsigned>& wrong) {
    for (unsigned i = 0; i < rounds; ++i) {
        const std::uint32_t hart = here()->index;
        if (ask_plainly(load.machine, name * 1'000'000 + i) != name * 1'000'000 + i
            || here()->index != hart) {
            ++wrong;
        }
        if (i % 7 == 0) {
            co_await Yield();  // Now it may move.
        }
    }
    load.end();
}

// Never calls the executor before an interrupt has made something more urgent ready.
Routine spinner(Side& side, Load& load, std::atomic<unsigned>& rounds_left) {
    using Clock = std::chrono::steady_clock;
    auto patience = Clock::now() + std::chrono::seconds(2);
    while (rounds_left.load() != 0) {
        load.machine.poll_interrupt();
        if ((side.line(here()->index).ready & 0xff) != 0) {
            co_await Yield();
            patience = Clock::now() + std::chrono::seconds(2);
        } else if (Clock::now() > patience) {
            load.machine.give_up();
            break;
        } else {
            std::this_thread::yield();  // The host's thread may need this CPU.
        }
    }
    load.end();
}

// Every other time, level 3 goes on until the host has looked, beside a request of level 3: the
// host must not interrupt then, and one that acts on that look later is wrong.
Routine flicker(Load& load, std::atomic<unsigned>& rounds_left) {
    while (rounds_left.load() != 0 && !load.machine.lost()) {
        const unsigned looks = load.machine.looks();
        while (rounds_left.load() % 2 == 0 && load.machine.looks() == looks) {
            std::this_thread::yield();  // As the spinner.
            co_await Yield();
        }
        co_await Suspend();
    }
    load.end();
}

Routine urgent(Load& load, std::atomic<unsigned>& rounds_left, cops_task_id companion) {
    while (rounds_left.load() != 0) {
        cops_executor_wake(here(), companion);
        Submit submit;
        co_await submit;
        --rounds_left;
    }
    cops_executor_wake(here(), companion);
    load.end();
}

struct Outcome {
    bool lost;
    unsigned wrong;
};

Outcome run(Machine& machine, unsigned harts, std::atomic<unsigned>& wrong) {
    std::vector<std::thread> threads;
    threads.emplace_back([&] { machine.host(); });
    for (unsigned i = 0; i < harts; ++i) {
        threads.emplace_back([&, i] { machine.hart(i); });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    return {machine.lost(), wrong.load()};
}

Outcome requests(Weakness weakness, unsigned rounds) {
    Side side({.contexts = 2, .slots = 4, .segments = 1});
    Machine machine(side, 2, weakness);
    constexpr unsigned kClients = 12;
    Load load{machine, kClients};
    std::atomic<unsigned> wrong = 0;
    for (unsigned i = 0; i < kClients; ++i) {
        start(side.context(i % 2), client(load, i + 1, rounds, wrong), i % 3 * 10);
    }
    return run(machine, 2, wrong);
}

TEST(WakeStress, every_completion_reaches_its_coroutine_once) {
    const Outcome outcome = requests(Weakness::none, 4000);
    EXPECT_FALSE(outcome.lost);
    EXPECT_EQ(outcome.wrong, 0u);
}

TEST(WakeStress, every_completion_reaches_the_stack_that_waits_for_it) {
    constexpr unsigned kRounds = 1000;
    constexpr unsigned kClients = 12;
    Side side({.contexts = 2, .slots = 4, .segments = 1});
    Machine machine(side, 2, Weakness::none);
    Load load{machine, kClients};
    std::atomic<unsigned> wrong = 0;
    for (unsigned i = 0; i < kClients; ++i) {
        const unsigned level = i % 3 * 10;
        start(
            side.context(i % 2),
            i < kClients / 2 ? client(load, i + 1, kRounds, wrong)
                             : plain_client(load, i + 1, kRounds, wrong),
            level
        );
    }
    const Outcome outcome = run(machine, 2, wrong);
    EXPECT_FALSE(outcome.lost);
    EXPECT_EQ(outcome.wrong, 0u);
}

TEST(WakeStress, bit_before_list_is_noticed) {
    EXPECT_TRUE(requests(Weakness::host_raises_before_it_lists, 4000).lost);
}

Outcome against_a_spinner(Weakness weakness, unsigned rounds) {
    Side side({.contexts = 1, .slots = 4, .segments = 1});
    Machine machine(side, 1, weakness);
    Load load{machine, 3};
    std::atomic<unsigned> rounds_left = rounds;
    std::atomic<unsigned> wrong = 0;
    const cops_task_id companion = start(side.context(), flicker(load, rounds_left), 3);
    start(side.context(), urgent(load, rounds_left, companion), 3);
    start(side.context(), spinner(side, load, rounds_left), 40);
    return run(machine, 1, wrong);
}

TEST(WakeStress, interrupt_reaches_a_coroutine_that_only_spins) {
    EXPECT_FALSE(against_a_spinner(Weakness::none, 2'000).lost);
}

TEST(WakeStress, host_that_looks_before_it_raises_is_noticed) {
    EXPECT_TRUE(against_a_spinner(Weakness::host_looks_before_it_raises, 20'000).lost);
}

// Two coroutines that hand a turn to each other, on whatever hart: token against sleep.
Routine ping(Load& load, std::atomic<cops_task_id>& partner, std::atomic<unsigned>& turns) {
    while (turns.load() != 0) {
        cops_executor_wake(here(), partner.load());
        if (turns.load() != 0) {
            --turns;
        }
        co_await Suspend();
    }
    cops_executor_wake(here(), partner.load());
    load.end();
}

// The same from a plain function, which a wake finds on its way to sleep, asleep, or switching
// stacks.
Routine plain_ping(
    Load& load, std::atomic<cops_task_id>& partner, std::atomic<unsigned>& turns, bool moves
) {
    while (turns.load() != 0) {
        cops_executor_wake(here(), partner.load());
        if (turns.load() != 0) {
            --turns;
        }
        block_on(load.machine.stacks(), cops_executor_suspend);
        if (moves) {
            co_await Yield();
        }
    }
    cops_executor_wake(here(), partner.load());
    load.end();
}

struct Pair {
    std::atomic<cops_task_id> first = 0;
    std::atomic<cops_task_id> second = 0;
    std::atomic<unsigned> turns;
};

Outcome hand_overs(Weakness weakness, unsigned num_pairs, unsigned turns) {
    Side side({.contexts = 2, .slots = 0, .segments = 1});
    Machine machine(side, 2, weakness);
    Load load{machine, 2 * num_pairs};
    std::atomic<unsigned> wrong = 0;
    std::vector<Pair> pairs(num_pairs);
    for (Pair& pair : pairs) {
        pair.turns = turns;
        // The halves live on different harts, so most wakes cross.
        pair.first =
            start(side.context(0), ping(load, pair.second, pair.turns), 5, COPS_SPAWN_PINNED);
        pair.second =
            start(side.context(1), ping(load, pair.first, pair.turns), 5, COPS_SPAWN_PINNED);
    }
    return run(machine, 2, wrong);
}

TEST(WakeStress, wake_that_crosses_harts_is_never_lost) {
    EXPECT_FALSE(hand_overs(Weakness::none, 4, 50'000).lost);
}

unsigned long plain_hand_overs(unsigned num_pairs, unsigned turns, bool moves) {
    Side side({.contexts = 2, .slots = 0, .segments = 1});
    Machine machine(side, 2, Weakness::none);
    Load load{machine, 2 * num_pairs};
    std::atomic<unsigned> wrong = 0;
    std::vector<Pair> pairs(num_pairs);
    const unsigned flags = moves ? 0 : COPS_SPAWN_PINNED;
    for (Pair& pair : pairs) {
        pair.turns = turns;
        pair.first =
            start(side.context(0), plain_ping(load, pair.second, pair.turns, moves), 5, flags);
        pair.second =
            start(side.context(1), plain_ping(load, pair.first, pair.turns, moves), 5, flags);
    }
    EXPECT_FALSE(run(machine, 2, wrong).lost);
    return side.context(0).counters.blocks + side.context(1).counters.blocks;
}

TEST(WakeStress, wake_that_crosses_harts_finds_the_stack_that_waits) {
    EXPECT_GT(plain_hand_overs(4, 10'000, /*moves=*/false), 100u);
    EXPECT_GT(plain_hand_overs(1, 10'000, /*moves=*/false), 100u);
    EXPECT_GT(plain_hand_overs(4, 10'000, /*moves=*/true), 100u);
}

// One pair: with more, the next wake repairs what the last one lost.
TEST(WakeStress, sleeping_on_an_old_look_is_noticed) {
    EXPECT_TRUE(hand_overs(Weakness::hart_looks_before_it_announces, 1, 50'000).lost);
}

// Levels change while tasks are queued, run and are stolen; in the end all have run.
Routine restless(Load& load, unsigned rounds) {
    for (unsigned i = 0; i < rounds; ++i) {
        co_await Yield();
    }
    load.end();
}

Routine plainly_restless(Load& load, unsigned rounds) {
    for (unsigned i = 0; i < rounds; ++i) {
        block_on(load.machine.stacks(), cops_executor_yield);
        if (i % 5 == 0) {
            co_await Yield();
        }
    }
    load.end();
}

Routine meddler(Load& load, const std::vector<cops_task_id>& ids, unsigned rounds) {
    unsigned seed = 12345;
    for (unsigned i = 0; i < rounds; ++i) {
        seed = seed * 1103515245 + 12345;
        cops_executor_set_level(here(), ids[(seed >> 8) % ids.size()], (seed >> 16) % 64);
        if (i % 5 == 0) {
            co_await Yield();
        }
    }
    load.end();
}

TEST(WakeStress, level_changes_and_stealing_lose_nobody) {
    constexpr unsigned kTasks = 40;
    Side side({.contexts = 3, .slots = 0, .segments = 1});
    Machine machine(side, 3, Weakness::none);
    Load load{machine, kTasks + 2};
    std::atomic<unsigned> wrong = 0;
    std::vector<cops_task_id> ids;
    for (unsigned i = 0; i < kTasks; ++i) {
        ids.push_back(start(
            side.context(i % 3), i % 8 == 0 ? plainly_restless(load, 500) : restless(load, 2000), i
        ));
    }
    for (unsigned i = 0; i < 2; ++i) {
        start(side.context(i), meddler(load, ids, 20'000), 1);
    }
    EXPECT_FALSE(run(machine, 3, wrong).lost);
    std::uint64_t exited = 0;
    for (unsigned i = 0; i < 3; ++i) {
        exited += side.context(i).counters.exited;
        EXPECT_EQ(side.line(i).ready, 0u);
    }
    EXPECT_EQ(exited, kTasks + 2u);
}

// Joins race with ends, spawns reuse table entries.
Routine short_lived() {
    co_await Yield();
}

Routine parent(Load& load, unsigned rounds) {
    for (unsigned i = 0; i < rounds; ++i) {
        const cops_task_id child = start(*here(), short_lived(), i % 64);
        co_await Join{child};
        if (cops_executor_alive(here(), child) != 0) {
            std::abort();
        }
    }
    load.end();
}

TEST(WakeStress, joins_see_every_end) {
    Side side({.contexts = 3, .slots = 0, .segments = 1});
    Machine machine(side, 3, Weakness::none);
    Load load{machine, 6};
    std::atomic<unsigned> wrong = 0;
    for (unsigned i = 0; i < 6; ++i) {
        start(side.context(i % 3), parent(load, 5000), 10 + i);
    }
    EXPECT_FALSE(run(machine, 3, wrong).lost);
}

}  // namespace
