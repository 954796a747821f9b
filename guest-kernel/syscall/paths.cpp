// SPDX-License-Identifier: Apache-2.0
// Paths of system calls, and what directories are asked.
#include "syscall/paths.hpp"

#include "fs/host_file.hpp"
#include "fs/initrd.hpp"
#include "mm/user_memory.hpp"
#include "proc/schedule.hpp"

#include <algorithm>
#include <cstddef>
#include <span>

namespace kernel {

namespace {

constexpr int kAtCurrentDirectory = -100;

/// Head of linux_dirent64; the name follows.
struct Record {
    std::uint64_t inode;
    std::int64_t position;  // of the next one
    std::uint16_t bytes;
    std::uint8_t type;
};
constexpr std::uint64_t kRecordHead = offsetof(Record, type) + 1;

// Where relative paths from this descriptor begin, without a slash at its end.
Result<std::string_view> base_of(Process& process, int directory, std::span<char> buffer) {
    const Result<File*> found = process.files.get(directory);
    if (!found) {
        return std::unexpected(found.error());
    }
    const FileRef file(*found);
    std::string_view path;
    if (file->kind == File::Kind::initrd && file->entry->is_directory()) {
        path = file->entry->name;
    } else if (file->path != nullptr) {
        path = file->path;
    } else {
        return std::unexpected(Errno::not_directory);
    }
    if (path.size() + 1 > buffer.size()) {
        return std::unexpected(Errno::name_too_long);
    }
    buffer[0] = '/';
    path.copy(buffer.data() + 1, path.size());
    return std::string_view(buffer.data(), path.size() + 1);
}

Result<std::string_view>
read_path(Process& process, std::uint64_t directory, UserAddr from, std::span<char> buffer) {
    const Result<std::size_t> length = copy_string(process.space, buffer, from);
    if (!length) {
        return std::unexpected(length.error());
    }
    const std::string_view path(buffer.data(), *length);
    if (path.empty()) {
        return std::unexpected(Errno::no_entry);
    }
    if (path[0] == '/' || static_cast<int>(directory) == kAtCurrentDirectory) {
        return path;
    }
    // The whole path: the directory's, a slash, and what was given, which moves up for them.
    char* const whole = static_cast<char*>(heap::allocate(Path::kMax));
    if (whole == nullptr) {
        return std::unexpected(Errno::no_memory);
    }
    Result<std::string_view> result =
        base_of(process, static_cast<int>(directory), std::span(whole, Path::kMax));
    if (result) {
        const std::size_t base = result->size();
        if (base + 1 + path.size() > std::min(buffer.size(), Path::kMax)) {
            result = std::unexpected(Errno::name_too_long);
        } else {
            whole[base] = '/';
            path.copy(whole + base + 1, path.size());
            const std::size_t size = base + 1 + path.size();
            __builtin_memcpy(buffer.data(), whole, size);
            result = std::string_view(buffer.data(), size);
        }
    }
    heap::free(whole);
    return result;
}

Async<void> blocking_entries(Thread* thread, FileRef file, Transfer transfer) {
    Operation operation;
    const OperationScope scope(operation, thread->process);
    Async<std::int64_t> work = transfer_slowly(operation, *file, transfer);
    finish_call(*thread, work.valid() ? co_await work : negative(Errno::no_memory));
}

// A name of the host that exists is no link: the device resolves those.
Async<void> blocking_read_link(Thread* thread, OwnedPath path) {
    Operation operation;
    const OperationScope scope(operation, thread->process);
    Async<host::Opened> open = host::open(&operation, path.view(), 0, 0, call_level(*thread));
    host::Opened opened{.error = negative(Errno::no_memory)};
    if (open.valid()) {
        opened = co_await open;
    }
    if (opened.file != nullptr) {
        const FileRef file(opened.file);
        opened.error = negative(Errno::invalid);
    }
    finish_call(*thread, opened.error);
}

}  // namespace

PathArgument::PathArgument(Process& process, std::uint64_t directory, UserAddr from)
    : path_(read_path(process, directory, from, buffer_)) {}

void remember_path(File& directory, std::string_view path) {
    auto* const text = static_cast<char*>(heap::allocate(path.size() + 1));
    if (text != nullptr) {
        const std::string_view name = normalise(path, std::span(text, path.size()));
        text[name.size()] = 0;
        directory.path = text;
    }
}

void advance_to_last_entry(
    Process& process, File& directory, UserAddr records, std::uint64_t bytes
) {
    // The process may have changed what the host wrote: then it finds other entries.
    Record record{};
    for (std::uint64_t at = 0; at + kRecordHead <= bytes; at += record.bytes) {
        if (!process.space.read(&record, records + at, kRecordHead) || record.bytes < kRecordHead
            || record.position < 0) {
            return;
        }
        __atomic_store_n(
            &directory.offset, static_cast<std::uint64_t>(record.position), __ATOMIC_RELAXED
        );
    }
}

std::int64_t sys_getdents(Thread& thread, Arguments args) {
    Process& process = thread.process;
    const Result<File*> found = process.files.get(static_cast<int>(args[0]));
    if (!found) {
        return negative(found.error());
    }
    FileRef file(*found);
    if (file->kind != File::Kind::host) {
        return negative(Errno::not_directory);  // those of the initrd are not listed
    }
    const Transfer transfer{
        .entries = true,
        .buffer = args[1],
        .bytes = std::min<std::uint64_t>(args[2], 1 << 20),
        .level = call_level(thread),
    };
    return start_blocking(thread, blocking_entries(&thread, std::move(file), transfer));
}

std::int64_t sys_readlinkat(Thread& thread, Arguments args) {
    const PathArgument path(thread.process, args[0], args[1]);
    if (path.error() != 0) {
        return path.error();
    }
    if (host::is_host_root(path.view())) {
        return negative(Errno::invalid);
    }
    if (host::is_host_path(path.view())) {
        return path.start_blocking(thread, blocking_read_link);
    }
    return negative(initrd::find(path.view()) != nullptr ? Errno::invalid : Errno::no_entry);
}

std::int64_t sys_getcwd(Process& process, Arguments args) {
    const char root[] = "/";
    if (args[1] < sizeof root) {
        return negative(Errno::range);
    }
    return process.space.write(args[0], root, sizeof root) ? std::int64_t{sizeof root}
                                                           : negative(Errno::fault);
}

}  // namespace kernel
