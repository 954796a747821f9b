// SPDX-License-Identifier: Apache-2.0
// urgent FIFO COUNT: a guest that sleeps until the host writes the time into a FIFO, and notes when
// its coroutine, at level 2, runs then. The writer is parts/wake.py.
//   meet                 its clock can be compared with the host's
//   ready                now write, each when the last one was taken
//   wake sent=T resumed=T  host time, guest time
#include <cops/cops.hpp>

#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

constexpr unsigned kUrgent = 2;

// As in bench/guest/programs/wakes.cpp: the host finds this in the guest's memory, and compares its
// clock with the guest's through it. The marks are made at run time, so that no copy of the program
// has them.
struct alignas(64) Meeting {
    volatile std::uint64_t mark[2];
    std::uint64_t asked;
    std::uint64_t answered;
    std::uint64_t time;
};
Meeting meeting;
constexpr std::uint64_t kLastQuestion = ~std::uint64_t{0};

void compare_clocks() {
    meeting.mark[0] = 0x6d656574696e6721u + cops::hart();
    meeting.mark[1] = ~meeting.mark[0];
    std::puts("meet");
    std::fflush(stdout);
    std::uint64_t seen = 0;
    while (seen != kLastQuestion) {
        const std::uint64_t asked = __atomic_load_n(&meeting.asked, __ATOMIC_ACQUIRE);
        if (asked != seen) {
            seen = asked;
            __atomic_store_n(&meeting.time, cops::time_now(), __ATOMIC_RELAXED);
            __atomic_store_n(&meeting.answered, seen, __ATOMIC_RELEASE);
        }
    }
    __atomic_store_n(&meeting.answered, 0, __ATOMIC_RELEASE);
}

struct Wake {
    std::uint64_t sent;
    std::uint64_t resumed;
};

cops::Task<> receive(int fd, std::size_t count, std::vector<Wake>& wakes) {
    while (wakes.size() < count) {
        std::uint64_t sent = 0;
        const auto got = co_await cops::read(fd, std::as_writable_bytes(std::span(&sent, 1)), 0);
        const std::uint64_t resumed = cops::time_now();
        if (!got || *got != sizeof sent) {
            std::puts("failed: read of the FIFO");
            std::exit(EXIT_FAILURE);
        }
        wakes.push_back({sent, resumed});
        __atomic_store_n(&meeting.answered, wakes.size(), __ATOMIC_RELEASE);
    }
}

}  // namespace

cops::Task<int> cops_main(int argc, char** argv) {
    if (argc != 3) {
        std::puts("usage: urgent FIFO COUNT");
        co_return 2;
    }
    const std::size_t count = std::strtoul(argv[2], nullptr, 10);
    const cops::Result<int> fd = co_await cops::open(argv[1], O_RDONLY);
    if (!fd) {
        std::puts("failed: open of the FIFO");
        co_return 1;
    }
    compare_clocks();
    std::vector<Wake> wakes;
    wakes.reserve(count);
    const cops::TaskId receiver = cops::spawn(receive(*fd, count, wakes), kUrgent);
    std::puts("ready");
    std::fflush(stdout);
    co_await cops::join(receiver);
    for (const Wake& wake : wakes) {
        std::printf("wake sent=%lu resumed=%lu\n", wake.sent, wake.resumed);
    }
    co_return 0;
}
