// SPDX-License-Identifier: Apache-2.0
#include "machine/loader/file.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace vmm {
namespace {

struct FileDescriptor {
    int value;
    explicit FileDescriptor(int fd)
        : value(fd) {}
    ~FileDescriptor() {
        if (value >= 0) {
            ::close(value);
        }
    }
    FileDescriptor(const FileDescriptor&) = delete;
    FileDescriptor& operator=(const FileDescriptor&) = delete;
};

std::unexpected<Error>
failed(std::string_view doing, std::string_view what, const std::string& path) {
    return fail(
        ErrorKind::configuration,
        fmt::format("cannot {} {} {}: {}", doing, what, path, std::strerror(errno))
    );
}

}  // namespace

Result<std::vector<std::byte>> read_whole_file(const std::string& path, std::string_view what) {
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status{};
    if (file.value < 0 || ::fstat(file.value, &status) != 0) {
        return failed("open", what, path);
    }
    if (S_ISDIR(status.st_mode)) {
        return fail(
            ErrorKind::configuration, fmt::format("{} {} is a directory, not a file", what, path)
        );
    }
    std::vector<std::byte> bytes(static_cast<std::size_t>(status.st_size));
    std::size_t done = 0;
    // Files may grow while we read, and pipes have no size: read to the end of file.
    for (;;) {
        if (done == bytes.size()) {
            bytes.resize(done + 4096);
        }
        const ssize_t count = ::read(file.value, bytes.data() + done, bytes.size() - done);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return failed("read", what, path);
        }
        if (count == 0) {
            bytes.resize(done);
            return bytes;
        }
        done += static_cast<std::size_t>(count);
    }
}

Result<void>
write_whole_file(const std::string& path, std::string_view what, std::span<const std::byte> bytes) {
    const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    if (file.value < 0) {
        return failed("create", what, path);
    }
    while (!bytes.empty()) {
        const ssize_t count = ::write(file.value, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return failed("write", what, path);
        }
        bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
    return {};
}

}  // namespace vmm
