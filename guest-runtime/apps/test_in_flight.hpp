// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "check.hpp"

#include <cops/cops.hpp>

#include <sys/mman.h>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

/// Shared by the tests that leave requests in flight behind.
namespace in_flight {

constexpr std::size_t kPage = 4096;
constexpr unsigned kRequests = 1000;

inline std::byte* map(std::size_t bytes) {
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(memory != MAP_FAILED, "mmap");
    return static_cast<std::byte*>(memory);
}

/// A page's worth of read that ends whenever the host ends it; nobody looks at the result.
inline cops::Task<> read_page(int fd, std::byte* page) {
    (void)co_await cops::read(fd, std::span(page, kPage), 0);
}

/// The same, with the result.
inline cops::Task<> read_page_counted(int fd, std::byte* page, unsigned& ended) {
    const cops::Result<std::size_t> count = co_await cops::read(fd, std::span(page, kPage), 0);
    check(
        count.has_value() || count.error() == cops::Error(ECANCELED)
            || count.error() == cops::Error(EFAULT),
        "a request whose buffer is gone ends with a count, ECANCELED or EFAULT"
    );
    ++ended;
}

/// Process that takes frames, fills them with a value of its own and watches that nobody writes
/// there.
inline int watch(unsigned rounds) {
    constexpr std::size_t kPages = 512;
    for (unsigned round = 0; round < rounds; ++round) {
        std::byte* memory = map(kPages * kPage);
        const auto value = static_cast<unsigned char>(0x5a + round);
        std::memset(memory, value, kPages * kPage);
        const std::uint64_t until =
            cops::time_now() + 3'000'000;  // Ticks; the time for writes to come.
        while (cops::time_now() < until) {
        }
        for (std::size_t i = 0; i < kPages * kPage; ++i) {
            check(memory[i] == std::byte{value}, "a frame was written after it changed hands");
        }
        check(munmap(memory, kPages * kPage) == 0, "munmap");
    }
    return 0;
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
