// SPDX-License-Identifier: Apache-2.0
#include <cops/cops.hpp>

#include <array>
#include <cstdio>

namespace {

cops::Task<cops::Result<std::size_t>> count_lines(const char* path) {
    const cops::Result<int> fd = co_await cops::open(path, O_RDONLY);
    if (!fd) {
        co_return std::unexpected(fd.error());
    }
    std::array<std::byte, 4096> buffer;
    std::size_t lines = 0;
    for (;;) {
        const cops::Result<std::size_t> count = co_await cops::read(*fd, buffer);
        if (!count) {
            co_return std::unexpected(count.error());
        }
        if (*count == 0) {
            break;
        }
        for (const std::byte byte : std::span(buffer).first(*count)) {
            lines += byte == std::byte{'\n'};
        }
    }
    (void)co_await cops::close(*fd);
    co_return lines;
}

}  // namespace

cops::Task<int> cops_main(int argc, char** argv) {
    if (argc != 2) {
        std::fputs("usage: read_file FILE\n", stderr);
        co_return 2;
    }
    const cops::Result<std::size_t> lines = co_await count_lines(argv[1]);
    if (!lines) {
        std::fprintf(stderr, "%s: %s\n", argv[1], lines.error().message());
        co_return 1;
    }
    std::printf("%zu lines\n", *lines);
    co_return 0;
}
