// SPDX-License-Identifier: Apache-2.0
#include "sha256.hpp"

#include <algorithm>
#include <cstring>

namespace {

constexpr std::uint32_t kRound[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

// Without a rotate instruction a word written twice side by side makes each rotation one shift.
constexpr std::uint64_t twice(std::uint32_t word) {
    return (std::uint64_t{word} << 32) | word;
}

template <unsigned A, unsigned B, unsigned C>
constexpr std::uint32_t rotations(std::uint32_t word) {
    const std::uint64_t pair = twice(word);
    return static_cast<std::uint32_t>((pair >> A) ^ (pair >> B) ^ (pair >> C));
}

template <unsigned A, unsigned B, unsigned Shift>
constexpr std::uint32_t schedule_sigma(std::uint32_t word) {
    const std::uint64_t pair = twice(word);
    return static_cast<std::uint32_t>((pair >> A) ^ (pair >> B)) ^ (word >> Shift);
}

std::uint32_t big_endian(const std::byte* from) {
    std::uint32_t word;
    std::memcpy(&word, from, sizeof word);
    return __builtin_bswap32(word);
}

struct Working {
    std::uint32_t a, b, c, d, e, f, g, h;
};

// One round writes two of the eight words; the caller turns the names instead of the values.
[[gnu::always_inline]] inline void round(
    std::uint32_t a,
    std::uint32_t b,
    std::uint32_t c,
    std::uint32_t& d,
    std::uint32_t e,
    std::uint32_t f,
    std::uint32_t g,
    std::uint32_t& h,
    std::uint32_t input
) {
    const std::uint32_t first = h + rotations<6, 11, 25>(e) + (g ^ (e & (f ^ g))) + input;
    const std::uint32_t second = rotations<2, 13, 22>(a) + ((a & b) | (c & (a | b)));
    d += first;
    h = first + second;
}

[[gnu::always_inline]] inline void
eight_rounds(Working& w, const std::uint32_t* input, const std::uint32_t* constant) {
    round(w.a, w.b, w.c, w.d, w.e, w.f, w.g, w.h, input[0] + constant[0]);
    round(w.h, w.a, w.b, w.c, w.d, w.e, w.f, w.g, input[1] + constant[1]);
    round(w.g, w.h, w.a, w.b, w.c, w.d, w.e, w.f, input[2] + constant[2]);
    round(w.f, w.g, w.h, w.a, w.b, w.c, w.d, w.e, input[3] + constant[3]);
    round(w.e, w.f, w.g, w.h, w.a, w.b, w.c, w.d, input[4] + constant[4]);
    round(w.d, w.e, w.f, w.g, w.h, w.a, w.b, w.c, input[5] + constant[5]);
    round(w.c, w.d, w.e, w.f, w.g, w.h, w.a, w.b, input[6] + constant[6]);
    round(w.b, w.c, w.d, w.e, w.f, w.g, w.h, w.a, input[7] + constant[7]);
}

void compress(std::array<std::uint32_t, 8>& state, const std::byte* block) {
    std::uint32_t input[64];
    for (unsigned i = 0; i < 16; ++i) {
        input[i] = big_endian(block + 4 * i);
    }
    for (unsigned i = 16; i < 64; ++i) {
        input[i] = schedule_sigma<17, 19, 10>(input[i - 2]) + input[i - 7]
                   + schedule_sigma<7, 18, 3>(input[i - 15]) + input[i - 16];
    }
    Working w{state[0], state[1], state[2], state[3], state[4], state[5], state[6], state[7]};
    for (unsigned i = 0; i < 64; i += 8) {
        eight_rounds(w, input + i, kRound + i);
    }
    state[0] += w.a;
    state[1] += w.b;
    state[2] += w.c;
    state[3] += w.d;
    state[4] += w.e;
    state[5] += w.f;
    state[6] += w.g;
    state[7] += w.h;
}

}  // namespace

void Sha256::update(std::span<const std::byte> data) {
    bytes_ += data.size();
    if (filled_ != 0) {
        const std::size_t taken = std::min(data.size(), kBlockBytes - filled_);
        std::memcpy(partial_.data() + filled_, data.data(), taken);
        filled_ += taken;
        data = data.subspan(taken);
        if (filled_ < kBlockBytes) {
            return;
        }
        compress(state_, partial_.data());
        filled_ = 0;
    }
    for (; data.size() >= kBlockBytes; data = data.subspan(kBlockBytes)) {
        compress(state_, data.data());
    }
    if (!data.empty()) {
        std::memcpy(partial_.data(), data.data(), data.size());
        filled_ = data.size();
    }
}

std::string Sha256::finish() {
    const std::uint64_t bits = bytes_ * 8;
    partial_[filled_++] = std::byte{0x80};
    if (filled_ > kBlockBytes - sizeof bits) {
        std::fill(
            partial_.begin() + static_cast<std::ptrdiff_t>(filled_), partial_.end(), std::byte{0}
        );
        compress(state_, partial_.data());
        filled_ = 0;
    }
    std::fill(
        partial_.begin() + static_cast<std::ptrdiff_t>(filled_), partial_.end(), std::byte{0}
    );
    for (unsigned i = 0; i < sizeof bits; ++i) {
        partial_[kBlockBytes - 1 - i] = static_cast<std::byte>(bits >> (8 * i));
    }
    compress(state_, partial_.data());

    static constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    for (const std::uint32_t word : state_) {
        for (int shift = 28; shift >= 0; shift -= 4) {
            text += kDigits[(word >> shift) & 0xf];
        }
    }
    return text;
}
