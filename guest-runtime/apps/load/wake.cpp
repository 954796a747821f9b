// SPDX-License-Identifier: Apache-2.0
// load-wake: how soon a coroutine runs after another one woke it, as schbench asks of threads. Each
// level has one messenger and some workers. The messenger sleeps, then wakes those of its workers
// that have nothing to do; a worker notes how long it took to run, works, and waits again.
//   latency name=level-L  from the wake to the worker
#include "latencies.hpp"
#include "options.hpp"
#include "work.hpp"

#include <cops/cops.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <vector>

namespace {

struct Options {
    std::uint64_t levels = 3;
    std::uint64_t first = 2;
    std::uint64_t step = 12;
    std::uint64_t workers = 2;
    std::uint64_t rounds = 200;
    std::uint64_t work = 30;
    std::uint64_t pause = 500;
    std::uint64_t harts = 64;
};

struct Worker {
    explicit Worker(unsigned level, std::size_t rounds)
        : latencies("level-" + std::to_string(level), level, rounds) {}

    /// When it was woken; 0: it waits. The messenger's while it is 0, the worker's else.
    std::atomic<std::uint64_t> woken{0};
    std::atomic<bool> done{false};
    bool right = false;
    cops::TaskId task;
    load::Latencies latencies;
};

/// Workers of one level.
using Group = std::vector<std::unique_ptr<Worker>>;

cops::Task<> work(const Options& options, Worker& mine) {
    load::Work work(options.rounds);
    for (std::uint64_t round = 0; round < options.rounds; ++round) {
        std::uint64_t woken = 0;
        while ((woken = mine.woken.load(std::memory_order_acquire)) == 0) {
            co_await cops::suspend();
        }
        mine.latencies.add(woken, cops::time_now());
        for (std::uint64_t unit = 0; unit < options.work; ++unit) {
            work.run();
        }
        mine.woken.store(0, std::memory_order_release);
    }
    mine.right = work.is_right() && work.units() == options.rounds * options.work;
    mine.done.store(true, std::memory_order_release);
}

cops::Task<> send(const Options& options, const Group& group) {
    bool all_done = false;
    while (!all_done) {
        (void)co_await cops::sleep_for(std::chrono::microseconds(options.pause));
        all_done = true;
        for (const auto& worker : group) {
            const bool done = worker->done.load(std::memory_order_acquire);
            all_done = all_done && done;
            if (!done && worker->woken.load(std::memory_order_acquire) == 0) {
                worker->woken.store(cops::time_now(), std::memory_order_release);
                (void)cops::wake(worker->task);
            }
        }
    }
}

/// Spawns workers and messengers. False: no memory.
bool start(const Options& options, std::vector<Group>& groups, std::vector<cops::TaskId>& tasks) {
    for (Group& group : groups) {
        const unsigned level = group.front()->latencies.level();
        for (const auto& worker : group) {
            worker->task = cops::spawn(work(options, *worker), level);
            tasks.push_back(worker->task);
        }
        tasks.push_back(cops::spawn(send(options, group), level));
    }
    return std::ranges::all_of(tasks, [](cops::TaskId id) { return static_cast<bool>(id); });
}

cops::Task<int> run(const Options& options) {
    load::use_harts(options.harts);
    std::vector<Group> groups(options.levels);
    for (std::size_t i = 0; i < groups.size(); ++i) {
        const std::uint64_t level = std::min(options.first + i * options.step, std::uint64_t{63});
        for (std::uint64_t worker = 0; worker < options.workers; ++worker) {
            groups[i].push_back(
                std::make_unique<Worker>(static_cast<unsigned>(level), options.rounds)
            );
        }
    }
    std::vector<cops::TaskId> tasks;
    if (!start(options, groups, tasks)) {
        std::fputs("load-wake: no memory for a coroutine\n", stderr);
        co_return 1;
    }
    for (const cops::TaskId id : tasks) {
        co_await cops::join(id);
    }
    bool right = true;
    std::vector<const load::Latencies*> all;
    for (Group& group : groups) {
        load::Latencies& first = group.front()->latencies;
        for (const auto& worker : group) {
            right = right && worker->right;
            if (&worker->latencies != &first) {
                first.append(worker->latencies);
            }
        }
        first.print();
        all.push_back(&first);
    }
    std::puts(right ? "load-wake: every result is right" : "load-wake: WRONG result");
    co_return co_await load::write_samples(all) && right ? 0 : 1;
}

}  // namespace

cops::Task<int> cops_main(int argc, char** argv) {
    Options options;
    const std::array<load::NumberOption, 8> known{{
        {"--levels", "levels that have workers", 1, 64, options.levels},
        {"--first", "the most urgent of them", 0, cops::kLevels - 1, options.first},
        {"--step", "from one level to the next", 0, cops::kLevels - 1, options.step},
        {"--workers", "workers of each level", 1, 1000, options.workers},
        {"--rounds", "wakes of each worker", 1, 10'000'000, options.rounds},
        {"--work", "units of work after a wake", 0, 1'000'000, options.work},
        {"--pause", "microseconds that messengers sleep", 1, 10'000'000, options.pause},
        {"--harts", "virtual CPUs used, if there are so many", 1, 64, options.harts},
    }};
    if (!load::parse("load-wake", std::span(argv + 1, argv + argc), known)) {
        co_return 2;
    }
    co_return co_await run(options);
}
