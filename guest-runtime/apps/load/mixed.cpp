// SPDX-License-Identifier: Apache-2.0
// load-mixed: a guest that has urgent and batch work at the same time. Urgent coroutines have
// something to do each period, whether the last has been done or not (an open loop); batch
// coroutines compute until the last urgent one has done all its rounds.
//   latency name=urgent        from when a round was due to when it was done
//   latency name=urgent-start  from when a round was due to when it began
//   work name=batch            units that all batch coroutines did
#include "latencies.hpp"
#include "options.hpp"
#include "work.hpp"

#include <cops/cops.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <vector>

namespace {

struct Options {
    std::uint64_t urgent = 2;
    std::uint64_t urgent_level = 2;
    std::uint64_t rounds = 500;
    std::uint64_t period = 1000;
    std::uint64_t service = 20;
    std::uint64_t batch = 2;
    std::uint64_t batch_level = 20;
    std::uint64_t batch_units = 0;
    std::uint64_t harts = 64;
};

/// What the coroutines know of one another.
struct Shared {
    const Options& options;
    std::atomic<std::uint64_t> urgent_left;  // Coroutines; batch work goes on while there are any.
    std::atomic<std::uint64_t> wrong{0};     // Results that are not what they should be.
    std::atomic<std::uint64_t> batch_units{0};
};

/// One urgent coroutine's.
struct Urgent {
    load::Latencies done;
    load::Latencies started;
};

cops::Task<> urgent(Shared& shared, Urgent& mine, std::uint64_t seed) {
    const Options& options = shared.options;
    const std::uint64_t period = options.period * 1000;
    load::Work work(seed);
    // Not all at the same moment.
    std::uint64_t due = cops::time_now() + period * (seed + 1) / (options.urgent + 1);
    for (std::uint64_t round = 0; round < options.rounds; ++round, due += period) {
        const std::uint64_t now = cops::time_now();
        if (now < due) {
            (void)co_await cops::sleep_for(std::chrono::nanoseconds(due - now));
        }
        mine.started.add(due, cops::time_now());
        for (std::uint64_t unit = 0; unit < options.service; ++unit) {
            work.run();
        }
        mine.done.add(due, cops::time_now());
    }
    if (!work.is_right() || work.units() != options.rounds * options.service) {
        shared.wrong.fetch_add(1, std::memory_order_relaxed);
    }
    shared.urgent_left.fetch_sub(1, std::memory_order_relaxed);
}

cops::Task<> batch(Shared& shared, std::uint64_t seed) {
    load::Work work(seed);
    while (work.units() < shared.options.batch_units
           || shared.urgent_left.load(std::memory_order_relaxed) != 0) {
        work.run();
        co_await cops::maybe_yield();
    }
    if (!work.is_right()) {
        shared.wrong.fetch_add(1, std::memory_order_relaxed);
    }
    shared.batch_units.fetch_add(work.units(), std::memory_order_relaxed);
}

cops::Task<int> run(const Options& options) {
    load::use_harts(options.harts);
    Shared shared{.options = options, .urgent_left = options.urgent};
    std::vector<Urgent> urgents;
    for (std::uint64_t i = 0; i < options.urgent; ++i) {
        const auto level = static_cast<unsigned>(options.urgent_level);
        urgents.push_back(
            {{"urgent", level, options.rounds}, {"urgent-start", level, options.rounds}}
        );
    }
    std::vector<cops::TaskId> tasks;
    const std::uint64_t begun = cops::time_now();
    for (std::uint64_t i = 0; i < options.batch; ++i) {
        tasks.push_back(cops::spawn(batch(shared, ~i), static_cast<unsigned>(options.batch_level)));
    }
    for (std::uint64_t i = 0; i < options.urgent; ++i) {
        tasks.push_back(
            cops::spawn(urgent(shared, urgents[i], i), static_cast<unsigned>(options.urgent_level))
        );
    }
    if (!std::ranges::all_of(tasks, [](cops::TaskId id) { return static_cast<bool>(id); })) {
        std::fputs("load-mixed: no memory for a coroutine\n", stderr);
        co_return 1;
    }
    for (const cops::TaskId id : tasks) {
        co_await cops::join(id);
    }
    const std::uint64_t ended = cops::time_now();
    for (std::size_t i = 1; i < urgents.size(); ++i) {
        urgents[0].done.append(urgents[i].done);
        urgents[0].started.append(urgents[i].started);
    }
    bool well = shared.wrong == 0;
    if (!urgents.empty()) {
        urgents[0].done.print();
        urgents[0].started.print();
        well = co_await load::write_samples({&urgents[0].done, &urgents[0].started}) && well;
    }
    if (options.batch != 0) {
        load::print_work(
            "batch", static_cast<unsigned>(options.batch_level), shared.batch_units, ended - begun
        );
    }
    std::puts(shared.wrong == 0 ? "load-mixed: every result is right" : "load-mixed: WRONG result");
    co_return well ? 0 : 1;
}

}  // namespace

cops::Task<int> cops_main(int argc, char** argv) {
    Options options;
    const std::array<load::NumberOption, 9> known{{
        {"--urgent", "urgent coroutines", 0, 1000, options.urgent},
        {"--urgent-level", "their level", 0, cops::kLevels - 1, options.urgent_level},
        {"--rounds", "rounds of each", 1, 10'000'000, options.rounds},
        {"--period", "microseconds from one to the next", 1, 10'000'000, options.period},
        {"--service", "units of work in a round", 0, 1'000'000, options.service},
        {"--batch", "batch coroutines", 0, 1000, options.batch},
        {"--batch-level", "their level", 0, cops::kLevels - 1, options.batch_level},
        {"--batch-units", "units that each does at least", 0, 1'000'000'000, options.batch_units},
        {"--harts", "virtual CPUs used, if there are so many", 1, 64, options.harts},
    }};
    if (!load::parse("load-mixed", std::span(argv + 1, argv + argc), known)) {
        co_return 2;
    }
    co_return co_await run(options);
}
