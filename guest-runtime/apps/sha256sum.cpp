// SPDX-License-Identifier: Apache-2.0
// sha256sum FILE...: prints what coreutils' sha256sum prints, read through asynchronous calls.
#include "sha256.hpp"

#include <cops/cops.hpp>

#include <cstdio>
#include <vector>

namespace {

constexpr std::size_t kChunk = 64 * 1024;

cops::Task<cops::Result<std::string>> digest_of(const char* name, std::span<std::byte> buffer) {
    const cops::Result<int> fd = co_await cops::open(name, O_RDONLY);
    if (!fd) {
        co_return std::unexpected(fd.error());
    }
    Sha256 hash;
    std::int64_t offset = 0;
    for (;;) {
        const cops::Result<std::size_t> count = co_await cops::read(*fd, buffer, offset);
        if (!count) {
            (void)co_await cops::close(*fd);
            co_return std::unexpected(count.error());
        }
        if (*count == 0) {
            break;
        }
        hash.update(buffer.first(*count));
        offset += static_cast<std::int64_t>(*count);
    }
    (void)co_await cops::close(*fd);
    co_return hash.finish();
}

}  // namespace

cops::Task<int> cops_main(int argc, char** argv) {
    if (argc < 2) {
        std::fputs("usage: sha256sum FILE...\n", stderr);
        co_return 2;
    }
    (void
    )std::setvbuf(stdout, nullptr, _IOLBF, 0);  // Digests and complaints in order, as coreutils.
    std::vector<std::byte> buffer(kChunk);
    int status = 0;
    for (int i = 1; i < argc; ++i) {
        const cops::Result<std::string> digest = co_await digest_of(argv[i], buffer);
        if (digest) {
            std::printf("%s  %s\n", digest->c_str(), argv[i]);
        } else {
            std::fprintf(stderr, "sha256sum: %s: %s\n", argv[i], digest.error().message());
            status = 1;
        }
    }
    co_return status;
}
