// SPDX-License-Identifier: Apache-2.0
// Everything that can be used up. What is promised fails with an error and the process goes on;
// what was not promised ends whoever took the most of it.
#include "test_hostile.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <ctime>
#include <vector>

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kMega = 1 << 20;
constexpr int kPrivate = MAP_PRIVATE | MAP_ANONYMOUS;

void* map(std::size_t bytes, int rights, int flags = kPrivate) {
    return mmap(nullptr, bytes, rights, flags, -1, 0);
}

void touch(void* memory, std::size_t bytes) {
    auto* const bytes_of = static_cast<volatile char*>(memory);
    for (std::size_t i = 0; i < bytes; i += kPage) {
        bytes_of[i] = 1;
    }
}

cops::Task<int> exhaust_by_mmap() {
    std::size_t blocks = 0;
    void* memory = nullptr;
    while ((memory = map(kMega, PROT_READ | PROT_WRITE)) != MAP_FAILED) {
        touch(memory, kMega);
        ++blocks;
    }
    check(errno == ENOMEM, "mmap says that memory is short");
    check(blocks > 8, "there was some");
    co_return 0;
}

cops::Task<int> exhaust_by_brk() {
    std::size_t blocks = 0;
    void* memory = nullptr;
    // NOLINTNEXTLINE(performance-no-int-to-ptr)
    while ((memory = sbrk(kMega)) != reinterpret_cast<void*>(-1)) {
        touch(memory, kMega);
        ++blocks;
    }
    check(errno == ENOMEM, "brk says that memory is short");
    check(blocks > 8, "there was some");
    check(sbrk(-static_cast<std::intptr_t>(blocks * kMega / 2)) != nullptr, "half goes back");
    check(map(kMega, PROT_READ | PROT_WRITE) != MAP_FAILED, "and can be had again");
    co_return 0;
}

// Not promised, so nothing fails until a page is missing.
cops::Task<int> exhaust_unpromised() {
    constexpr std::size_t kMuch = std::size_t{64} << 30;
    void* const memory = map(kMuch, PROT_READ | PROT_WRITE, kPrivate | MAP_NORESERVE);
    check(memory != MAP_FAILED, "mmap");
    touch(memory, kMuch);
    co_return 0;
}

// A page in each 2 MiB: as many page tables as pages.
cops::Task<int> exhaust_tables() {
    constexpr std::size_t kMuch = std::size_t{128} << 30;
    auto* const memory =
        static_cast<char*>(map(kMuch, PROT_READ | PROT_WRITE, kPrivate | MAP_NORESERVE));
    check(memory != MAP_FAILED, "mmap");
    for (std::size_t i = 0; i < kMuch; i += 2 * kMega) {
        touch(memory + i, 1);
    }
    co_return 0;
}

// Has the kernel write into a page: a call answers where a store would fault.
bool fill_by_call(void* page) {
    return clock_gettime(CLOCK_MONOTONIC, static_cast<timespec*>(page)) == 0;
}

// It copies the arguments into 128 KiB of its own before it looks for the program.
bool kernel_has_memory() {
    const cops::Result<int> pid = cops::spawn_process("/no-such-program", nullptr, nullptr);
    return !pid && pid.error() == cops::Error(ENOENT);
}

cops::Task<int> exhaust_tables_by_calls() {
    check(kernel_has_memory(), "at first too, and the code for this is loaded");
    constexpr std::size_t kMuch = std::size_t{128} << 30;
    auto* const memory =
        static_cast<char*>(map(kMuch, PROT_READ | PROT_WRITE, kPrivate | MAP_NORESERVE));
    check(memory != MAP_FAILED, "mmap");
    std::size_t failed = 0;
    for (std::size_t i = 0; i < kMuch; i += 2 * kMega) {
        failed += !fill_by_call(memory + i);
    }
    check(failed != 0, "memory ran short");
    check(kernel_has_memory(), "the kernel has memory of its own");
    check(munmap(memory, kMuch) == 0, "munmap");
    check((co_await cops::nop()).has_value(), "a request still works");
    co_return 0;
}

// Writes to memory that it has been promised, when somebody else has taken all that there is.
cops::Task<int> latecomer() {
    static std::array<char, kMega> promised;
    for (bool full = false; !full;) {
        void* const page = map(kPage, PROT_READ | PROT_WRITE, kPrivate | MAP_NORESERVE);
        full = page == MAP_FAILED || !fill_by_call(page);
        if (page != MAP_FAILED) {
            munmap(page, kPage);
        }
        co_await cops::sleep_for(100us);
    }
    touch(promised.data(), promised.size());
    std::puts("latecomer: written");
    co_return 0;
}

