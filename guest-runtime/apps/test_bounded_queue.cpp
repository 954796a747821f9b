// SPDX-License-Identifier: Apache-2.0
// test-bounded-queue: Algorithm 1 of the COPS paper, a producer of level 0 and a consumer of level
// 1 at a bounded queue. As printed, the producer yields while the queue is full: on one hart, under
// strict levels, the consumer never runs; on two harts it does. In the correct form the producer
// waits for room.
#include "check.hpp"

#include <cops/cops.hpp>

#include <atomic>
#include <chrono>

using namespace std::chrono_literals;

namespace {

constexpr int kItems = 1000;

/// One producer, one consumer, on whatever harts.
class BoundedQueue {
public:
    [[nodiscard]] bool empty() const { return pushed_ == popped_; }
    [[nodiscard]] bool full() const { return pushed_ - popped_ == kCapacity; }
    void push(int item) {
        items_[pushed_ % kCapacity] = item;
        ++pushed_;
    }
    int pop() {
        const int item = items_[popped_ % kCapacity];
        ++popped_;
        return item;
    }

private:
    static constexpr unsigned kCapacity = 4;
    int items_[kCapacity] = {};
    std::atomic<unsigned> pushed_ = 0;
    std::atomic<unsigned> popped_ = 0;
};

struct Queue {
    BoundedQueue items;
    std::atomic<cops::TaskId> producer;
    std::atomic<cops::TaskId> consumer;
    std::atomic<int> consumed = 0;
    std::atomic<long> yields = 0;
    std::atomic<bool> stop = false;
    int made = 0;
};

cops::Task<> consume(Queue& queue) {
    queue.consumer = cops::current();
    while (queue.consumed < kItems) {
        while (queue.items.empty()) {
            co_await cops::suspend();
        }
        check(queue.items.pop() == queue.consumed, "in order");
        ++queue.consumed;
        cops::wake(queue.producer);
    }
}

cops::Task<> produce_as_printed(Queue& queue) {
    for (int item = 0; item < kItems && !queue.stop; ++item) {
        queue.items.push(item);
        queue.made = item + 1;
        (void)cops::wake(queue.consumer);
        while (queue.items.full() && !queue.stop) {
            co_await cops::yield();
            ++queue.yields;
        }
    }
}

cops::Task<> produce(Queue& queue) {
    queue.producer = cops::current();
    for (int item = 0; item < kItems; ++item) {
        while (queue.items.full()) {
            co_await cops::suspend();
        }
        queue.items.push(item);
        cops::wake(queue.consumer);
    }
}

/// As urgent as the producer: nothing less would ever look.
cops::Task<> look_later(Queue& queue, int& consumed) {
    check((co_await cops::sleep_for(100ms)).has_value(), "sleep");
    consumed = queue.consumed;
    queue.stop = true;
}

cops::Task<> as_printed_on_one_hart() {
    Queue queue;
    int consumed = -1;
    const cops::TaskId consumer = cops::spawn(consume(queue), 1);
    const cops::TaskId watch = cops::spawn(look_later(queue, consumed), 0);
    const cops::TaskId producer = cops::spawn(produce_as_printed(queue), 0);
    co_await cops::join(producer);
    co_await cops::join(watch);
    std::printf("as printed, on one hart: consumed=%d yields=%ld\n", consumed, queue.yields.load());
    check(consumed == 0, "the consumer never ran");
    check(queue.yields > 100, "though the producer yielded again and again");
    // The producer has ended, so what is there is consumed. Then come the others.
    for (int item = queue.made; item < kItems; ++item) {
        while (queue.items.full()) {
            check((co_await cops::sleep_for(1ms)).has_value(), "sleep");
        }
        queue.items.push(item);
        (void)cops::wake(consumer);
    }
    co_await cops::join(consumer);
}

cops::Task<> as_printed_on_two_harts() {
    Queue queue;
    check(cops::alloc_cpu(2) == 2u, "two harts");
    const cops::TaskId consumer = cops::spawn(consume(queue), 1);
    const cops::TaskId producer = cops::spawn(produce_as_printed(queue), 0);
    co_await cops::join(producer);
    co_await cops::join(consumer);
    std::printf(
        "as printed, on two harts: consumed=%d yields=%ld\n",
        queue.consumed.load(),
        queue.yields.load()
    );
    check(queue.consumed == kItems, "all were consumed");
    check(cops::alloc_cpu(1) == 1u, "one hart");
}

cops::Task<> in_the_correct_form() {
    Queue queue;
    const cops::TaskId consumer = cops::spawn(consume(queue), 1);
    const cops::TaskId producer = cops::spawn(produce(queue), 0);
    co_await cops::join(producer);
    co_await cops::join(consumer);
    std::printf("correct: consumed=%d\n", queue.consumed.load());
    check(queue.consumed == kItems, "all were consumed");
}

}  // namespace

cops::Task<int> cops_main(int, char**) {
    co_await in_the_correct_form();
    co_await as_printed_on_one_hart();
    if (cops::harts() > 1) {
        co_await as_printed_on_two_harts();
        co_await in_the_correct_form();
    }
    std::puts("test-bounded-queue: all passed");
    co_return 0;
}
