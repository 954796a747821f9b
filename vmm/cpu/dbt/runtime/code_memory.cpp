// SPDX-License-Identifier: Apache-2.0
#include "cpu/dbt/runtime/code_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace vmm::dbt {
namespace {

constexpr std::size_t round_up(std::size_t bytes) {
    return (bytes + 4095) & ~std::size_t{4095};
}

}  // namespace

CodeMemory::CodeMemory(std::size_t bytes, std::size_t data_bytes)
    : bytes_(round_up(bytes))
    , data_bytes_(round_up(data_bytes)) {
    memfd_ = ::memfd_create("cops-code", MFD_CLOEXEC);
    if (memfd_ < 0 || ::ftruncate(memfd_, static_cast<off_t>(bytes_)) != 0) {
        return;
    }
    // One reservation for both, so that they are neighbours.
    void* reserved = ::mmap(
        nullptr,
        bytes_ + data_bytes_,
        PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
        -1,
        0
    );
    if (reserved == MAP_FAILED) {
        return;
    }
    executable_ = static_cast<std::byte*>(reserved);
    void* runs =
        ::mmap(executable_, bytes_, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, memfd_, 0);
    void* writes = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, memfd_, 0);
    if (runs != MAP_FAILED && writes != MAP_FAILED) {
        writable_ = static_cast<std::byte*>(writes);
    }
}

CodeMemory::~CodeMemory() {
    if (executable_ != nullptr) {
        ::munmap(executable_, bytes_ + data_bytes_);
    }
    if (writable_ != nullptr) {
        ::munmap(writable_, bytes_);
    }
    if (memfd_ >= 0) {
        ::close(memfd_);
    }
}

void CodeMemory::discard(std::size_t offset) {
    const std::size_t from = round_up(offset);
    if (from < bytes_) {
        ::fallocate(
            memfd_,
            FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
            static_cast<off_t>(from),
            static_cast<off_t>(bytes_ - from)
        );
    }
    ::madvise(executable_ + bytes_, data_bytes_, MADV_DONTNEED);
}

}  // namespace vmm::dbt
