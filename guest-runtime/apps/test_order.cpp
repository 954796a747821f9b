// SPDX-License-Identifier: Apache-2.0
// test-order FILE: the coroutines of two processes and the kernel's work for them, all on one hart,
// end in the order of their levels, whoever they belong to. Each says so when it ends; the console
// keeps the order.
#include "check.hpp"

#include <cops/cops.hpp>

#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace {

// More urgent than all that is put in order.
constexpr unsigned kSetUp = 1;

void compute() {
    for (int i = 0; i < 1'000'000; ++i) {
        __asm__ volatile("");
    }
}

// With a timebase of 1 GHz.
std::chrono::nanoseconds until(std::uint64_t time) {
    const std::uint64_t now = cops::time_now();
    return std::chrono::nanoseconds(time > now ? time - now : 0);
}

/// Most ask the kernel for something (reads at the file position are its business). They compute
/// and never offer the hart: the others wait for the end of a coroutine. The kernel hears nothing
/// of those that ask for nothing.
cops::Task<> piece(const char* path, unsigned level) {
    if (level > 30 || level % 10 != 0) {
        const cops::Result<int> fd = co_await cops::open(path, O_RDONLY);
        check(fd.has_value(), "open");
        std::array<std::byte, 1> byte;
        check((co_await cops::read(*fd, byte)) == 1u, "read at the file position");
    }
    compute();
    std::printf("ended level=%u\n", level);
    std::fflush(stdout);
}

/// Runs pieces at levels first, first + step ... below 64, made at time `start`.
cops::Task<int> child(const char* path, unsigned first, unsigned step, std::uint64_t start) {
    check(cops::set_priority(cops::current(), kSetUp).has_value(), "set_priority");
    check((co_await cops::sleep_for(until(start))).has_value(), "sleep");
    std::vector<cops::TaskId> tasks;
    for (unsigned level = first; level < cops::kLevels; level += step) {
        tasks.push_back(cops::spawn(piece(path, level), level));
        check(static_cast<bool>(tasks.back()), "spawn");
    }
    for (const cops::TaskId task : tasks) {
        co_await cops::join(task);
    }
    co_return 0;
}

}  // namespace

cops::Task<int> cops_main(int argc, char** argv) {
    if (argc == 5) {
        co_return co_await child(
            argv[1],
            static_cast<unsigned>(std::strtoul(argv[2], nullptr, 10)),
            static_cast<unsigned>(std::strtoul(argv[3], nullptr, 10)),
            std::strtoull(argv[4], nullptr, 10)
        );
    }
    check(argc == 2, "usage: test-order FILE");
    const std::uint64_t begin = cops::time_now() + 600'000'000;
    const std::string start = std::to_string(begin);
    // Without a share: it would have its say in the order.
    constexpr cops::ProcessLimits kLimits = {
        .ceiling = 0, .weight = 100, .share = 0, .reserved = 0
    };
    const char* const envp[] = {nullptr};
    std::vector<int> pids;
    for (const char* first : {"10", "15"}) {
        const std::array<const char*, 6> words = {
            "o", argv[1], first, "10", start.c_str(), nullptr
        };
        const cops::Result<int> pid = cops::spawn_process("/app", words.data(), envp, &kLimits);
        check(pid.has_value(), "spawn_process");
        pids.push_back(*pid);
    }
    // Nobody gets the hart until both have been woken: then all begins at the same moment.
    check((co_await cops::sleep_for(until(begin - 50'000'000))).has_value(), "sleep");
    check(cops::set_priority(cops::current(), 0).has_value(), "set_priority");
    while (cops::time_now() < begin + 50'000'000) {
    }
    for (const int pid : pids) {
        check(cops::wait_process(pid) == 0, "the child ended well");
    }
    std::puts("test-order: all ended");
    co_return 0;
}
