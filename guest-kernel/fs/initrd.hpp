// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/types.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace kernel {

/// One member of the initrd's archives; its content stays in place.
struct InitrdEntry {
    std::string_view name;  ///< Without leading "/" or "./".
    std::span<const std::byte> data;
    std::uint32_t mode = 0;  ///< Linux st_mode.
    std::uint32_t inode = 0;
    std::uint64_t mtime = 0;  ///< Seconds.

    bool is_directory() const { return (mode & 0170000) == 0040000; }
};

namespace initrd {

/// Indexes the concatenated newc archives in [start, end). Stops at the first thing that is none.
void init(PhysAddr start, PhysAddr end);
/// The member at an absolute path; the newest of that name. Null: none. Understands "." and "..".
const InitrdEntry* find(std::string_view path);
std::span<const std::byte> content(std::string_view path);

}  // namespace initrd
}  // namespace kernel
