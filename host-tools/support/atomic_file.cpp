// SPDX-License-Identifier: Apache-2.0
#include "support/atomic_file.hpp"

#include "support/failure.hpp"
#include "support/leftovers.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace tools {
namespace {

[[noreturn]] void fail_to_write(const std::filesystem::path& path) {
    throw configuration_failure(
        fmt::format("cannot write {}: {}", path.string(), std::strerror(errno))
    );
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path)
    : path_(std::move(path)) {
    std::error_code error;
    const auto status = std::filesystem::status(path_, error);
    if (std::filesystem::is_directory(status)) {
        errno = EISDIR;
        fail_to_write(path_);
    }
    direct_ = std::filesystem::exists(status) && !std::filesystem::is_regular_file(status);
    if (direct_) {
        temporary_ = path_;
        return;
    }
    // What a link points at is replaced, not the link.
    if (std::filesystem::is_symlink(path_, error)) {
        const auto target = std::filesystem::weakly_canonical(path_, error);
        path_ = error ? path_ : target;
    }
    temporary_ = path_;
    temporary_ += fmt::format(".{}.tmp", ::getpid());
    note_leftover(temporary_);  // before it is there: else it could be left
    const int fd = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        const int why = errno;
        forget_leftover(temporary_);
        errno = why;
        fail_to_write(path_);
    }
    ::close(fd);
}

AtomicFile::~AtomicFile() {
    if (direct_ || committed_) {
        return;
    }
    std::error_code ignored;
    std::filesystem::remove(temporary_, ignored);
    forget_leftover(temporary_);
}

void AtomicFile::write(std::string_view contents) {
    const int fd = ::open(temporary_.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (fd < 0) {
        fail_to_write(path_);
    }
    while (!contents.empty()) {
        const ssize_t written = ::write(fd, contents.data(), contents.size());
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            const int error = errno;
            ::close(fd);
            errno = error;
            fail_to_write(path_);
        }
        contents.remove_prefix(static_cast<std::size_t>(written));
    }
    if (::close(fd) != 0) {
        fail_to_write(path_);
    }
}

void AtomicFile::commit() {
    if (direct_) {
        return;
    }
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
        fail_to_write(path_);
    }
    committed_ = true;
    forget_leftover(temporary_);
}

}  // namespace tools
