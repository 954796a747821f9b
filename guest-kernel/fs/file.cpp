// SPDX-License-Identifier: Apache-2.0
#include "fs/file.hpp"

#include "fs/host_file.hpp"
#include "mm/heap.hpp"

#include <utility>

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

OffsetTurn::Answer OffsetTurn::take_locked() {
    if (kind_ == Kind::none) {
        return Answer::none;
    }
    return std::exchange(taken_, true) ? Answer::waits : Answer::taken;
}

OffsetTurn::Answer OffsetTurn::try_take() {
    const Guard guard(line_.lock());
    return take_locked();
}

OffsetTurn::Answer OffsetTurn::enter(Waiter& waiter) {
    const Guard guard(line_.lock());
    const Answer answer = take_locked();
    if (answer == Answer::waits && kind_ == Kind::unknown) {
        kind_ = Kind::asked;
        return Answer::ask;
    }
    if (answer == Answer::waits) {
        line_.add_locked(waiter);
    }
    return answer;
}

void OffsetTurn::tell(Kind kind) {
    const Guard guard(line_.lock());
    kind_ = kind;
    if (kind == Kind::none) {
        line_.signal_all_locked(static_cast<std::int64_t>(Answer::none));
    } else if (kind == Kind::unknown
               && line_.signal_first_locked(static_cast<std::int64_t>(Answer::ask))) {
        kind_ = Kind::asked;
    }
}

void OffsetTurn::give_back() {
    const Guard guard(line_.lock());
    // Then it is that one's.
    taken_ = line_.signal_first_locked(static_cast<std::int64_t>(Answer::taken));
}

void FileTable::put(int descriptor, File* file, bool close_on_exec) {
    files_[descriptor] = file;
    const std::uint64_t bit = std::uint64_t{1} << (descriptor % 64);
    close_on_exec_[descriptor / 64] &= ~bit;
    close_on_exec_[descriptor / 64] |= close_on_exec ? bit : 0;
}

Result<int> FileTable::add(File* file, bool close_on_exec, int from) {
    const Guard guard(lock_);
    for (int i = from < 0 ? 0 : from; i < kMax; ++i) {
        if (files_[i] == nullptr) {
            put(i, file, close_on_exec);
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

Result<File*> FileTable::replace(int descriptor, File* file, bool close_on_exec) {
    const Guard guard(lock_);
    if (descriptor < 0 || descriptor >= kMax) {
        return std::unexpected(Errno::bad_descriptor);
    }
    File* const before = files_[descriptor];
    put(descriptor, file, close_on_exec);
    return before;
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
