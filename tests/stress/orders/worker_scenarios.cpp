// SPDX-License-Identifier: Apache-2.0
// What workers hand over without the pool's lock: records of what they saw and decided.
#include "scenarios.hpp"
#include "sched/record/record_queue.hpp"

using explorer::Execution;
using vmm::sched::RecordQueue;

namespace {

using Queue = RecordQueue<std::uint64_t>;

constexpr std::size_t kPlaces = 2;

void push(Queue& queue, std::uint64_t record) {
    while (!queue.push(record)) {
        explorer::relax();
    }
}

std::uint64_t pop(Queue& queue) {
    for (;;) {
        if (const auto record = queue.pop()) {
            return *record;
        }
        explorer::relax();
    }
}

// Places are used again.
void record_against_full_queue(Execution& execution) {
    constexpr std::uint64_t kRecords = kPlaces + 1;
    Queue& queue = *new Queue(kPlaces);
    execution.threads = {
        [&] {
            for (std::uint64_t record = 1; record <= kRecords; ++record) {
                push(queue, record);
            }
        },
        [&] {
            for (std::uint64_t record = 1; record <= kRecords; ++record) {
                if (pop(queue) != record) {
                    explorer::fail("a record is lost, or comes out of turn");
                }
            }
        }
    };
}

// What happened before is in front: workers make their records under the pool's lock.
void record_against_record(Execution& execution) {
    struct World {
        Queue queue{kPlaces};
        explorer::Event made;
    };
    World& world = *new World;
    execution.threads = {
        [&] {
            push(world.queue, 1);
            world.made.post();
        },
        [&] {
            world.made.wait();
            push(world.queue, 2);
        },
        [&] {
            if (pop(world.queue) != 1 || pop(world.queue) != 2) {
                explorer::fail("records out of order");
            }
        }
    };
}

// Two pools record at once: none overwrites the other's.
void record_against_other_pool(Execution& execution) {
    Queue& queue = *new Queue(kPlaces);
    execution.threads = {
        [&] { push(queue, 1); },
        [&] { push(queue, 2); },
        [&] {
            if (pop(queue) + pop(queue) != 3) {
                explorer::fail("a record is lost");
            }
        }
    };
}

constexpr NamedScenario kScenarios[] = {
    {"record_against_full_queue", record_against_full_queue},
    {"record_against_record", record_against_record},
    {"record_against_other_pool", record_against_other_pool},
};

}  // namespace

std::span<const NamedScenario> worker_scenarios() {
    return kScenarios;
}