// Takes all memory and then asks for nothing: it must not live on at the expense of who does.
cops::Task<int> hoard() {
    constexpr std::size_t kMuch = std::size_t{64} << 30;
    const char* const argv[] = {"latecomer", "latecomer", nullptr};
    const char* const envp[] = {nullptr};
    check(cops::spawn_process("/app", argv, envp).has_value(), "spawn_process");
    auto* const memory =
        static_cast<char*>(map(kMuch, PROT_READ | PROT_WRITE, kPrivate | MAP_NORESERVE));
    check(memory != MAP_FAILED, "mmap");
    for (std::size_t i = 0;; ++i) {
        while (!fill_by_call(memory + i * kPage)) {
            co_await cops::sleep_for(1ms);
        }
    }
}

cops::Task<int> exhaust_areas() {
    constexpr std::size_t kMost = 100'000;
    std::size_t areas = 0;
    while (areas < kMost && map(kPage, areas % 2 == 0 ? PROT_NONE : PROT_READ) != MAP_FAILED) {
        ++areas;
    }
    check(errno == ENOMEM && areas < kMost, "mmap says that there are too many");
    check((co_await cops::nop()).has_value(), "a request still works");
    co_return 0;
}

// Vast and never touched: costs nothing, and no call takes long over it.
cops::Task<int> vast_mapping() {
    constexpr std::size_t kMuch = std::size_t{200} << 30;
    void* const memory = map(kMuch, PROT_NONE);
    check(memory != MAP_FAILED, "mmap");
    check(mprotect(memory, kMuch, PROT_READ) == 0, "mprotect");
    check(mprotect(memory, kMuch, PROT_READ | PROT_WRITE) != 0, "mprotect to more than there is");
    check(munmap(memory, kMuch) == 0, "munmap");
    co_return 0;
}

cops::Task<> idler() {
    co_return;
}

cops::Task<int> exhaust_coroutines() {
    std::size_t spawned = 0;
    cops::TaskId last;
    // Less urgent than this one, so that none ends before there is no room for more.
    while (const cops::TaskId id = cops::spawn(idler(), cops::kLevels - 1)) {
        last = id;
        ++spawned;
    }
    check(spawned > 100'000, "there was room for many");
    co_await cops::join(last);
    const cops::TaskId more = cops::spawn(idler(), cops::kLevels - 1);
    check(static_cast<bool>(more), "and for one more, when they had ended");
    co_await cops::join(more);
    co_return 0;
}

cops::Task<int> nap() {
    co_await cops::sleep_for(20ms);
    co_return 0;
}

cops::Task<int> exhaust_processes() {
    const char* const argv[] = {"nap", "nap", nullptr};
    const char* const envp[] = {nullptr};
    std::vector<int> pids;
    pids.reserve(100);
    cops::Result<int> pid = cops::spawn_process("/app", argv, envp);
    for (; pid && pids.size() < 100; pid = cops::spawn_process("/app", argv, envp)) {
        pids.push_back(*pid);
    }
    check(!pid, "the table is full, or the memory");
    check(pid.error() == cops::Error(EAGAIN) || pid.error() == cops::Error(ENOMEM), "and says so");
    check(pids.size() > 8, "there was room for some");
    for (const int one : pids) {
        check(cops::wait_process(one).has_value(), "wait_process");
    }
    co_return 0;
}

constexpr HostileCase kCases[] = {
    {"exhaust-mmap", &exhaust_by_mmap},
    {"exhaust-brk", &exhaust_by_brk},
    {"exhaust-unpromised", &exhaust_unpromised},
    {"exhaust-tables", &exhaust_tables},
    {"exhaust-tables-by-calls", &exhaust_tables_by_calls},
    {"hoard", &hoard},
    {"latecomer", &latecomer},
    {"exhaust-areas", &exhaust_areas},
    {"vast-mapping", &vast_mapping},
    {"exhaust-coroutines", &exhaust_coroutines},
    {"exhaust-processes", &exhaust_processes},
    {"nap", &nap},
};

}  // namespace

std::span<const HostileCase> memory_cases() {
    return kCases;
}
