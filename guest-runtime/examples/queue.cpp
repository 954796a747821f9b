// SPDX-License-Identifier: Apache-2.0
#include <cops/cops.hpp>

#include <cstdio>
#include <deque>

namespace {

constexpr std::size_t kCapacity = 4;
constexpr int kItems = 10;

struct Queue {
    std::deque<int> items;
    cops::TaskId producer;  // Sleeps while the queue is full.
    cops::TaskId consumer;  // Sleeps while it is empty.
};

cops::Task<> produce(Queue& queue) {
    queue.producer = cops::current();
    for (int item = 1; item <= kItems; ++item) {
        while (queue.items.size() == kCapacity) {
            co_await cops::suspend();  // Looks again after every wake.
        }
        queue.items.push_back(item);
        cops::wake(queue.consumer);
    }
}

cops::Task<> consume(Queue& queue, int& sum) {
    queue.consumer = cops::current();
    for (int taken = 0; taken < kItems; ++taken) {
        while (queue.items.empty()) {
            co_await cops::suspend();
        }
        sum += queue.items.front();
        queue.items.pop_front();
        cops::wake(queue.producer);
    }
}

}  // namespace

cops::Task<int> cops_main(int, char**) {
    Queue queue;
    int sum = 0;
    const cops::TaskId consumer = cops::spawn(consume(queue, sum), 1);
    const cops::TaskId producer = cops::spawn(produce(queue), 0);
    co_await cops::join(producer);
    co_await cops::join(consumer);
    std::printf("sum %d\n", sum);
    co_return 0;
}
