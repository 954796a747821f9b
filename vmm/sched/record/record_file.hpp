// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/error.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace vmm::sched {

/// A file that is written piece by piece, and can have an end that the next piece replaces: so
/// that it is complete whenever the process is killed.
class RecordFile {
public:
    /// Replaces the file. `what` names it in errors ("the trace").
    static Result<RecordFile> open(const std::string& path, std::string_view what);
    ~RecordFile();
    RecordFile(RecordFile&& from) noexcept;
    RecordFile& operator=(RecordFile&&) = delete;

    /// Writes `text`, and `end` behind it, in one system call where the host does; the next write
    /// goes where `end` is. What cannot be read again (a pipe) gets no end. Errors are kept for
    /// result().
    void write(std::string_view text, std::string_view end = {});
    /// The first error of any write so far.
    Result<void> result() const;

private:
    RecordFile(int fd, std::string path, std::string_view what, bool seekable)
        : fd_(fd)
        , path_(std::move(path))
        , what_(what)
        , seekable_(seekable) {}

    int fd_;
    std::string path_;
    std::string what_;
    bool seekable_;
    std::int64_t size_ = 0;  // without the end
    int error_ = 0;          // errno
};

}  // namespace vmm::sched
