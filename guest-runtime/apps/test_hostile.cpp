// SPDX-License-Identifier: Apache-2.0
// Programs that misbehave:
//   test-hostile CASE            does it
//   test-hostile requests FILE   the requests of test_hostile_requests.cpp
//   test-hostile beside CASE     does it in a process of its own, twice, beside a witness that must
//                                not notice; then says how both ended
//   test-hostile against CASE    the same for a case that never ends: two witnesses end, then
//                                the machine
#include "test_hostile.hpp"

#include <sys/sysinfo.h>

#include <array>
#include <cstring>
#include <string>
#include <string_view>

using namespace std::chrono_literals;

namespace {

cops::Task<> bystander(std::uint64_t& sum) {
    co_await cops::yield();
    ++sum;
}

// Computes, uses memory of its own, sleeps, makes requests and spawns coroutines. What it needs is
// there from the start: that another process takes all memory is no reason to fail.
cops::Task<int> witness() {
    constexpr unsigned kRounds = 64;
    constexpr std::size_t kPage = 4096;
    static std::array<std::uint64_t, kRounds * kPage / sizeof(std::uint64_t)> memory;
    std::uint64_t sum = 0;
    for (unsigned round = 0; round < kRounds; ++round) {
        for (std::size_t i = round * kPage / 8; i < (round + 1) * kPage / 8; ++i) {
            memory[i] = i * 0x9e3779b97f4a7c15;
        }
        check((co_await cops::sleep_for(200us)).has_value(), "sleep");
        check((co_await cops::nop()).has_value(), "nop");
        const cops::TaskId task = cops::spawn(bystander(sum), cops::kMainLevel);
        check(static_cast<bool>(task), "spawn");
        co_await cops::join(task);
    }
    check(sum == kRounds, "every coroutine ran");
    for (std::size_t i = 0; i < memory.size(); ++i) {
        check(memory[i] == i * 0x9e3779b97f4a7c15, "memory is as it was left");
    }
    co_return 0;
}

int start(const char* what) {
    const char* const argv[] = {what, what, nullptr};
    const char* const envp[] = {nullptr};
    const cops::Result<int> pid = cops::spawn_process("/app", argv, envp);
    check(pid.has_value(), "spawn_process");
    return *pid;
}

int end_of(int pid) {
    const cops::Result<int> status = cops::wait_process(pid);
    check(status.has_value(), "wait_process");
    return *status;
}

std::uint64_t free_pages() {
    struct sysinfo info{};
    check(sysinfo(&info) == 0, "sysinfo");
    return info.freeram;
}

int beside(const char* name) {
    constexpr std::uint64_t kHeapGrowth = 64;  // pages that the kernel's heap keeps for the next
    std::uint64_t free_before = 0;
    for (int round = 1; round <= 2; ++round) {
        const int watching = start("witness");
        const int ended = end_of(start(name));
        const int watched = end_of(watching);
        const int after = end_of(start("witness"));
        std::printf(
            "%s ended with status %d; beside it %d, after it %d\n", name, ended, watched, after
        );
        check(watched == 0 && after == 0, "the witness went on");
        const std::uint64_t free_now = free_pages();
        check(free_now + kHeapGrowth >= free_before, "its memory came back");
        free_before = free_now;
    }
    return 0;
}

int against(const char* name) {
    start(name);
    // While the first one sleeps at the latest, the other begins.
    const int first = end_of(start("witness"));
    const int second = end_of(start("witness"));
    std::printf("%s goes on; beside it %d and %d\n", name, first, second);
    return first | second;
}

cops::Task<int> run_case(std::string_view name) {
    for (const auto cases : {fault_cases(), memory_cases(), schedule_cases(), call_cases()}) {
        for (const HostileCase& one : cases) {
            if (name == one.name) {
                co_return co_await one.run();
            }
        }
    }
    check(false, "no such case");
    co_return 2;
}

}  // namespace

cops::Task<int> cops_main(int argc, char** argv) {
    check(argc == 2 || argc == 3, "usage: test-hostile CASE | requests FILE | beside|against CASE");
    const std::string_view how = argv[1];
    if (argc == 3) {
        co_return how == "beside" ? beside(argv[2])
        : how == "against"        ? against(argv[2])
                                  : co_await hostile_requests(argv[2]);
    }
    co_return co_await (how == "witness" ? witness() : run_case(how));
}
