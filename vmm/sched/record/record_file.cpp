// SPDX-License-Identifier: Apache-2.0
#include "sched/record/record_file.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace vmm::sched {

Result<RecordFile> RecordFile::open(const std::string& path, std::string_view what) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        return fail(
            ErrorKind::configuration,
            fmt::format("cannot write {} {}: {}", what, path, std::strerror(errno))
        );
    }
    return RecordFile(fd, path, what, ::lseek(fd, 0, SEEK_CUR) == 0);
}

RecordFile::~RecordFile() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

RecordFile::RecordFile(RecordFile&& from) noexcept
    : fd_(std::exchange(from.fd_, -1))
    , path_(std::move(from.path_))
    , what_(std::move(from.what_))
    , seekable_(from.seekable_)
    , size_(from.size_)
    , error_(from.error_) {}

void RecordFile::write(std::string_view text, std::string_view end) {
    std::string all(text);
    if (seekable_) {
        all.append(end);
    }
    std::size_t done = 0;
    while (error_ == 0 && done < all.size()) {
        const char* from = all.data() + done;
        const std::size_t left = all.size() - done;
        const ssize_t count =
            seekable_ ? ::pwrite(fd_, from, left, size_ + static_cast<std::int64_t>(done))
                      : ::write(fd_, from, left);
        if (count >= 0) {
            done += static_cast<std::size_t>(count);
        } else if (errno != EINTR) {
            error_ = errno;
        }
    }
    size_ += static_cast<std::int64_t>(text.size());
}

Result<void> RecordFile::result() const {
    if (error_ != 0) {
        return fail(
            ErrorKind::internal,
            fmt::format("{} {} is not whole: {}", what_, path_, std::strerror(error_))
        );
    }
    return {};
}

}  // namespace vmm::sched
