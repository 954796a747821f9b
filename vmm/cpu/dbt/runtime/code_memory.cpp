// SPDX-License-Identifier: Apache-2.0
#include "cpu/dbt/runtime/code_memory.hpp"

#include <sys/mman.h>

namespace vmm::dbt {
namespace {

constexpr std::size_t round_up(std::size_t bytes) {
    return (bytes + 4095) & ~std::size_t{4095};
}

}  // namespace

CodeMemory::CodeMemory(std::size_t bytes, std::size_t data_bytes)
    : bytes_(round_up(bytes))
    , data_bytes_(round_up(data_bytes)) {
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
    // Anonymous: perf looks into /tmp/perf-PID.map for such memory, not for that of a memfd.
    void* writes = ::mmap(
        nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0
    );
    if (writes == MAP_FAILED) {
        return;
    }
    // Of a shared mapping an old size of 0 makes a second one of the same pages.
    void* runs = ::mremap(writes, 0, bytes_, MREMAP_MAYMOVE | MREMAP_FIXED, executable_);
    if (runs == MAP_FAILED || ::mprotect(runs, bytes_, PROT_READ | PROT_EXEC) != 0) {
        ::munmap(writes, bytes_);
        return;
    }
    writable_ = static_cast<std::byte*>(writes);
}

CodeMemory::~CodeMemory() {
    if (executable_ != nullptr) {
        ::munmap(executable_, bytes_ + data_bytes_);
    }
    if (writable_ != nullptr) {
        ::munmap(writable_, bytes_);
    }
}

void CodeMemory::discard(std::size_t offset) {
    const std::size_t from = round_up(offset);
    if (from < bytes_) {
        ::madvise(writable_ + from, bytes_ - from, MADV_REMOVE);
    }
    ::madvise(executable_ + bytes_, data_bytes_, MADV_DONTNEED);
}

}  // namespace vmm::dbt
