// SPDX-License-Identifier: Apache-2.0
// Files: console, initrd (read-only, in memory) and host (by requests).
#include "drivers/cops_device.hpp"
#include "exec/timer.hpp"
#include "fs/host_file.hpp"
#include "fs/initrd.hpp"
#include "fs/path.hpp"
#include "mm/heap.hpp"
#include "mm/user_memory.hpp"
#include "proc/schedule.hpp"
#include "syscall/io.hpp"
#include "syscall/paths.hpp"

#include <algorithm>

namespace kernel {

namespace {

// Linux, asm-generic.
constexpr std::uint32_t kCreate = 0100;
constexpr std::uint32_t kDirectoryOnly = 0200000;
constexpr std::uint64_t kAtEmptyPath = 0x1000;
constexpr std::uint32_t kCharacterDevice = 0020620;
constexpr std::uint32_t kReadableDirectory = 0040555;
constexpr std::uint64_t kMaxBytes = 0x7ffff000;  // of one call, as Linux has it
constexpr std::uint64_t kMaxVectors = 1024;

/// struct stat of asm-generic.
struct LinuxStat {
    std::uint64_t device;
    std::uint64_t inode;
    std::uint32_t mode;
    std::uint32_t links;
    std::uint32_t user;
    std::uint32_t group;
    std::uint64_t special_device;
    std::uint64_t pad1;
    std::int64_t size;
    std::int32_t block_size;
    std::int32_t pad2;
    std::int64_t blocks;
    std::int64_t access[2];
    std::int64_t modify[2];
    std::int64_t change[2];
    std::uint32_t unused[2];
};
static_assert(sizeof(LinuxStat) == 128);

struct Vector {
    std::uint64_t base;
    std::uint64_t bytes;
};

void fill_stat(LinuxStat& out, const virtio_cops_stat& from) {
    out = {};
    out.inode = from.inode;
    out.mode = from.mode;
    out.links = from.nlink;
    out.size = static_cast<std::int64_t>(from.size);
    out.block_size = static_cast<std::int32_t>(from.blksize);
    out.blocks = static_cast<std::int64_t>(from.blocks);
    constexpr std::uint64_t kSecond = 1'000'000'000;
    const auto seconds = static_cast<std::int64_t>(from.mtime_ns / kSecond);
    const auto rest = static_cast<std::int64_t>(from.mtime_ns % kSecond);
    for (std::int64_t* const time : {out.access, out.modify, out.change}) {
        time[0] = seconds;
        time[1] = rest;
    }
}

void entry_stat(const InitrdEntry& entry, virtio_cops_stat& out) {
    out = {};
    out.size = entry.data.size();
    out.mode = entry.mode;
    out.blksize = kPageSize;
    out.blocks = (entry.data.size() + 511) / 512;
    out.mtime_ns = entry.mtime * 1'000'000'000;
    out.inode = entry.inode;
    out.nlink = 1;
}

std::int64_t deliver_stat(Process& process, UserAddr to, const virtio_cops_stat& stat) {
    LinuxStat out;
    fill_stat(out, stat);
    return copy_out(process.space, to, out) ? 0 : negative(Errno::fault);
}

Async<void> blocking_transfer(Thread* thread, FileRef file, Transfer transfer) {
    Operation operation;
    const OperationScope scope(operation, thread->process);
    Async<std::int64_t> work = transfer_slowly(operation, *file, transfer);
    finish_call(*thread, work.valid() ? co_await work : negative(Errno::no_memory));
}

Async<void> blocking_open(Thread* thread, OwnedPath path, std::uint32_t flags, std::uint32_t mode) {
    Operation operation;
    const OperationScope scope(operation, thread->process);
    Async<std::int64_t> work =
        open_slowly(operation, path.view(), flags, mode, call_level(*thread));
    finish_call(*thread, work.valid() ? co_await work : negative(Errno::no_memory));
}

Async<void> blocking_stat(Thread* thread, FileRef file, UserAddr to) {
    Operation operation;
    const OperationScope scope(operation, thread->process);
    virtio_cops_stat stat{};
    Async<std::int64_t> work = host::stat(&operation, file->handle, call_level(*thread), &stat);
    std::int64_t result = work.valid() ? co_await work : negative(Errno::no_memory);
    if (result == 0) {
        file->offset_turn.tell(kind_of(stat));
    }
    if (result == 0) {
        result = deliver_stat(thread->process, to, stat);
    }
    finish_call(*thread, result);
}

Async<void> blocking_stat_path(Thread* thread, OwnedPath path, UserAddr to) {
    Operation operation;
    const OperationScope scope(operation, thread->process);
    const std::uint32_t level = call_level(*thread);
    Async<host::Opened> open = host::open(&operation, path.view(), 0, 0, level);
    host::Opened opened{.error = negative(Errno::no_memory)};
    if (open.valid()) {
        opened = co_await open;
    }
    std::int64_t result = opened.error;
    if (opened.file != nullptr) {
        const FileRef file(opened.file);
        virtio_cops_stat stat{};
        Async<std::int64_t> work = host::stat(&operation, file->handle, level, &stat);
        result = work.valid() ? co_await work : negative(Errno::no_memory);
        if (result == 0 && to != 0) {
            result = deliver_stat(thread->process, to, stat);
        }
    }
    finish_call(*thread, result);
}

std::int64_t seek_from(File& file, std::int64_t base, std::int64_t move) {
    std::int64_t target = 0;
    if (__builtin_add_overflow(base, move, &target) || target < 0) {
        return negative(Errno::invalid);
    }
    __atomic_store_n(&file.offset, static_cast<std::uint64_t>(target), __ATOMIC_RELAXED);
    return target;
}

enum Whence : std::uint64_t { from_start = 0, from_offset, from_end };

// The caller has the turn. From the end: in the initrd alone.
std::int64_t seek_now(File& file, std::uint64_t whence, std::int64_t move) {
    const std::uint64_t base = whence == from_start ? 0
                               : whence == from_offset
                                   ? __atomic_load_n(&file.offset, __ATOMIC_RELAXED)
                                   : file.entry->data.size();
    return seek_from(file, static_cast<std::int64_t>(base), move);
}

Async<std::int64_t> seek_slowly(
    Operation& operation, File& file, std::uint64_t whence, std::int64_t move, std::uint32_t level
) {
    Async<std::int64_t> wait = take_offset_turn(operation, file, level);
    const std::int64_t turn = wait.valid() ? co_await wait : negative(Errno::no_memory);
    if (turn != kHasTurn) {
        co_return turn == kNoOffset ? negative(Errno::illegal_seek) : turn;
    }
    const OffsetHolder holder(file.offset_turn);
    if (whence != from_end || file.kind == File::Kind::initrd) {
        co_return seek_now(file, whence, move);
    }
    virtio_cops_stat stat{};
    Async<std::int64_t> work = host::stat(&operation, file.handle, level, &stat);
    const std::int64_t result = work.valid() ? co_await work : negative(Errno::no_memory);
    co_return result == 0 ? seek_from(file, static_cast<std::int64_t>(stat.size), move) : result;
}

Async<void> blocking_seek(Thread* thread, FileRef file, std::uint64_t whence, std::int64_t move) {
    Operation operation;
    const OperationScope scope(operation, thread->process);
    Async<std::int64_t> work = seek_slowly(operation, *file, whence, move, call_level(*thread));
    finish_call(*thread, work.valid() ? co_await work : negative(Errno::no_memory));
}

Async<void> blocking_sync(Thread* thread, FileRef file) {
    Operation operation;
    const OperationScope scope(operation, thread->process);
    virtio_cops_req header{};
    header.opcode = VIRTIO_COPS_OP_FSYNC;
    header.level = call_level(*thread);
    header.handle = file->handle;
    Async<std::int64_t> work = cops_device::transfer(
        &operation, header, virtio_cops::Direction::to_device, virtio_cops::Segment{}
    );
    finish_call(*thread, work.valid() ? co_await work : negative(Errno::no_memory));
}

std::int64_t transfer_file(Thread& thread, FileRef file, Transfer transfer) {
    transfer.bytes = std::min(transfer.bytes, kMaxBytes);
    transfer.level = call_level(thread);
    const std::int64_t result = transfer_now(thread.process, *file, transfer);
    if (result != kWouldWait) {
        return result;
    }
    return start_blocking(thread, blocking_transfer(&thread, std::move(file), transfer));
}

std::int64_t transfer_call(Thread& thread, std::uint64_t descriptor, Transfer transfer) {
    Result<File*> found = thread.process.files.get(static_cast<int>(descriptor));
    return found ? transfer_file(thread, FileRef(*found), transfer) : negative(found.error());
}

// What is there at once, one vector at a time; a short one ends it.
std::int64_t vectors_now(Process& process, File& file, Arguments args, Transfer transfer) {
    std::int64_t total = 0;
    for (std::uint64_t i = 0; i < args[2]; ++i) {
        Vector vector{};
        if (!copy_in(process.space, vector, args[1] + i * sizeof vector)) {
            return total != 0 ? total : negative(Errno::fault);
        }
        transfer.buffer = vector.base;
        transfer.bytes = vector.bytes;
        const std::int64_t more = vector.bytes == 0 ? 0 : transfer_now(process, file, transfer);
        if (more < 0) {
            return total != 0 ? total : more;
        }
        total += more;
        if (static_cast<std::uint64_t>(more) < vector.bytes) {
            break;
        }
    }
    return total;
}

// Only the first one that is not empty may wait, as a plain call would: the rest is for the next
// call.
std::int64_t first_vector(Thread& thread, FileRef file, Arguments args, Transfer transfer) {
    Vector vector{};
    for (std::uint64_t i = 0; i < args[2] && vector.bytes == 0; ++i) {
        if (!copy_in(thread.process.space, vector, args[1] + i * sizeof vector)) {
            return negative(Errno::fault);
        }
    }
    transfer.buffer = vector.base;
    transfer.bytes = vector.bytes;
    return transfer_file(thread, std::move(file), transfer);
}

std::int64_t vector_call(Thread& thread, Arguments args, bool write) {
    Process& process = thread.process;
    if (args[2] > kMaxVectors) {
        return negative(Errno::invalid);
    }
    Result<File*> found = process.files.get(static_cast<int>(args[0]));
    if (!found) {
        return negative(found.error());
    }
    FileRef file(*found);
    Transfer transfer{.write = write};
    std::int64_t result = kWouldWait;
    if (!uses_offset(*file, transfer)) {
        result = vectors_now(process, *file, args, transfer);
    } else if (file->kind == File::Kind::initrd
               && file->offset_turn.try_take() == OffsetTurn::Answer::taken) {
        const OffsetHolder turn(file->offset_turn);
        transfer.has_turn = true;
        result = vectors_now(process, *file, args, transfer);
    }
    return result != kWouldWait ? result : first_vector(thread, std::move(file), args, transfer);
}

}  // namespace

Async<std::int64_t> sleep_until(Operation& operation, std::uint64_t deadline) {
    Process& process = *operation.owner;
    Waiter waiter;
    {
        const Guard guard(process.lock);
        if (operation.cancelled) {
            co_return negative(Errno::canceled);
        }
        operation.waiter = &waiter;
        operation.sleeping = true;
        timer::Sleep::add(waiter, deadline);
    }
    const std::int64_t result = co_await Event{};
    {
        const Guard guard(process.lock);
        operation.waiter = nullptr;
    }
    co_return result;
}

std::int64_t open_now(Process& process, std::string_view path, std::uint32_t flags) {
    if (host::is_host_path(path)) {
        return kWouldWait;
    }
    const InitrdEntry* const entry = initrd::find(path);
    if (entry == nullptr) {
        return negative((flags & kCreate) != 0 ? Errno::read_only : Errno::no_entry);
    }
    if ((flags & kAccessMode) != 0) {
        return negative(entry->is_directory() ? Errno::is_directory : Errno::read_only);
    }
    if ((flags & kDirectoryOnly) != 0 && !entry->is_directory()) {
        return negative(Errno::not_directory);
    }
    File* const file = make_file(File::Kind::initrd, flags);
    if (file == nullptr) {
        return negative(Errno::no_memory);
    }
    file->entry = entry;
    return add_descriptor(process, FileRef(file), flags);
}

Async<std::int64_t> open_slowly(
    Operation& operation,
    std::string_view path,
    std::uint32_t flags,
    std::uint32_t mode,
    std::uint32_t level
) {
    Async<host::Opened> open = host::open(&operation, path, flags & ~kCloseOnExec, mode, level);
    if (!open.valid()) {
        co_return negative(Errno::no_memory);
    }
    const host::Opened opened = co_await open;
    if (opened.file == nullptr) {
        co_return opened.error;
    }
    if ((flags & kDirectoryOnly) != 0) {
        remember_path(*opened.file, path);
    }
    co_return add_descriptor(*operation.owner, FileRef(opened.file), flags);
}

std::int64_t stat_now(const File& file, virtio_cops_stat& out) {
    out = {};
    switch (file.kind) {
    case File::Kind::console:
        out.mode = kCharacterDevice;
        out.blksize = 1024;
        out.nlink = 1;
        return 0;
    case File::Kind::initrd:
        entry_stat(*file.entry, out);
        return 0;
    default:
        return kWouldWait;
    }
}

std::int64_t sys_read(Thread& thread, Arguments args) {
    return transfer_call(thread, args[0], {.buffer = args[1], .bytes = args[2]});
}
std::int64_t sys_write(Thread& thread, Arguments args) {
    return transfer_call(thread, args[0], {.write = true, .buffer = args[1], .bytes = args[2]});
}
std::int64_t sys_pread(Thread& thread, Arguments args) {
    const auto offset = static_cast<std::int64_t>(args[3]);
    return offset < 0 ? negative(Errno::invalid)
                      : transfer_call(
                            thread, args[0], {.buffer = args[1], .bytes = args[2], .offset = offset}
                        );
}
std::int64_t sys_pwrite(Thread& thread, Arguments args) {
    const auto offset = static_cast<std::int64_t>(args[3]);
    return offset < 0 ? negative(Errno::invalid)
                      : transfer_call(
                            thread,
                            args[0],
                            {.write = true, .buffer = args[1], .bytes = args[2], .offset = offset}
                        );
}
std::int64_t sys_readv(Thread& thread, Arguments args) {
    return vector_call(thread, args, false);
}
std::int64_t sys_writev(Thread& thread, Arguments args) {
    return vector_call(thread, args, true);
}

std::int64_t sys_openat(Thread& thread, Arguments args) {
    const PathArgument path(thread.process, args[0], args[1]);
    if (path.error() != 0) {
        return path.error();
    }
    const auto flags = static_cast<std::uint32_t>(args[2]);
    const std::int64_t result = open_now(thread.process, path.view(), flags);
    return result != kWouldWait
               ? result
               : path.start_blocking(
                     thread, blocking_open, flags, static_cast<std::uint32_t>(args[3])
                 );
}

std::int64_t sys_close(Process& process, Arguments args) {
    return close_now(process, static_cast<int>(args[0]));
}

std::int64_t sys_lseek(Thread& thread, Arguments args) {
    Process& process = thread.process;
    Result<File*> found = process.files.get(static_cast<int>(args[0]));
    if (!found) {
        return negative(found.error());
    }
    FileRef file(*found);
    if (file->kind == File::Kind::console) {
        return negative(Errno::illegal_seek);
    }
    const std::uint64_t whence = args[2];
    const auto move = static_cast<std::int64_t>(args[1]);
    if (whence > from_end) {
        return negative(Errno::invalid);
    }
    const bool asks_host = whence == from_end && file->kind == File::Kind::host;
    if (!asks_host && file->offset_turn.try_take() == OffsetTurn::Answer::taken) {
        const OffsetHolder turn(file->offset_turn);
        return seek_now(*file, whence, move);
    }
    return start_blocking(thread, blocking_seek(&thread, std::move(file), whence, move));
}

std::int64_t sys_fstat(Thread& thread, Arguments args) {
    Process& process = thread.process;
    Result<File*> found = process.files.get(static_cast<int>(args[0]));
    if (!found) {
        return negative(found.error());
    }
    FileRef file(*found);
    virtio_cops_stat stat;
    if (stat_now(*file, stat) == kWouldWait) {
        return start_blocking(thread, blocking_stat(&thread, std::move(file), args[1]));
    }
    return deliver_stat(process, args[1], stat);
}

std::int64_t sys_fstatat(Thread& thread, Arguments args) {
    Process& process = thread.process;
    char first = 0;
    if ((args[3] & kAtEmptyPath) != 0 && copy_in(process.space, first, args[1]) && first == 0) {
        return sys_fstat(thread, {args[0], args[2], 0, 0, 0, 0});
    }
    const PathArgument path(process, args[0], args[1]);
    if (path.error() != 0) {
        return path.error();
    }
    if (host::is_host_root(path.view())) {
        virtio_cops_stat stat{};
        stat.mode = kReadableDirectory;
        stat.nlink = 2;
        return deliver_stat(process, args[2], stat);
    }
    if (host::is_host_path(path.view())) {
        return path.start_blocking(thread, blocking_stat_path, args[2]);
    }
    const InitrdEntry* const entry = initrd::find(path.view());
    if (entry == nullptr) {
        return negative(Errno::no_entry);
    }
    virtio_cops_stat stat;
    entry_stat(*entry, stat);
    return deliver_stat(process, args[2], stat);
}

std::int64_t sys_fsync(Thread& thread, Arguments args) {
    Process& process = thread.process;
    Result<File*> found = process.files.get(static_cast<int>(args[0]));
    if (!found) {
        return negative(found.error());
    }
    FileRef file(*found);
    if (file->kind != File::Kind::host) {
        return negative(Errno::invalid);
    }
    return start_blocking(thread, blocking_sync(&thread, std::move(file)));
}

std::int64_t sys_faccessat(Thread& thread, Arguments args) {
    const PathArgument path(thread.process, args[0], args[1]);
    if (path.error() != 0) {
        return path.error();
    }
    if (host::is_host_root(path.view())) {
        return 0;
    }
    if (host::is_host_path(path.view())) {
        return path.start_blocking(thread, blocking_stat_path, UserAddr{0});
    }
    constexpr std::uint64_t kWriteAccess = 2;
    if (initrd::find(path.view()) == nullptr) {
        return negative(Errno::no_entry);
    }
    return (args[2] & kWriteAccess) != 0 ? negative(Errno::read_only) : 0;
}

}  // namespace kernel
