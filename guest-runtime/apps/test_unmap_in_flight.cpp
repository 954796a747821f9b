// SPDX-License-Identifier: Apache-2.0
// test-unmap-in-flight FILE: buffers are unmapped with 1,000 reads in flight into them; each
// request still ends once, the frames are not reused before, and new mappings stay as they were
// written.
#include "test_in_flight.hpp"

namespace {

constexpr unsigned kRounds = 10;

cops::Task<> round_of(int fd) {
    constexpr std::size_t kBytes = in_flight::kRequests * in_flight::kPage;
    std::byte* pages = in_flight::map(kBytes);
    unsigned ended = 0;
    std::vector<cops::TaskId> tasks;
    tasks.reserve(in_flight::kRequests);
    for (unsigned i = 0; i < in_flight::kRequests; ++i) {
        tasks.push_back(
            cops::spawn(in_flight::read_page_counted(fd, pages + i * in_flight::kPage, ended), 5)
        );
    }
    co_await cops::yield();
    check(munmap(pages, kBytes) == 0, "munmap with requests in flight");
    // Frames that the kernel gives out now must not be those.
    std::byte* fresh = in_flight::map(kBytes);
    std::memset(fresh, 0x77, kBytes);
    for (const cops::TaskId task : tasks) {
        co_await cops::join(task);
    }
    check(ended == in_flight::kRequests, "each request ended once");
    for (std::size_t i = 0; i < kBytes; ++i) {
        check(fresh[i] == std::byte{0x77}, "a reused frame was written");
    }
    check(munmap(fresh, kBytes) == 0, "munmap");
}

}  // namespace

cops::Task<int> cops_main(int argc, char** argv) {
    check(argc == 2, "usage: test-unmap-in-flight FILE");
    const cops::Result<int> fd = co_await cops::open(argv[1], O_RDONLY);
    check(fd.has_value(), "open");
    for (unsigned round = 0; round < kRounds; ++round) {
        co_await round_of(*fd);
    }
    std::printf("unmap-in-flight rounds=%u requests=%u\n", kRounds, kRounds * in_flight::kRequests);
    co_return 0;
}
