// SPDX-License-Identifier: Apache-2.0
#include "fs/file.hpp"

#include "fs/host_file.hpp"
#include "mm/heap.hpp"

namespace kernel {

File* make_file(File::Kind kind, std::uint32_t flags) {
    File* const file = heap::make<File>();
    if (file != nullptr) {
        file->kind = kind;
        file->flags = flags;
    }
    return file;
}

void retain_file(File* file) {
    __atomic_fetch_add(&file->references, 1u, __ATOMIC_RELAXED);
}

void release_file(File* file) {
    // Release and acquire: what others did with it comes before its end.
    if (__atomic_fetch_sub(&file->references, 1u, __ATOMIC_ACQ_REL) != 1) {
        return;
    }
    if (file->handle_is_open) {
        host::close_behind(file->handle);
    }
    heap::free(file->path);
    heap::destroy(file);
}

Result<int> FileTable::add(File* file, bool close_on_exec, int from) {
    const Guard guard(lock_);
    for (int i = from < 0 ? 0 : from; i < kMax; ++i) {
        if (files_[i] == nullptr) {
            files_[i] = file;
            const std::uint64_t bit = std::uint64_t{1} << (i % 64);
            close_on_exec_[i / 64] &= ~bit;
            close_on_exec_[i / 64] |= close_on_exec ? bit : 0;
            return i;
        }
    }
    return std::unexpected(Errno::too_many_files);
}

Result<File*> FileTable::get(int descriptor) {
    const Guard guard(lock_);
    if (descriptor < 0 || descriptor >= kMax || files_[descriptor] == nullptr) {
        return std::unexpected(Errno::bad_descriptor);
    }
    retain_file(files_[descriptor]);
    return files_[descriptor];
}

Result<File*> FileTable::remove(int descriptor) {
    const Guard guard(lock_);
    if (descriptor < 0 || descriptor >= kMax || files_[descriptor] == nullptr) {
        return std::unexpected(Errno::bad_descriptor);
    }
    File* const file = files_[descriptor];
    files_[descriptor] = nullptr;
    return file;
}

bool FileTable::close_on_exec(int descriptor) {
    const Guard guard(lock_);
    return (close_on_exec_[descriptor / 64] >> (descriptor % 64) & 1) != 0;
}

void FileTable::clear() {
    for (int i = 0; i < kMax; ++i) {
        if (Result<File*> file = remove(i)) {
            release_file(*file);
        }
    }
}

}  // namespace kernel
