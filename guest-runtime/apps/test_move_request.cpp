// SPDX-License-Identifier: Apache-2.0
// test-move-request [--batched] PIPE: set_priority() of a coroutine that waits takes its request in
// flight along; --batched: one that is still in the batch of another hart. What the host counts at
// the two levels tells.
#include "check.hpp"

#include <cops/cops.hpp>

#include <array>
#include <atomic>
#include <string_view>

namespace {

constexpr unsigned kLongestBatch = 64;  // More switches than a batch may wait for.

cops::Task<> read_byte(int fd) {
    std::array<std::byte, 1> byte;
    check((co_await cops::read(fd, byte, 0)) == 1u, "read");
}

// On a hart of its own, which is kept busy so that it submits nothing for now.
struct Batched {
    std::atomic<std::uint64_t> reader = 0;
    std::atomic<bool> moved = false;
    std::atomic<bool> submitted = false;
};

cops::Task<> keep_batched(int fd, Batched& batched) {
    cops::set_batching(UINT32_MAX);
    const cops::TaskId id = cops::spawn(read_byte(fd), 40);
    while (cops::state(id) != cops::State::waiting) {
        co_await cops::yield();
    }
    batched.reader = id.value();
    while (!batched.moved) {
        co_await cops::yield();
    }
    cops::set_batching(0);
    for (unsigned i = 0; i < kLongestBatch; ++i) {
        co_await cops::yield();
    }
    batched.submitted = true;  // and given its new level, in one go
}

cops::Task<cops::TaskId> move_batched(int fd) {
    check(cops::alloc_cpu(2) == 2u, "two harts");
    static Batched batched;
    const cops::TaskId keeper = cops::spawn(keep_batched(fd, batched), 40);
    // This hart does nothing else, so that the other one takes it and keeps it.
    while (batched.reader == 0) {
    }
    const cops::TaskId id(batched.reader);
    check(cops::set_priority(id, 4).has_value(), "set_priority");
    batched.moved = true;
    while (!batched.submitted) {
    }
    co_await cops::join(keeper);
    co_return id;
}

cops::Task<cops::TaskId> move_in_flight(int fd) {
    const cops::TaskId reader = cops::spawn(read_byte(fd), 9);
    co_await cops::yield();  // More urgent than us: its request is on its way.
    check(cops::set_priority(reader, 4).has_value(), "set_priority");
    check(cops::priority(reader) == 4u, "priority");
    co_return reader;
}

}  // namespace

cops::Task<int> cops_main(int argc, char** argv) {
    const bool batched = argc == 3 && std::string_view(argv[1]) == "--batched";
    check(argc == (batched ? 3 : 2), "usage: test-move-request [--batched] PIPE");
    const cops::Result<int> fd = co_await cops::open(argv[argc - 1], O_RDWR);
    check(fd.has_value(), "open");
    const cops::TaskId reader = co_await (batched ? move_batched(*fd) : move_in_flight(*fd));
    const std::byte byte{1};
    check((co_await cops::write(*fd, std::span(&byte, 1), 0)) == 1u, "write");
    co_await cops::join(reader);
    std::puts("test-move-request: ended");
    co_return 0;
}
