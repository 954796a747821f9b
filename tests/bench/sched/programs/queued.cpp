// SPDX-License-Identifier: Apache-2.0
// queued COUNT, in a guest of two harts that have one worker between them: an urgent coroutine that
// lives on one hart becomes ready while only the other hart runs. It waits in a plain function, so
// that it goes on where its stack is and no other hart takes it. In three ways, COUNT times each:
//   latency name=wake            a coroutine of the other hart wakes it; its own hart's batch work
//                                looks at each step whether something more urgent waits
//   latency name=wake-computing  the same; the batch work never looks
//   latency name=due             it sleeps: from when that should end
#include "latencies.hpp"

#include <cops/cops.hpp>

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>

namespace {

constexpr unsigned kUrgent = 2;
constexpr unsigned kNear = 20;  // Computes on the hart that runs, and wakes.
constexpr unsigned kFar = 40;   // Would like to compute on the hart where the urgent one lives.
// What it begins and ends at, so that no other guest that computes at a level between keeps it off.
constexpr unsigned kFarAtFirst = 30;
// Between two rounds: so long that the far hart's vCPU has left the worker, and at no fixed place
// in a slice of the host.
constexpr std::uint64_t kShortest = 1'000'000;
constexpr std::uint64_t kSpread = 2'000'000;
// Twenty times what is promised: it waits until the near hart goes to sleep, so for ever.
constexpr std::uint64_t kGivesUp = 20'000'000;
constexpr std::uint64_t kFails = 1'000'000'000;  // It does not start then either.

enum class Way { wake, wake_computing, due };

struct Shared {
    Shared(const char* name, Way how, std::size_t rounds)
        : way(how)
        , count(rounds)
        , latencies(name, kUrgent, rounds) {}

    const Way way;
    const std::size_t count;
    load::Latencies latencies;  // The urgent one's.
    cops::Event event{cops::Reset::automatic};
    std::atomic<std::uint64_t> queued{0};  // When the near one woke it.
    std::atomic<std::size_t> begun{0};     // Rounds of the urgent one.
    std::atomic<unsigned> far_hart{0};     // Counted from 1; 0: it does not wait there yet.
    std::atomic<bool> stop{false};
    cops::TaskId far;
};

/// Here and not in a library, where a coroutine could not be preempted.
[[gnu::always_inline]] inline std::uint64_t ticks() {
    std::uint64_t value;
    __asm__ volatile("rdtime %0" : "=r"(value));
    return value;
}

[[noreturn]] void fail(const char* what) {
    std::printf("failed: %s\n", what);
    std::exit(EXIT_FAILURE);
}

class Pauses {
public:
    std::uint64_t next() {
        state_ = state_ * 6364136223846793005u + 1442695040888963407u;
        return kShortest + (state_ >> 33) % kSpread;
    }

private:
    std::uint64_t state_ = 1;
};

[[gnu::noinline]] void begin_when_woken(Shared& shared) {
    if (!cops::block_on(shared.event.wait())) {
        fail("no stack to wait with");
    }
    shared.latencies.add(shared.queued, ticks());
}

[[gnu::noinline]] void begin_when_due(Shared& shared, std::uint64_t pause) {
    const std::uint64_t due = ticks() + pause;
    if (!cops::block_on(cops::sleep_for(std::chrono::nanoseconds(pause)))) {
        fail("no stack to sleep with");
    }
    shared.latencies.add(due, ticks());
}

cops::Task<> urgent(Shared& shared) {
    Pauses pauses;
    shared.far_hart = cops::hart() + 1;
    for (std::size_t round = 1; round <= shared.count; ++round) {
        if (shared.way == Way::due) {
            begin_when_due(shared, pauses.next());
        } else {
            begin_when_woken(shared);
        }
        if (round == shared.count) {
            shared.stop = true;
            (void)cops::set_priority(shared.far, kFarAtFirst);
        }
        shared.begun.store(round, std::memory_order_release);
    }
    co_return;
}

cops::Task<> far(Shared& shared) {
    shared.far = cops::current();
    // It runs at once, here, until it waits.
    const cops::TaskId task = cops::spawn(urgent(shared), kUrgent);
    if (!task) {
        fail("no memory for a coroutine");
    }
    (void)cops::set_priority(shared.far, kFar);
    while (!shared.stop.load(std::memory_order_relaxed)) {
        if (shared.way != Way::wake_computing) {
            co_await cops::maybe_yield();
        }
    }
    co_await cops::join(task);
}

/// Keeps the hart, and with it the worker.
void compute_for(std::uint64_t time) {
    const std::uint64_t begin = ticks();
    while (ticks() - begin < time) {
    }
}

void wake_and_wait(Shared& shared, std::size_t round) {
    shared.queued = ticks();
    shared.event.set();
    const std::uint64_t begin = ticks();
    while (shared.begun.load(std::memory_order_acquire) != round) {
        const std::uint64_t waited = ticks() - begin;
        if (waited > kFails) {
            fail("it did not start in a second");
        }
        if (waited > kGivesUp) {
            ::usleep(1000);
        }
    }
}

cops::Task<> near(Shared& shared) {
    // In the kernel, so that this hart takes no other coroutine meanwhile and the far hart has the
    // worker.
    while (shared.far_hart == 0) {
        ::usleep(1000);
    }
    if (shared.far_hart == cops::hart() + 1) {
        fail("both on one hart");
    }
    Pauses pauses;
    if (shared.way == Way::due) {
        while (shared.begun.load(std::memory_order_acquire) != shared.count) {
        }
    } else {
        for (std::size_t round = 1; round <= shared.count; ++round) {
            compute_for(pauses.next());
            wake_and_wait(shared, round);
        }
    }
    co_return;
}

cops::Task<> measure(Shared& shared) {
    const cops::TaskId first = cops::spawn(near(shared), kNear);
    const cops::TaskId second = cops::spawn(far(shared), kFarAtFirst);
    if (!first || !second) {
        fail("no memory for a coroutine");
    }
    co_await cops::join(first);
    co_await cops::join(second);
    shared.latencies.print();
}

}  // namespace

cops::Task<int> cops_main(int argc, char** argv) {
    const std::size_t count = argc == 2 ? std::strtoul(argv[1], nullptr, 10) : 0;
    if (count == 0) {
        std::puts("usage: queued COUNT");
        co_return 2;
    }
    if (cops::alloc_cpu(2) != 2u) {
        fail("two harts are needed");
    }
    Shared wake("wake", Way::wake, count);
    Shared computing("wake-computing", Way::wake_computing, count);
    Shared due("due", Way::due, count);
    co_await measure(wake);
    co_await measure(computing);
    co_await measure(due);
    co_return co_await load::write_samples({&wake.latencies, &computing.latencies, &due.latencies})
        ? 0
        : 1;
}
