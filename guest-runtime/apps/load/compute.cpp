// SPDX-License-Identifier: Apache-2.0
// load-compute: computes on all its virtual CPUs and wants nothing else. A neighbour that takes
// whatever it gets; with --memory one that also goes through memory, so that caches are its own.
//   work name=compute  units that all coroutines did
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
    std::uint64_t coroutines = 0;
    std::uint64_t level = 20;
    std::uint64_t units = 100'000;
    std::uint64_t memory = 0;
    std::uint64_t harts = 64;
};

struct Shared {
    const Options& options;
    std::atomic<std::uint64_t> units{0};
    std::atomic<std::uint64_t> wrong{0};
};

/// Counts up one word of each cache line. False: one was not as it was left.
bool pass_through(std::vector<std::uint64_t>& memory, std::uint64_t pass) {
    constexpr std::size_t kWordsOfLine = 8;
    bool right = true;
    for (std::size_t i = 0; i < memory.size(); i += kWordsOfLine) {
        right = right && memory[i] == pass;
        ++memory[i];
    }
    return right;
}

cops::Task<> compute(Shared& shared, std::uint64_t seed) {
    constexpr std::uint64_t kUnitsOfPass = 64;  // Between two passes through memory.
    load::Work work(seed);
    std::vector<std::uint64_t> memory(shared.options.memory * 1024 / sizeof(std::uint64_t));
    std::uint64_t passes = 0;
    bool right = true;
    while (shared.options.units == 0 || work.units() < shared.options.units) {
        work.run();
        if (work.units() % kUnitsOfPass == 0) {
            right = pass_through(memory, passes) && right;
            ++passes;
        }
        co_await cops::maybe_yield();
    }
    shared.units.fetch_add(work.units(), std::memory_order_relaxed);
    shared.wrong.fetch_add(right && work.is_right() ? 0 : 1, std::memory_order_relaxed);
}

cops::Task<int> run(Options options) {
    const unsigned harts = load::use_harts(options.harts);
    options.coroutines = options.coroutines == 0 ? harts : options.coroutines;
    Shared shared{.options = options};
    const std::uint64_t begun = cops::time_now();
    std::vector<cops::TaskId> tasks;
    for (std::uint64_t i = 0; i < options.coroutines; ++i) {
        tasks.push_back(cops::spawn(compute(shared, i), static_cast<unsigned>(options.level)));
        if (!tasks.back()) {
            std::fputs("load-compute: no memory for a coroutine\n", stderr);
            co_return 1;
        }
    }
    for (const cops::TaskId id : tasks) {
        co_await cops::join(id);
    }
    load::print_work(
        "compute", static_cast<unsigned>(options.level), shared.units, cops::time_now() - begun
    );
    const bool right = shared.wrong == 0;
    std::puts(right ? "load-compute: every result is right" : "load-compute: WRONG result");
    co_return right ? 0 : 1;
}

}  // namespace

cops::Task<int> cops_main(int argc, char** argv) {
    Options options;
    const std::array<load::NumberOption, 5> known{{
        {"--coroutines", "coroutines, 0: one for each virtual CPU", 0, 1000, options.coroutines},
        {"--level", "their level", 0, cops::kLevels - 1, options.level},
        {"--units", "units of work of each, 0: for ever", 0, 1'000'000'000, options.units},
        {"--memory", "KiB that each goes through", 0, 1 << 20, options.memory},
        {"--harts", "virtual CPUs used, if there are so many", 1, 64, options.harts},
    }};
    if (!load::parse("load-compute", std::span(argv + 1, argv + argc), known)) {
        co_return 2;
    }
    co_return co_await run(options);
}
