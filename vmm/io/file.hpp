// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

namespace vmm::io {

/// An open file of the host, closed when the last of those who use it lets go: an operation in
/// flight keeps its file, so that a number that was closed and given out again is never used by
/// mistake.
class File {
public:
    /// Takes `fd` over.
    File(int fd, bool seekable) noexcept
        : fd_(fd)
        , seekable_(seekable) {}
    ~File();
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    int fd() const noexcept { return fd_; }
    /// False (pipes, terminals): reads and writes go to the current position whatever offset is
    /// asked.
    bool seekable() const noexcept { return seekable_; }

    /// Takes `fd` over and finds out whether it can seek.
    static std::shared_ptr<File> adopt(int fd);

private:
    const int fd_;
    const bool seekable_;
};

}  // namespace vmm::io
