// SPDX-License-Identifier: Apache-2.0
#include "drivers/plic.hpp"

#include "drivers/mmio.hpp"

namespace kernel::plic {

namespace {

constexpr std::uint32_t kSources = 128;
constexpr std::uint64_t kEnable = 0x2000;
constexpr std::uint64_t kEnableStride = 0x80;
constexpr std::uint64_t kContext = 0x200000;
constexpr std::uint64_t kContextStride = 0x1000;
constexpr std::uint64_t kClaim = 4;
constexpr unsigned kMaxClaims = 64;  // per look, so that a stuck line does not hold the hart

constinit PhysAddr base = 0;
constinit std::uint32_t contexts[kMaxHarts] = {};
constinit Handler handlers[kSources] = {};

}  // namespace

void init(const Platform& platform) {
    base = platform.plic;
    for (unsigned hart = 0; hart < kMaxHarts; ++hart) {
        contexts[hart] = platform.plic_context[hart];
    }
}

void connect(std::uint32_t irq, Handler handler) {
    if (base != 0 && irq != 0 && irq < kSources) {
        handlers[irq] = handler;
        mmio::write<std::uint32_t>(base + 4 * irq, 1);
    }
}

void enable_hart(unsigned hart) {
    if (base == 0 || contexts[hart] == ~0u) {
        return;
    }
    const std::uint64_t enable = base + kEnable + contexts[hart] * kEnableStride;
    for (std::uint32_t word = 0; word < kSources / 32; ++word) {
        std::uint32_t bits = 0;
        for (std::uint32_t bit = 0; bit < 32; ++bit) {
            bits |= handlers[word * 32 + bit] != nullptr ? 1u << bit : 0;
        }
        mmio::write<std::uint32_t>(enable + 4 * word, bits);
    }
    mmio::write<std::uint32_t>(base + kContext + contexts[hart] * kContextStride, 0);
}

void disable_hart(unsigned hart) {
    constexpr std::uint32_t kHighest = 7;
    if (base != 0 && contexts[hart] != ~0u) {
        mmio::write(base + kContext + contexts[hart] * kContextStride, kHighest);
    }
}

void handle(unsigned hart) {
    if (base == 0 || contexts[hart] == ~0u) {
        return;
    }
    const std::uint64_t claim = base + kContext + contexts[hart] * kContextStride + kClaim;
    for (unsigned n = 0; n < kMaxClaims; ++n) {
        const std::uint32_t irq = mmio::read<std::uint32_t>(claim);
        if (irq == 0) {
            return;
        }
        if (irq < kSources && handlers[irq] != nullptr) {
            handlers[irq]();
        }
        mmio::write<std::uint32_t>(claim, irq);
    }
}

}  // namespace kernel::plic
