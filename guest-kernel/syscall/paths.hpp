// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fs/path.hpp"
#include "mm/heap.hpp"
#include "syscall/io.hpp"

#include <cstdint>
#include <span>
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

/// The path of a system call, in `buffer`. A relative one begins at the directory that the
/// descriptor names, at "/" for AT_FDCWD. Errors: fault, name_too_long, no_entry (empty),
/// bad_descriptor, not_directory.
Result<std::string_view>
path_argument(Process& process, std::uint64_t directory, UserAddr from, std::span<char> buffer);

/// A directory of the host was opened by this path: relative ones may begin there. Without memory
/// they can't.
void remember_path(File& directory, std::string_view path);

/// After GETDENTS: the directory's position is that of the last record in the process's memory.
void advance_to_last_entry(
    Process& process, File& directory, UserAddr records, std::uint64_t bytes
);

}  // namespace kernel
