// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

/// SHA-256 (FIPS 180-4) of a byte stream given in pieces.
class Sha256 {
public:
    static constexpr std::size_t kBlockBytes = 64;

    void update(std::span<const std::byte> data);
    /// Ends the stream; the digest in lower-case hexadecimal. Call once.
    std::string finish();

private:
    std::array<std::uint32_t, 8> state_ = {
        0x6a09e667,
        0xbb67ae85,
        0x3c6ef372,
        0xa54ff53a,
        0x510e527f,
        0x9b05688c,
        0x1f83d9ab,
        0x5be0cd19,
    };
    std::array<std::byte, kBlockBytes> partial_{};
    std::size_t filled_ = 0;
    std::uint64_t bytes_ = 0;
};
