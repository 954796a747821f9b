// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fs/path.hpp"
#include "mm/heap.hpp"
#include "syscall/io.hpp"

#include <cstdint>
#include <string_view>
#include <utility>

namespace kernel {

/// A path whose memory belongs to a coroutine.
class OwnedPath {
public:
    explicit OwnedPath(std::string_view path)
        : text_(static_cast<char*>(heap::allocate(path.size() + 1)))
        , size_(path.size()) {
        if (text_ != nullptr) {
            __builtin_memcpy(text_, path.data(), size_);
        }
    }
    OwnedPath(OwnedPath&& other) noexcept
        : text_(std::exchange(other.text_, nullptr))
        , size_(other.size_) {}
    OwnedPath& operator=(OwnedPath&&) = delete;
    ~OwnedPath() { heap::free(text_); }
    /// False: there was no memory.
    bool valid() const { return text_ != nullptr; }
    std::string_view view() const { return {text_, size_}; }

private:
    char* text_;
    std::size_t size_;
};

/// The path of a system call. A relative one begins at the directory that the descriptor names, at
/// "/" for AT_FDCWD.
class PathArgument : NoCopy {
public:
    PathArgument(Process& process, std::uint64_t directory, UserAddr from);

    /// 0, or a negative errno: fault, name_too_long, no_entry (empty), bad_descriptor,
    /// not_directory, no_memory.
    std::int64_t error() const { return path_ ? 0 : negative(path_.error()); }
    std::string_view view() const { return *path_; }
    /// Blocks the thread on make(&thread, OwnedPath, arguments...).
    template <typename Make, typename... Arguments>
    std::int64_t
    start_blocking(Thread& thread, const Make& make, const Arguments&... arguments) const {
        OwnedPath owned(*path_);
        return owned.valid()
                   ? kernel::start_blocking(thread, make(&thread, std::move(owned), arguments...))
                   : negative(Errno::no_memory);
    }

private:
    char buffer_[Path::kMax];
    Result<std::string_view> path_;
};

/// A directory of the host was opened by this path: relative ones may begin there. Without memory
/// they can't.
void remember_path(File& directory, std::string_view path);

/// After GETDENTS: the directory's position is that of the last record in the process's memory.
void advance_to_last_entry(
    Process& process, File& directory, UserAddr records, std::uint64_t bytes
);

}  // namespace kernel
