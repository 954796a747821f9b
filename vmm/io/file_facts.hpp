// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>

namespace vmm::io {

/// What hosts say of files that no two runs agree on, made to be the same: inodes are numbered by
/// when they were first seen, files that were changed since the run began say that it was at
/// `epoch_ns` (nanoseconds since 1970), and their size says how many blocks they have.
class FileFacts {
public:
    explicit FileFacts(std::uint64_t epoch_ns);

    void settle(struct statx& status);
    /// linux_dirent64 records in the first `bytes` of `segment`, from a directory on `device`.
    void settle(const iovec& segment, std::size_t bytes, dev_t device);

private:
    std::uint64_t number_of(dev_t device, std::uint64_t inode);

    const std::uint64_t epoch_ns_;
    const std::uint64_t begin_ns_;  // of the run, by the clock of file systems
    std::map<std::pair<dev_t, std::uint64_t>, std::uint64_t> numbers_;
};

}  // namespace vmm::io
