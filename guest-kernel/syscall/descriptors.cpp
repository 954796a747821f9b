// SPDX-License-Identifier: Apache-2.0
// Descriptors: what names an open file, and the flags of each.
#include "fs/host_file.hpp"
#include "syscall/io.hpp"

#include <algorithm>
#include <utility>

namespace kernel {

std::int64_t add_descriptor(Process& process, FileRef file, std::uint32_t flags, int from) {
    const Result<int> added = process.files.add(&*file, (flags & kCloseOnExec) != 0, from);
    if (!added) {
        return negative(added.error());
    }
    file.release();
    return *added;
}

std::int64_t close_now(Process& process, int descriptor) {
    const Result<File*> file = process.files.remove(descriptor);
    if (!file) {
        return negative(file.error());
    }
    release_file(*file);
    return 0;
}

std::int64_t sys_dup(Process& process, Arguments args) {
    const Result<File*> file = process.files.get(static_cast<int>(args[0]));
    return file ? add_descriptor(process, FileRef(*file), 0) : negative(file.error());
}

std::int64_t sys_dup3(Process& process, Arguments args) {
    const Result<File*> file = process.files.get(static_cast<int>(args[0]));
    if (!file) {
        return negative(file.error());
    }
    FileRef kept(*file);
    if (args[0] == args[1] || args[1] >= FileTable::kMax) {
        return negative(args[0] == args[1] ? Errno::invalid : Errno::bad_descriptor);
    }
    const auto to = static_cast<int>(args[1]);
    const Result<File*> before = process.files.replace(to, &*kept, (args[2] & kCloseOnExec) != 0);
    if (!before) {
        return negative(before.error());
    }
    kept.release();
    if (*before != nullptr) {
        release_file(*before);
    }
    return to;
}

std::int64_t sys_fcntl(Process& process, Arguments args) {
    enum Command : std::uint64_t {
        dup_fd = 0,
        get_fd,
        set_fd,
        get_flags,
        set_flags,
        dup_exec = 1030
    };
    const Result<File*> found = process.files.get(static_cast<int>(args[0]));
    if (!found) {
        return negative(found.error());
    }
    FileRef file(*found);
    switch (args[1]) {
    case dup_fd:
    case dup_exec:
        return add_descriptor(
            process,
            std::move(file),
            args[1] == dup_exec ? kCloseOnExec : 0,
            static_cast<int>(std::min<std::uint64_t>(args[2], FileTable::kMax))
        );
    case get_fd:
        return process.files.close_on_exec(static_cast<int>(args[0])) ? 1 : 0;
    case set_fd:
    case set_flags:
        return 0;
    case get_flags:
        return file->flags & (kAccessMode | kAppend);
    default:
        return negative(Errno::invalid);
    }
}

std::int64_t sys_ioctl(Process& process, Arguments args) {
    const Result<File*> found = process.files.get(static_cast<int>(args[0]));
    if (!found) {
        return negative(found.error());
    }
    const FileRef file(*found);
    return negative(Errno::not_terminal);  // no line discipline: the console passes bytes
}

}  // namespace kernel
