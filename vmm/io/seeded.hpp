// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace vmm::io {

/// The `number`-th of the numbers that follow from `seed`: the finaliser of SplitMix64 (Steele,
/// Lea, Flood 2014), which is the same everywhere. Not for secrets.
constexpr std::uint64_t seeded(std::uint64_t seed, std::uint64_t number) noexcept {
    std::uint64_t z = seed + (number + 1) * 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

}  // namespace vmm::io
