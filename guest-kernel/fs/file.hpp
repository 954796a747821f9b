// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/spinlock.hpp"
#include "base/types.hpp"
#include "exec/wait.hpp"

#include <cstdint>

namespace kernel {

struct InitrdEntry;

/// The right to use a file's offset. Whoever reads, writes or seeks there has it alone until the
/// offset has moved on, also while it waits for the host: so no two see the same bytes (POSIX
/// 2.9.7). Pipes and the like have no offset, and many may wait to read from one; which files of
/// the host those are is asked when two meet.
class OffsetTurn : NoCopy {
public:
    enum class Answer : std::int64_t {
        none,   ///< The file has no offset.
        taken,  ///< It is the caller's, who gives it back.
        ask,    ///< The caller finds out what the file is, says so by tell(), and enters again.
        waits,  ///< Somebody has it.
    };
    enum class Kind : std::uint8_t { unknown, asked, offset, none };

    /// Never `ask`.
    Answer try_take();
    /// `waits`: in line, and signalled with one of the others later; or cancelled, as any that
    /// waits in a list.
    Answer enter(Waiter& waiter);
    /// What the file is. Unknown: it could not be found out.
    void tell(Kind kind);
    /// Hands it to the first in line.
    void give_back();

private:
    Answer take_locked();

    WaitList line_{Rank::wait_list};
    // Under the line's lock.
    Kind kind_ = Kind::unknown;
    bool taken_ = false;
};

/// Gives back a turn that was taken.
class [[nodiscard]] OffsetHolder : NoCopy {
public:
    explicit OffsetHolder(OffsetTurn& taken)
        : turn_(taken) {}
    ~OffsetHolder() { turn_.give_back(); }

private:
    OffsetTurn& turn_;
};

/// An open file. Counted: descriptors and requests in flight hold it.
class File : NoCopy {
public:
    enum class Kind : std::uint8_t { console, initrd, host };

    Kind kind = Kind::console;
    std::uint32_t references = 1;  // atomic
    std::uint32_t flags = 0;       // O_* as opened
    std::uint64_t offset = 0;      // atomic
    OffsetTurn offset_turn;
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
    /// Makes `descriptor` name `file` in one step: nobody else finds it free. Takes the caller's
    /// reference, and gives it that of what was there; null: nothing. bad_descriptor.
    Result<File*> replace(int descriptor, File* file, bool close_on_exec);
    /// Takes it out of the table; the caller has the reference. bad_descriptor.
    Result<File*> remove(int descriptor);
    bool close_on_exec(int descriptor);
    void clear();

private:
    void put(int descriptor, File* file, bool close_on_exec);

    SpinLock lock_{Rank::run_queue};
    File* files_[kMax] = {};
    std::uint64_t close_on_exec_[kMax / 64] = {};
};

}  // namespace kernel
