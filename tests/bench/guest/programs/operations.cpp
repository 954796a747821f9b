// SPDX-License-Identifier: Apache-2.0
// What coroutines do to one another on one hart. Built for the guest with libcops and for the host
// with native_runtime.cpp; pthreads.c does the same with threads, operation by operation.
#include "samples.hpp"

namespace {

using cops::kMainLevel;

constexpr int kTurns = 100;

void spawned(cops::TaskId id) {
    if (!id) {
        std::puts("failed: no memory for a coroutine");
        std::exit(EXIT_FAILURE);
    }
}

// ---- spawn, run, exit ----

cops::Task<> empty() {
    co_return;
}

cops::Task<> measure_spawn() {
    Samples samples(kTurns);
    while (samples.mark(), !samples.complete()) {
        for (int i = 0; i < kTurns; ++i) {
            const cops::TaskId id = cops::spawn(empty(), kMainLevel);
            spawned(id);
            co_await cops::join(id);
        }
    }
    samples.print("spawn");
}

// ---- yield ----

cops::Task<> yield_until(const bool& stop) {
    while (!stop) {
        co_await cops::yield();
    }
}

cops::Task<> measure_yield() {
    bool stop = false;
    const cops::TaskId other = cops::spawn(yield_until(stop), kMainLevel);
    spawned(other);
    Samples samples(2 * kTurns);  // The other yields as often.
    while (samples.mark(), !samples.complete()) {
        for (int i = 0; i < kTurns; ++i) {
            co_await cops::yield();
        }
    }
    stop = true;
    co_await cops::join(other);
    samples.print("yield");
}

// ---- wake ----

cops::Task<> answer(cops::TaskId asker, const bool& stop) {
    for (;;) {
        co_await cops::suspend();
        if (stop) {
            co_return;
        }
        cops::wake(asker);
    }
}

cops::Task<> measure_wake() {
    bool stop = false;
    const cops::TaskId other = cops::spawn(answer(cops::current(), stop), kMainLevel);
    spawned(other);
    Samples samples(2 * kTurns);
    while (samples.mark(), !samples.complete()) {
        for (int i = 0; i < kTurns; ++i) {
            cops::wake(other);
            co_await cops::suspend();
        }
    }
    stop = true;
    cops::wake(other);
    co_await cops::join(other);
    samples.print("wake");
}

// ---- mutex ----

cops::Task<> measure_mutex() {
    cops::Mutex mutex;
    Samples samples(kTurns);
    while (samples.mark(), !samples.complete()) {
        for (int i = 0; i < kTurns; ++i) {
            const cops::Mutex::Guard guard = co_await mutex.lock();
            __asm__ volatile("" : : : "memory");  // The work it guards.
        }
    }
    samples.print("mutex");
}

struct Contended {
    cops::Mutex mutex;
    int holder = -1;
    int handed = 0;  // How often another than the last one got it.
    bool stop = false;
};

// The mutex is held across a yield, so the other finds it taken.
cops::Task<> contend(Contended& shared, int self, Samples* samples) {
    while (!shared.stop) {
        cops::Mutex::Guard guard = co_await shared.mutex.lock();
        shared.handed += shared.holder != self;
        shared.holder = self;
        if (samples != nullptr && shared.handed >= samples->operations()) {
            shared.handed = 0;
            samples->mark();
            shared.stop = samples->complete();
        }
        co_await cops::yield();
        guard.unlock();
        co_await cops::yield();
    }
}

cops::Task<> measure_contended() {
    Contended shared;
    Samples samples(2 * kTurns);
    const cops::TaskId one = cops::spawn(contend(shared, 0, &samples), kMainLevel);
    const cops::TaskId other = cops::spawn(contend(shared, 1, nullptr), kMainLevel);
    spawned(one);
    spawned(other);
    co_await cops::join(one);
    co_await cops::join(other);
    samples.print("handover");
}

// ---- channel ----

using Numbers = cops::Channel<int, 4>;

cops::Task<> produce(Numbers& numbers) {
    for (int number = 0; co_await numbers.send(number); ++number) {
    }
}

cops::Task<> consume(Numbers& numbers, Samples& samples) {
    while (samples.mark(), !samples.complete()) {
        for (int i = 0; i < samples.operations(); ++i) {
            (void)co_await numbers.receive();
        }
    }
    numbers.close();
}

cops::Task<> measure_channel() {
    Numbers numbers;
    Samples samples(kTurns);
    const cops::TaskId consumer = cops::spawn(consume(numbers, samples), kMainLevel);
    const cops::TaskId producer = cops::spawn(produce(numbers), kMainLevel);
    spawned(consumer);
    spawned(producer);
    co_await cops::join(consumer);
    co_await cops::join(producer);
    samples.print("channel");
}

}  // namespace

cops::Task<int> cops_main(int, char**) {
    co_await measure_spawn();
    co_await measure_yield();
    co_await measure_wake();
    co_await measure_mutex();
    co_await measure_contended();
    co_await measure_channel();
    std::puts("end");
    co_return 0;
}
