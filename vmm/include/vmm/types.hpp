// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>

namespace vmm {

/// A guest-physical address. A type of its own, so that it can't be mixed up with a virtual address
/// or a length.
struct GuestPhys {
    std::uint64_t value = 0;
    friend constexpr auto operator<=>(GuestPhys, GuestPhys) = default;
    constexpr GuestPhys operator+(std::uint64_t bytes) const { return {value + bytes}; }
};

/// Nanoseconds, of whichever clock the name of the variable says.
using Nanos = std::uint64_t;

/// Scheduling level: 0 is the most urgent, 63 the least, 64 means "none".
using Level = std::uint8_t;
inline constexpr Level kLevels = 64;
inline constexpr Level kNoLevel = 64;
/// Of work that nobody gave a level: a vCPU without a claim, and in COPS guests a program's start.
/// Both are the same, or a guest that still boots would starve behind the lesser work of one that
/// has.
inline constexpr Level kDefaultLevel = 16;

inline constexpr std::uint64_t kPageSize = 4096;

}  // namespace vmm
