// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/errors.hpp"

#include <cstddef>
#include <cstdint>
#include <expected>

namespace kernel {

inline constexpr std::size_t kPageSize = 4096;
inline constexpr unsigned kPageShift = 12;
inline constexpr unsigned kMaxHarts = 64;  ///< Lines of one process page.
inline constexpr unsigned kMaxProcesses = 64;

/// Where physical memory appears in the kernel's half of every address space, supervisor-only.
inline constexpr std::uint64_t kDirectMap = 0xffffffc000000000;
/// User addresses lie below (Sv39's lower half, less a last page).
inline constexpr std::uint64_t kUserEnd = 0x3ffffff000;

using PhysAddr = std::uint64_t;
using UserAddr = std::uint64_t;

template <typename T = void>
T* direct(PhysAddr address) {
    return reinterpret_cast<T*>(address + kDirectMap);
}
inline PhysAddr physical(const void* pointer) {
    return reinterpret_cast<std::uint64_t>(pointer) - kDirectMap;
}

constexpr std::uint64_t page_down(std::uint64_t address) {
    return address & ~std::uint64_t{kPageSize - 1};
}
constexpr std::uint64_t page_up(std::uint64_t address) {
    return page_down(address + kPageSize - 1);
}

/// A value, or a positive Linux errno.
template <typename T>
using Result = std::expected<T, Errno>;

class NoCopy {
public:
    constexpr NoCopy() = default;
    NoCopy(const NoCopy&) = delete;
    NoCopy& operator=(const NoCopy&) = delete;
};

}  // namespace kernel
