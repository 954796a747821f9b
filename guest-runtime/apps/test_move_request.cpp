// SPDX-License-Identifier: Apache-2.0
// test-move-request PIPE: set_priority() of a coroutine that waits takes its request in flight
// along. What the host counts at the two levels tells.
#include "check.hpp"

#include <cops/cops.hpp>

#include <array>

namespace {

cops::Task<> read_byte(int fd) {
    std::array<std::byte, 1> byte;
    check((co_await cops::read(fd, byte, 0)) == 1u, "read");
}

}  // namespace

cops::Task<int> cops_main(int argc, char** argv) {
    check(argc == 2, "usage: test-move-request PIPE");
    const cops::Result<int> fd = co_await cops::open(argv[1], O_RDWR);
    check(fd.has_value(), "open");
    const cops::TaskId reader = cops::spawn(read_byte(*fd), 9);
    co_await cops::yield();  // More urgent than us: its request is on its way.
    check(cops::set_priority(reader, 4).has_value(), "set_priority");
    check(cops::priority(reader) == 4u, "priority");
    const std::byte byte{1};
    check((co_await cops::write(*fd, std::span(&byte, 1), 0)) == 1u, "write");
    co_await cops::join(reader);
    std::puts("test-move-request: ended");
    co_return 0;
}
