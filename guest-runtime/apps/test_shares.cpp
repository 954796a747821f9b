// SPDX-License-Identifier: Apache-2.0
// test-shares: processes on one hart, some of which claim all of it. What the others get is what
// their limits say.
#include "check.hpp"

#include <cops/cops.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kMillisecond = 1'000'000;  // in time_now()'s ticks, at the usual timebase

// The process's line, which it may write as it likes.
virtio_cops_line& line() {
    return *cops::detail::context()->line;
}

// All of them compute alike, so that instructions tell who had the hart.
[[gnu::noinline]] void burst() {
    for (int i = 0; i < 2000; ++i) {
        __asm__ volatile("");
    }
}

/// Computes until then; `between` after each burst.
void compute_until(std::uint64_t end, auto&& between) {
    while (cops::time_now() < end) {
        burst();
        between();
    }
}

// ---- Children ----

/// Claims level 0 for `time`, and never gives the hart away.
int hog(std::uint64_t time) {
    __atomic_store_n(&line().ready, 1, __ATOMIC_RELAXED);
    compute_until(cops::time_now() + time, [] {});
    return 0;
}

/// The same by a word that changes all the time.
int toggle(std::uint64_t time) {
    std::uint64_t bits = 1;
    compute_until(cops::time_now() + time, [&bits] {
        bits ^= (std::uint64_t{1} << 63) | 1;
        __atomic_store_n(&line().ready, bits, __ATOMIC_RELAXED);
    });
    return 0;
}

std::uint64_t instructions() {
    std::uint64_t count;
    __asm__ volatile("rdinstret %0" : "=r"(count));
    return count;
}

/// At level 63: its part of all instructions of the hart, and the longest it had to wait, as a part
/// of all too. (In instructions: time that the host takes away is nobody's.)
cops::Task<int> victim(unsigned least_percent, unsigned most_percent, unsigned longest_percent) {
    (void)cops::set_priority(cops::current(), 63);
    const std::uint64_t before = instructions();
    burst();
    std::uint64_t alone = instructions() - before;
    const std::uint64_t end = cops::time_now() + 1200 * kMillisecond;
    const std::uint64_t begin = instructions();
    std::uint64_t own = 0;
    std::uint64_t longest = 0;
    std::uint64_t last = begin;
    while (cops::time_now() < end) {
        burst();
        const std::uint64_t now = instructions();
        alone = std::min(alone, now - last);
        longest = std::max(longest, now - last);
        own += alone;
        last = now;
    }
    const std::uint64_t all = last - begin;
    std::printf("victim part=%lu%% longest_wait=%lu%%\n", own * 100 / all, longest * 100 / all);
    check(own * 100 >= all * least_percent, "it had its share");
    check(own * 100 <= all * most_percent, "and not much more");
    check(longest * 100 <= all * longest_percent, "it never waited long");
    co_return 0;
}

// ---- The parent ----

int start(std::string_view role, const cops::ProcessLimits& limits) {
    const std::string text(role);
    const std::array<const char*, 3> argv = {"test-shares", text.c_str(), nullptr};
    const char* const envp[] = {nullptr};
    const cops::Result<int> pid = cops::spawn_process("/app", argv.data(), envp, &limits);
    check(pid.has_value(), "spawn_process");
    return *pid;
}

void all_end_well(const std::vector<int>& pids) {
    for (const int pid : pids) {
        check(cops::wait_process(pid) == 0, "the child ended well");
    }
}

void refuses_what_makes_no_sense() {
    const char* const argv[] = {"test-shares", "none", nullptr};
    const char* const envp[] = {nullptr};
    constexpr cops::ProcessLimits kBad[] = {
        {.ceiling = 64, .weight = 100, .share = 5, .reserved = 0},
        {.ceiling = 0, .weight = 0, .share = 5, .reserved = 0},
        {.ceiling = 0, .weight = 10'001, .share = 5, .reserved = 0},
        {.ceiling = 0, .weight = 100, .share = 51, .reserved = 0},
    };
    for (const cops::ProcessLimits& limits : kBad) {
        const auto pid = cops::spawn_process("/app", argv, envp, &limits);
        check(!pid && pid.error() == cops::Error(EINVAL), "EINVAL");
    }
}

/// A child may not give what it has not.
int refuses_wider_limits() {
    const char* const argv[] = {"test-shares", "none", nullptr};
    const char* const envp[] = {nullptr};
    constexpr cops::ProcessLimits kWider[] = {
        {.ceiling = 9, .weight = 50, .share = 5, .reserved = 0},
        {.ceiling = 10, .weight = 51, .share = 5, .reserved = 0},
        {.ceiling = 10, .weight = 50, .share = 6, .reserved = 0},
    };
    for (const cops::ProcessLimits& limits : kWider) {
        const auto pid = cops::spawn_process("/app", argv, envp, &limits);
        check(!pid && pid.error() == cops::Error(EPERM), "EPERM");
    }
    return 0;
}

}  // namespace

cops::Task<int> cops_main(int argc, char** argv) {
    const std::string_view role = argc > 1 ? argv[1] : "";
    if (role == "hog") {
        co_return hog(2500 * kMillisecond);
    }
    if (role == "toggle") {
        co_return toggle(2500 * kMillisecond);
    }
    if (role == "victim") {
        co_return co_await victim(18, 60, 20);
    }
    if (role == "capped") {
        co_return hog(2500 * kMillisecond);
    }
    if (role == "above") {
        co_return co_await victim(60, 90, 20);
    }
    if (role == "narrow") {
        co_return refuses_wider_limits();
    }
    refuses_what_makes_no_sense();
    all_end_well({start("narrow", {.ceiling = 10, .weight = 50, .share = 5, .reserved = 0})});
    constexpr cops::ProcessLimits kFree = {.ceiling = 0, .weight = 100, .share = 5, .reserved = 0};
    constexpr cops::ProcessLimits kGuaranteed = {
        .ceiling = 0, .weight = 100, .share = 25, .reserved = 0
    };
    all_end_well({start("hog", kFree), start("victim", kGuaranteed)});
    all_end_well({start("toggle", kFree), start("victim", kGuaranteed)});
    // One whose ceiling is 63 is no more urgent than the other, and their weights decide.
    constexpr cops::ProcessLimits kCapped = {
        .ceiling = 63, .weight = 50, .share = 0, .reserved = 0
    };
    constexpr cops::ProcessLimits kEqual = {.ceiling = 0, .weight = 150, .share = 0, .reserved = 0};
    all_end_well({start("capped", kCapped), start("above", kEqual)});
    std::puts("test-shares: all passed");
    co_return 0;
}
