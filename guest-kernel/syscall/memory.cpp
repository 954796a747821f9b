// SPDX-License-Identifier: Apache-2.0
#include "fs/initrd.hpp"
#include "mm/address_space.hpp"
#include "syscall/syscall.hpp"

namespace kernel {

namespace {

// Linux, asm-generic.
constexpr std::uint64_t kProtRead = 1;
constexpr std::uint64_t kProtWrite = 2;
constexpr std::uint64_t kProtExecute = 4;
constexpr std::uint64_t kMapFixed = 0x10;
constexpr std::uint64_t kMapAnonymous = 0x20;
constexpr std::uint64_t kMapNoReserve = 0x4000;
constexpr std::uint64_t kMapFixedNoReplace = 0x100000;

std::uint32_t rights_of(std::uint64_t protection) {
    return ((protection & kProtRead) != 0 ? kRead : 0)
           | ((protection & kProtWrite) != 0 ? kWrite : 0)
           | ((protection & kProtExecute) != 0 ? kExecute : 0);
}

// Private content of an initrd file; host files are read, not mapped.
Result<void> take_file(Process& process, Area& area, int descriptor, std::uint64_t offset) {
    const Result<File*> found = process.files.get(descriptor);
    if (!found) {
        return std::unexpected(found.error());
    }
    const FileRef file(*found);
    if (file->kind != File::Kind::initrd || file->entry->is_directory()) {
        return std::unexpected(Errno::no_device);
    }
    const std::uint64_t size = file->entry->data.size();
    if ((offset & (kPageSize - 1)) != 0) {
        return std::unexpected(Errno::invalid);
    }
    area.file = file->entry->data.data() + (offset < size ? offset : size);
    area.file_bytes = offset < size ? size - offset : 0;
    return {};
}

// In place of what is there, unless the flags forbid that.
Result<void>
map_there(Process& process, Area& area, UserAddr start, std::uint64_t bytes, std::uint64_t flags) {
    area.start = start;
    area.end = start + bytes;
    area.file_start = start;
    return (flags & kMapFixedNoReplace) != 0 ? process.space.map(area)
                                             : process.space.replace(area);
}

}  // namespace

std::int64_t sys_brk(Process& process, Arguments args) {
    return static_cast<std::int64_t>(process.space.move_break(args[0]));
}

std::int64_t sys_mmap(Process& process, Arguments args) {
    const std::uint64_t flags = args[3];
    const bool fixed = (flags & (kMapFixed | kMapFixedNoReplace)) != 0;
    if (args[1] == 0 || args[1] > kUserEnd || (fixed && (args[0] & (kPageSize - 1)) != 0)) {
        return negative(args[1] > kUserEnd ? Errno::no_memory : Errno::invalid);
    }
    Area area;
    area.rights = rights_of(args[2]);
    area.committed = (area.rights & kWrite) != 0 && (flags & kMapNoReserve) == 0;
    if ((flags & kMapAnonymous) == 0) {
        const Result<void> file = take_file(process, area, static_cast<int>(args[4]), args[5]);
        if (!file) {
            return negative(file.error());
        }
    }
    const Result<void> mapped = fixed ? map_there(process, area, args[0], page_up(args[1]), flags)
                                      : process.space.map_anywhere(area, page_up(args[1]));
    return mapped ? static_cast<std::int64_t>(area.start) : negative(mapped.error());
}

std::int64_t sys_munmap(Process& process, Arguments args) {
    if ((args[0] & (kPageSize - 1)) != 0 || args[0] >= kUserEnd || args[1] > kUserEnd) {
        return negative(Errno::invalid);
    }
    const Result<void> result = process.space.unmap(args[0], args[0] + page_up(args[1]));
    return result ? 0 : negative(result.error());
}

std::int64_t sys_mprotect(Process& process, Arguments args) {
    if ((args[0] & (kPageSize - 1)) != 0 || args[0] >= kUserEnd || args[1] > kUserEnd) {
        return negative(Errno::invalid);
    }
    if (args[1] == 0) {
        return 0;
    }
    const Result<void> result =
        process.space.protect(args[0], args[0] + page_up(args[1]), rights_of(args[2]));
    return result ? 0 : negative(result.error());
}

}  // namespace kernel
