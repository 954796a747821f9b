// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "check.hpp"

#include <cops/cops.hpp>

#include <sys/mman.h>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

/// Shared by the tests that leave requests in flight behind. FILE is an empty pipe with a writer: a
/// read of it ends when somebody writes to it, and not before.
namespace in_flight {

constexpr std::size_t kPage = 4096;
constexpr unsigned kRequests = 1000;
/// More urgent than cops_main, and used by nothing else: the host's report shows them apart.
constexpr unsigned kReadersLevel = 5;

inline std::byte* map(std::size_t bytes) {
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(memory != MAP_FAILED, "mmap");
    return static_cast<std::byte*>(memory);
}

/// A page's worth of read from a pipe: ends when somebody writes, or with the process.
inline cops::Task<>
read_page(int fd, std::byte* page, std::int64_t offset, unsigned& ended, cops::TaskId tell) {
    const cops::Result<std::size_t> count = co_await cops::read(fd, std::span(page, kPage), offset);
    check(count.has_value() && *count > 0, "what was written arrives");
    const cops::NoPreemption guard;
    ++ended;
    (void)cops::wake(tell);
}

/// Starts kRequests reads into `pages` and comes back when each is with the host. Their ends wake
/// the caller. `offset` means nothing to a pipe, but who carries the reads: those at an offset are
/// the host's alone, those at the current position have a kernel coroutine each.
inline cops::Task<std::vector<cops::TaskId>>
start_reads(int fd, std::byte* pages, std::int64_t offset, unsigned& ended) {
    const cops::Result<cops_kernel_counters> before = cops::kernel_counters();
    std::vector<cops::TaskId> tasks;
    tasks.reserve(kRequests);
    for (unsigned i = 0; i < kRequests; ++i) {
        tasks.push_back(cops::spawn(
            read_page(fd, pages + i * kPage, offset, ended, cops::current()), kReadersLevel
        ));
        check(static_cast<bool>(tasks.back()), "spawn");
    }
    // Everything more urgent than us has submitted when we run again.
    co_await cops::yield();
    const cops::Result<cops_kernel_counters> after = cops::kernel_counters();
    check(
        before && after && after->submissions >= before->submissions + kRequests,
        "all are submitted"
    );
    check(ended == 0, "all are in flight");
    co_return tasks;
}

/// Runs /app again in another role and gives its pid.
inline int spawn_role(const char* self, const char* role, const char* file) {
    const char* const argv[] = {self, role, file, nullptr};
    const char* const envp[] = {nullptr};
    const cops::Result<int> pid = cops::spawn_process("/app", argv, envp);
    check(pid.has_value(), "spawn_process");
    return *pid;
}

}  // namespace in_flight
