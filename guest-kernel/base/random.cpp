// SPDX-License-Identifier: Apache-2.0
#include "base/random.hpp"

#include "base/spinlock.hpp"

#include <bit>

namespace kernel::random {

namespace {

// RFC 8439: constants, 256-bit key, block counter, nonce.
struct Generator {
    std::uint32_t key[8] = {};
    std::uint32_t counter = 0;
};

constinit SpinLock lock{Rank::random};
constinit Generator generator;

void quarter_round(std::uint32_t* s, int a, int b, int c, int d) {
    s[a] += s[b];
    s[d] = std::rotl(s[d] ^ s[a], 16);
    s[c] += s[d];
    s[b] = std::rotl(s[b] ^ s[c], 12);
    s[a] += s[b];
    s[d] = std::rotl(s[d] ^ s[a], 8);
    s[c] += s[d];
    s[b] = std::rotl(s[b] ^ s[c], 7);
}

void block(std::uint32_t (&out)[16]) {
    std::uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    for (int i = 0; i < 8; ++i) {
        start[4 + i] = generator.key[i];
    }
    start[12] = generator.counter++;
    for (int i = 0; i < 16; ++i) {
        out[i] = start[i];
    }
    for (int round = 0; round < 10; ++round) {
        quarter_round(out, 0, 4, 8, 12);
        quarter_round(out, 1, 5, 9, 13);
        quarter_round(out, 2, 6, 10, 14);
        quarter_round(out, 3, 7, 11, 15);
        quarter_round(out, 0, 5, 10, 15);
        quarter_round(out, 1, 6, 11, 12);
        quarter_round(out, 2, 7, 8, 13);
        quarter_round(out, 3, 4, 9, 14);
    }
    for (int i = 0; i < 16; ++i) {
        out[i] += start[i];
    }
}

// What was handed out can't be found from what is kept.
void rekey() {
    std::uint32_t words[16];
    block(words);
    for (int i = 0; i < 8; ++i) {
        generator.key[i] = words[i];
    }
}

}  // namespace

void seed(std::span<const std::byte> material) {
    const Guard guard(lock);
    std::size_t at = 0;
    for (const std::byte byte : material) {
        generator.key[at / 4 % 8] ^= static_cast<std::uint32_t>(byte) << (at % 4 * 8);
        if (++at % 32 == 0) {
            rekey();
        }
    }
    rekey();
}

void fill(std::span<std::byte> out) {
    const Guard guard(lock);
    std::size_t at = 0;
    while (at < out.size()) {
        std::uint32_t words[16];
        block(words);
        for (std::size_t i = 0; i < 64 && at < out.size(); ++i, ++at) {
            out[at] = static_cast<std::byte>(words[i / 4] >> (i % 4 * 8));
        }
    }
    rekey();
}

}  // namespace kernel::random
