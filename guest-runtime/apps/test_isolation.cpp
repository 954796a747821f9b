// SPDX-License-Identifier: Apache-2.0
// test-isolation [--processes N] [--requests N] FILE: N processes on one machine make N requests
// each, half of them sleeps, else reads and nops, on many coroutines, and check that each gets its
// own completions: none of another's, none lost, none twice. FILE holds the bytes 0, 1, 2 ... as
// test-api has it.
#include "check.hpp"

#include <cops/cops.hpp>

#include <array>
#include <atomic>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;

namespace {

constexpr unsigned kCoroutines = 32;
constexpr std::size_t kFileBytes = 1000;

struct Tally {
    std::atomic<std::uint64_t> done = 0;
    std::atomic<std::uint64_t> wrong = 0;
};

cops::Task<> worker(int fd, unsigned number, std::uint64_t rounds, Tally& tally) {
    std::array<std::byte, 16> buffer;
    for (std::uint64_t round = 0; round < rounds; ++round) {
        const std::uint64_t kind = (round + number) % 16;
        bool good = false;
        if (kind < 8) {
            // The host's timer: it comes while this process runs, or another, or none.
            good = (co_await cops::sleep_for(100us + (round * 5 + number) % 19 * 50us)).has_value();
        } else if (kind < 11) {
            good = (co_await cops::nop()).has_value();
        } else {
            const std::size_t offset = (round * 7 + number) % (kFileBytes - buffer.size());
            buffer.fill(std::byte{0xee});
            const auto count = co_await cops::read(fd, buffer, static_cast<std::int64_t>(offset));
            good = count == buffer.size();
            for (std::size_t i = 0; good && i < buffer.size(); ++i) {
                good = buffer[i] == static_cast<std::byte>(offset + i);
            }
        }
        ++tally.done;
        tally.wrong += good ? 0 : 1;
    }
}

// Keeps the process busy, so that it loses the hart at a tick and not before, and completions
// interrupt it.
cops::Task<> spinner(const bool& stop) {
    while (!stop) {
        for (unsigned i = 0; i < 500; ++i) {
            __asm__ volatile("" : : : "memory");
        }
        co_await cops::maybe_yield();
    }
}

cops::Task<int> child(const char* file, std::uint64_t requests) {
    const cops::Result<int> fd = co_await cops::open(file, O_RDONLY);
    check(fd.has_value(), "open");
    const std::uint64_t before = cops::counters().ring_completions
                                 + cops::counters().interrupt_completions
                                 + cops::counters().kernel_completions;
    Tally tally;
    std::vector<cops::TaskId> tasks;
    tasks.reserve(kCoroutines);
    const std::uint64_t rounds = requests / kCoroutines;
    for (unsigned i = 0; i < kCoroutines; ++i) {
        tasks.push_back(cops::spawn(worker(*fd, i, rounds, tally), i % 3 * 20 + 2));
    }
    bool stop = false;
    const cops::TaskId spin = cops::spawn(spinner(stop), 60);
    for (const cops::TaskId task : tasks) {
        co_await cops::join(task);
    }
    stop = true;
    co_await cops::join(spin);
    const cops_executor_counters& counters = cops::counters();
    const std::uint64_t completions = counters.ring_completions + counters.interrupt_completions
                                      + counters.kernel_completions - before;
    std::printf(
        "process requests=%lu completions=%lu wrong=%lu stale=%lu ring=%lu interrupt=%lu "
        "kernel=%lu\n",
        tally.done.load(),
        completions,
        tally.wrong.load(),
        counters.stale_completions,
        counters.ring_completions,
        counters.interrupt_completions,
        counters.kernel_completions
    );
    check(tally.wrong == 0, "every answer was right");
    check(completions == tally.done, "one completion a request");
    check(counters.stale_completions == 0, "no completion of another");
    co_return 0;
}

int parent(const char* self, const char* file, unsigned processes, std::uint64_t requests) {
    const std::string count = std::to_string(requests);
    const char* const argv[] = {self, "--child", count.c_str(), file, nullptr};
    const char* const envp[] = {nullptr};
    std::vector<int> pids;
    pids.reserve(processes);
    for (unsigned i = 0; i < processes; ++i) {
        const cops::Result<int> pid = cops::spawn_process("/app", argv, envp);
        check(pid.has_value(), "spawn_process");
        pids.push_back(*pid);
    }
    int failed = 0;
    for (const int pid : pids) {
        failed += cops::wait_process(pid).value_or(255) != 0;
    }
    std::printf(
        "isolation processes=%u requests=%lu failed=%d\n", processes, processes * requests, failed
    );
    return failed == 0 ? 0 : 1;
}

}  // namespace

cops::Task<int> cops_main(int argc, char** argv) {
    if (argc == 4 && std::string_view(argv[1]) == "--child") {
        co_return co_await child(argv[3], std::strtoull(argv[2], nullptr, 10));
    }
    unsigned processes = 4;
    std::uint64_t requests = 10000;
    int i = 1;
    for (; i + 1 < argc; i += 2) {
        if (std::string_view(argv[i]) == "--processes") {
            processes = static_cast<unsigned>(std::strtoul(argv[i + 1], nullptr, 10));
        } else if (std::string_view(argv[i]) == "--requests") {
            requests = std::strtoull(argv[i + 1], nullptr, 10);
        }
    }
    check(i + 1 == argc, "usage: test-isolation [--processes N] [--requests N] FILE");
    co_return parent(argv[0], argv[i], processes, requests);
}
