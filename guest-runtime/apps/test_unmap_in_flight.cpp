// SPDX-License-Identifier: Apache-2.0
// test-unmap-in-flight FILE: buffers are unmapped with 1,000 reads of a pipe in flight into them;
// then the pipe is written to. Each request still ends once, with bytes, the frames are not reused
// before, and new mappings stay as they were written.
#include "test_in_flight.hpp"

#include <algorithm>
#include <array>

namespace {

constexpr unsigned kRounds = 3;
constexpr std::byte kFilling{0x77};

cops::Task<> round_of(int fd) {
    constexpr std::size_t kBytes = in_flight::kRequests * in_flight::kPage;
    std::byte* pages = in_flight::map(kBytes);
    unsigned ended = 0;
    const std::vector<cops::TaskId> tasks = co_await in_flight::start_reads(fd, pages, 0, ended);
    check(munmap(pages, kBytes) == 0, "munmap with requests in flight");
    // Frames that the kernel gives out now must not be those.
    std::byte* fresh = in_flight::map(kBytes);
    std::fill_n(fresh, kBytes, kFilling);
    check(ended == 0, "all are in flight still");
    std::array<std::byte, in_flight::kPage> sent;
    sent.fill(std::byte{0xa5});
    while (ended < in_flight::kRequests) {
        const unsigned before = ended;
        check(co_await cops::write(fd, sent, 0) == sent.size(), "write");
        while (ended == before) {
            co_await cops::suspend();
        }
    }
    for (const cops::TaskId task : tasks) {
        co_await cops::join(task);
    }
    check(ended == in_flight::kRequests, "each request ended once");
    check(
        std::all_of(fresh, fresh + kBytes, [](std::byte b) { return b == kFilling; }),
        "a reused frame was written"
    );
    check(munmap(fresh, kBytes) == 0, "munmap");
}

}  // namespace

cops::Task<int> cops_main(int argc, char** argv) {
    check(argc == 2, "usage: test-unmap-in-flight FILE");
    const cops::Result<int> fd = co_await cops::open(argv[1], O_RDWR);
    check(fd.has_value(), "open");
    for (unsigned round = 0; round < kRounds; ++round) {
        co_await round_of(*fd);
    }
    std::printf("unmap-in-flight rounds=%u requests=%u\n", kRounds, kRounds * in_flight::kRequests);
    co_return 0;
}
