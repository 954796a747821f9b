// SPDX-License-Identifier: Apache-2.0
// Requests that a good program would not make. Each must end with its error, harm nothing, and
// leave the process able to go on.
#include "test_hostile.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstring>

namespace {

constexpr std::uint64_t kKernelHalf = 0xffffffc000000000;

cops::detail::Request<std::size_t> raw(cops_submission submission) {
    return cops::detail::Request<std::size_t>(submission);
}

cops::Task<int> error_of(cops_submission submission) {
    const cops::Result<std::size_t> result = co_await raw(submission);
    co_return result ? 0 : result.error().number();
}

cops_submission read_into(int fd, std::uint64_t address, std::uint64_t length) {
    cops_submission made{};
    made.opcode = VIRTIO_COPS_OP_READ;
    made.fd = fd;
    made.buffer = address;
    made.length = length;
    return made;
}

cops::Task<> bad_addresses(int fd) {
    for (const std::uint64_t address :
         {kUnmapped, kKernelHalf, kBetweenHalves, ~std::uint64_t{0} - 8}) {
        check(co_await error_of(read_into(fd, address, 64)) == EFAULT, "read to a bad address");
        cops_submission write = read_into(fd, address, 64);
        write.opcode = VIRTIO_COPS_OP_WRITE;
        const int error = co_await error_of(write);
        check(error == EFAULT || error == EBADF, "write from a bad address");
        cops_submission open{};
        open.opcode = VIRTIO_COPS_OP_OPENAT;
        open.fd = AT_FDCWD;
        open.buffer = address;
        open.length = 10;
        check(co_await error_of(open) == EFAULT, "open of a bad address");
    }
    const auto text = reinterpret_cast<std::uint64_t>(&bad_addresses);
    check(co_await error_of(read_into(fd, text, 16)) == EFAULT, "read into the program's own code");
    check(
        co_await error_of(read_into(fd, COPS_HOST_PAGE_ADDRESS, 16)) == EFAULT,
        "read into the host page"
    );
}

cops::Task<> bad_numbers(int fd) {
    std::array<std::byte, 64> buffer;
    const auto address = reinterpret_cast<std::uint64_t>(buffer.data());
    cops_submission request = read_into(-1, address, 8);
    check(co_await error_of(request) == EBADF, "descriptor -1");
    request.fd = 1 << 30;
    check(co_await error_of(request) == EBADF, "descriptor far away");
    request = read_into(fd, address, 8);
    request.opcode = 12345;
    const int unknown = co_await error_of(request);
    check(unknown == EINVAL || unknown == ENOSYS, "unknown operation");
    request = read_into(fd, address, 8);
    request.offset = INT64_MIN;
    check(co_await error_of(request) == EINVAL, "negative offset");
}

// A length that reaches over the end of the mapping: what fits, or an error, and nothing behind it.
cops::Task<> bad_lengths(int fd) {
    constexpr std::size_t kPage = 4096;
    void* memory =
        mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(memory != MAP_FAILED, "mmap");
    auto* const first = static_cast<std::byte*>(memory);
    check(munmap(first + kPage, kPage) == 0, "munmap");
    const auto last = reinterpret_cast<std::uint64_t>(first + kPage - 16);
    for (const std::uint64_t length :
         {std::uint64_t{17}, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
        const cops::Result<std::size_t> count = co_await raw(read_into(fd, last, length));
        check(
            count ? *count <= 16
                  : count.error() == cops::Error(EFAULT) || count.error() == cops::Error(EINVAL),
            "read over the end of a mapping"
        );
    }
    check(munmap(first, kPage) == 0, "munmap");
}

cops::Task<> bad_paths() {
    for (const char* path :
         {"/host",
          "/host/",
          "/host/nothing",
          "/host/nothing/../..",
          "/etc/passwd",
          "",
          "/host/../app"}) {
        const cops::Result<int> fd = co_await cops::open(path, O_RDWR);
        check(!fd.has_value(), path);
    }
    const std::string longest(100'000, 'x');
    const cops::Result<int> fd = co_await cops::open(longest.c_str(), O_RDONLY);
    check(
        !fd && (fd.error() == cops::Error(ENAMETOOLONG) || fd.error() == cops::Error(ENOENT)),
        "a path of 100,000 bytes"
    );
}

// The call door itself, with arguments that the library would never pass.
void bad_calls() {
    check(syscall(COPS_SYS_SUBMIT, kUnmapped, 1) < 0 && errno == EFAULT, "submit from nowhere");
    check(
        syscall(COPS_SYS_SUBMIT, kKernelHalf, 1) < 0 && errno == EFAULT, "submit from the kernel"
    );
    cops_submission wild[1] = {};
    wild[0].opcode = VIRTIO_COPS_OP_NOP;
    wild[0].slot = 0x7fffffff;
    wild[0].slot_generation = 1;
    check(syscall(COPS_SYS_SUBMIT, wild, 1) <= 0, "slot out of range");
    wild[0].slot = 0;
    wild[0].hart = 4000;
    check(syscall(COPS_SYS_SUBMIT, wild, 1) <= 0, "hart out of range");
    wild[0].hart = cops::hart();
    wild[0].level = 64;
    check(syscall(COPS_SYS_SUBMIT, wild, 1) <= 0, "level out of range");
    check(syscall(COPS_SYS_COUNTERS, kUnmapped) < 0, "counters to nowhere");
    check(syscall(COPS_SYS_COUNTERS, kKernelHalf) < 0, "counters to the kernel");
    check(syscall(COPS_SYS_ATTACH, kKernelHalf) < 0, "attach twice, from the kernel");
    check(syscall(COPS_SYS_SPAWN_PROCESS, kKernelHalf, 0, 0) < 0, "spawn of nothing");
    check(syscall(COPS_SYS_WAIT_PROCESS, 123456) < 0, "wait for nobody");
    check(syscall(COPS_SYS_CANCEL, 0x7fffffff, 1) < 0, "cancel of no slot");
    check(syscall(0x10ff) < 0 && errno == ENOSYS, "a call that does not exist");
}

// What a broken program may do to the memory it shares with the host: completions go astray for
// itself alone.
cops::Task<> scribbles(int fd) {
    cops_executor_context& context = *cops::detail::context();
    __atomic_fetch_or(&context.line->wake_pending, ~std::uint64_t{0}, __ATOMIC_SEQ_CST);
    context.heads->head[63] = 0xfffffff0;
    co_await cops::yield();
    std::array<std::byte, 8> buffer;
    check((co_await cops::read(fd, buffer, 0)).has_value(), "goes on after that");
}

}  // namespace

cops::Task<int> hostile_requests(const char* file) {
    const cops::Result<int> fd = co_await cops::open(file, O_RDONLY);
    check(fd.has_value(), "open");
    co_await bad_addresses(*fd);
    co_await bad_numbers(*fd);
    co_await bad_lengths(*fd);
    co_await bad_paths();
    bad_calls();
    co_await scribbles(*fd);
    std::array<std::byte, 8> buffer;
    check((co_await cops::read(*fd, buffer, 0)) == buffer.size(), "an honest request still works");
    std::puts("test-hostile: all passed");
    co_return 0;
}
