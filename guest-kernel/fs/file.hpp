// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/spinlock.hpp"
#include "base/types.hpp"

#include <cstdint>

namespace kernel {

struct InitrdEntry;

/// An open file. Counted: descriptors and requests in flight hold it.
class File : NoCopy {
public:
    enum class Kind : std::uint8_t { console, initrd, host, root };

    Kind kind = Kind::console;
    std::uint32_t references = 1;        // atomic
    std::uint32_t flags = 0;             // O_* as opened
    std::uint64_t offset = 0;            // atomic
    const InitrdEntry* entry = nullptr;  // initrd
    std::uint32_t handle = 0;            // host
    bool handle_is_open = false;         // host: closed with the last reference
    char* path = nullptr;                // host directories: absolute, without its first slash
};

/// Null when memory is short.
File* make_file(File::Kind kind, std::uint32_t flags);
void retain_file(File* file);
/// With the last reference a host handle is closed: asynchronously, nobody waits.
void release_file(File* file);

/// Descriptors of a process.
class FileTable : NoCopy {
public:
    static constexpr int kMax = 256;

    /// Lowest free descriptor from `from` on; too_many_files. Takes the caller's reference.
    Result<int> add(File* file, bool close_on_exec, int from = 0);
    /// Referenced: the caller releases it. bad_descriptor.
    Result<File*> get(int descriptor);
    /// Takes it out of the table; the caller has the reference. bad_descriptor.
    Result<File*> remove(int descriptor);
    bool close_on_exec(int descriptor);
    void clear();

private:
    SpinLock lock_{Rank::run_queue};
    File* files_[kMax] = {};
    std::uint64_t close_on_exec_[kMax / 64] = {};
};

}  // namespace kernel
