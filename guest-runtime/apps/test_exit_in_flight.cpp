// SPDX-License-Identifier: Apache-2.0
// test-exit-in-flight FILE: processes end with 1,000 reads in flight, again and again, while
// another takes the frames over and watches that nothing is written into them.
#include "test_in_flight.hpp"

namespace {

constexpr unsigned kRounds = 10;

// Ends at once: the process dies with its requests in flight.
cops::Task<int> leave_behind(const char* file) {
    const cops::Result<int> fd = co_await cops::open(file, O_RDONLY);
    check(fd.has_value(), "open");
    std::byte* pages = in_flight::map(in_flight::kRequests * in_flight::kPage);
    for (unsigned i = 0; i < in_flight::kRequests; ++i) {
        check(
            static_cast<bool>(
                cops::spawn(in_flight::read_page(*fd, pages + i * in_flight::kPage), 5)
            ),
            "spawn"
        );
    }
    // Everything more urgent than us has submitted when we run again.
    co_await cops::yield();
    const cops::Result<cops_kernel_counters> counters = cops::kernel_counters();
    check(counters && counters->submissions >= in_flight::kRequests, "all are submitted");
    co_return 7;
}

}  // namespace

cops::Task<int> cops_main(int argc, char** argv) {
    if (argc == 3 && std::string_view(argv[1]) == "--leave") {
        co_return co_await leave_behind(argv[2]);
    }
    if (argc == 3 && std::string_view(argv[1]) == "--watch") {
        co_return in_flight::watch(4);
    }
    check(argc == 2, "usage: test-exit-in-flight FILE");
    for (unsigned round = 0; round < kRounds; ++round) {
        const int leaver = in_flight::spawn_role(argv[0], "--leave", argv[1]);
        check(cops::wait_process(leaver) == 7, "the process ended with its own status");
        const int watcher = in_flight::spawn_role(argv[0], "--watch", argv[1]);
        check(cops::wait_process(watcher) == 0, "frames stayed as their new owner left them");
    }
    std::printf("exit-in-flight rounds=%u requests=%u\n", kRounds, kRounds * in_flight::kRequests);
    co_return 0;
}
