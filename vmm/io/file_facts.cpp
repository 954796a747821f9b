// SPDX-License-Identifier: Apache-2.0
// What is the same in all runs of what hosts say of files.
#include "io/file_facts.hpp"

#include <sys/sysmacros.h>

#include <cstring>
#include <ctime>

namespace vmm::io {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

std::uint64_t to_nanos(std::int64_t seconds, std::uint64_t nanos) {
    return static_cast<std::uint64_t>(seconds) * kSecond + nanos;
}

/// File systems stamp by the coarse clock: a precise one may be ahead of the next stamp.
std::uint64_t file_system_now() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return to_nanos(now.tv_sec, static_cast<std::uint64_t>(now.tv_nsec));
}

}  // namespace

FileFacts::FileFacts(std::uint64_t epoch_ns)
    : epoch_ns_(epoch_ns)
    , begin_ns_(file_system_now()) {}

std::uint64_t FileFacts::number_of(dev_t device, std::uint64_t inode) {
    return numbers_.try_emplace({device, inode}, numbers_.size() + 1).first->second;
}

void FileFacts::settle(struct statx& status) {
    const dev_t device = ::gnu_dev_makedev(status.stx_dev_major, status.stx_dev_minor);
    status.stx_ino = number_of(device, status.stx_ino);
    if (to_nanos(status.stx_mtime.tv_sec, status.stx_mtime.tv_nsec) >= begin_ns_) {
        status.stx_mtime.tv_sec = static_cast<std::int64_t>(epoch_ns_ / kSecond);
        status.stx_mtime.tv_nsec = static_cast<std::uint32_t>(epoch_ns_ % kSecond);
    }
    // File systems allocate when they like.
    constexpr std::uint64_t kBlock = 512;
    status.stx_blocks = (status.stx_size + kBlock - 1) / kBlock;
}

void FileFacts::settle(const iovec& segment, std::size_t bytes, dev_t device) {
    // linux_dirent64: u64 d_ino, s64 d_off, u16 d_reclen, ...
    constexpr std::size_t kLengthAt = 16;
    auto* at = static_cast<std::byte*>(segment.iov_base);
    while (bytes >= kLengthAt + sizeof(std::uint16_t)) {
        std::uint64_t inode = 0;
        std::uint16_t length = 0;
        std::memcpy(&inode, at, sizeof inode);
        std::memcpy(&length, at + kLengthAt, sizeof length);
        if (length == 0 || length > bytes) {
            return;
        }
        inode = number_of(device, inode);
        std::memcpy(at, &inode, sizeof inode);
        at += length;
        bytes -= length;
    }
}

}  // namespace vmm::io
