// SPDX-License-Identifier: Apache-2.0
// test-exit-in-flight [--by-kernel] FILE: processes end with 1,000 reads of a pipe in flight, again
// and again, while another takes the frames over, writes to the pipe and sees that nothing arrives
// in them.
#include "test_in_flight.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>

namespace {

constexpr unsigned kRounds = 3;
constexpr int kStatus = 7;

// Ends at once: the process dies with its requests in flight.
cops::Task<int> leave_behind(const char* file, std::int64_t offset) {
    const cops::Result<int> fd = co_await cops::open(file, O_RDONLY);
    check(fd.has_value(), "open");
    // So that the kernel knows that it is a pipe: its readers need not wait for one another.
    struct stat found{};
    check(::fstat(*fd, &found) == 0 && S_ISFIFO(found.st_mode), "a pipe");
    std::byte* pages = in_flight::map(in_flight::kRequests * in_flight::kPage);
    unsigned ended = 0;
    (void)co_await in_flight::start_reads(*fd, pages, offset, ended);
    co_return kStatus;
}

// Takes as many frames as the process before had. A read of that one that still lived would take
// bytes out of the pipe, so they would not all come back, and put them there.
cops::Task<int> watch(const char* file) {
    constexpr std::size_t kBytes = 2 * in_flight::kRequests * in_flight::kPage;
    constexpr std::byte kFilling{0x5a};
    const cops::Result<int> fd = co_await cops::open(file, O_RDWR);
    check(fd.has_value(), "open");
    std::byte* memory = in_flight::map(kBytes);
    std::fill_n(memory, kBytes, kFilling);
    std::array<std::byte, in_flight::kPage> sent;
    sent.fill(std::byte{0xa5});
    check(co_await cops::write(*fd, sent, 0) == sent.size(), "write");
    for (std::size_t left = sent.size(); left != 0;) {
        std::array<std::byte, in_flight::kPage> back;
        const cops::Result<std::size_t> count =
            co_await cops::read(*fd, std::span(back).first(left), 0);
        check(count.has_value() && *count > 0, "read");
        left -= *count;
    }
    check(
        std::all_of(memory, memory + kBytes, [](std::byte b) { return b == kFilling; }),
        "a frame was written after it changed hands"
    );
    co_return 0;
}

}  // namespace

cops::Task<int> cops_main(int argc, char** argv) {
    if (argc == 3 && std::string_view(argv[1]) == "--leave") {
        co_return co_await leave_behind(argv[2], 0);
    }
    if (argc == 3 && std::string_view(argv[1]) == "--leave-by-kernel") {
        co_return co_await leave_behind(argv[2], cops::kCurrentPosition);
    }
    if (argc == 3 && std::string_view(argv[1]) == "--watch") {
        co_return co_await watch(argv[2]);
    }
    const bool by_kernel = argc == 3 && std::string_view(argv[1]) == "--by-kernel";
    check(argc == (by_kernel ? 3 : 2), "usage: test-exit-in-flight [--by-kernel] FILE");
    const char* const file = argv[argc - 1];
    for (unsigned round = 0; round < kRounds; ++round) {
        const int leaver =
            in_flight::spawn_role(argv[0], by_kernel ? "--leave-by-kernel" : "--leave", file);
        check(cops::wait_process(leaver) == kStatus, "the process ended with its own status");
        const int watcher = in_flight::spawn_role(argv[0], "--watch", file);
        check(cops::wait_process(watcher) == 0, "frames stayed as their new owner left them");
    }
    std::printf("exit-in-flight rounds=%u requests=%u\n", kRounds, kRounds * in_flight::kRequests);
    co_return 0;
}
