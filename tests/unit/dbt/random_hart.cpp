// SPDX-License-Identifier: Apache-2.0
#include "random_hart.hpp"

#include <algorithm>
#include <cstring>

namespace dbt_test {

RandomHart::RandomHart(std::uint64_t seed)
    : image(kBytes) {
    RandomCode random(seed);
    const Page page = random.page();
    std::ranges::copy(page.bytes, image.begin());
    for (std::uint64_t at = 4096; at < 3 * 4096; at += 8) {
        const std::uint64_t value = random.value();
        std::memcpy(&image[at], &value, sizeof value);
    }
    const rv::Word ecall = rv::kEcall;
    std::memcpy(&image[kHandler - kCode], &ecall, sizeof ecall);

    mode = {.float_on = random.chance(90), .frm = static_cast<std::uint8_t>(random.below(6))};
    for (unsigned n = 1; n < 32; ++n) {
        initial.x[n] = random.value();
    }
    for (const unsigned n : kPointers) {
        initial.x[n] = kCode + 4096 + 512 + random.below(800) * 8;
    }
    for (std::uint64_t& f : initial.f) {
        f = random.chance(50) ? random.value() | 0xffff'ffff'0000'0000 : random.value();
    }
    entry = static_cast<std::uint16_t>(random.below(1000) * 4);
    initial.pc = kCode + entry;
    initial.sstatus = mode.float_on ? std::uint64_t{1} << 13 : 0;
    initial.fcsr = std::uint64_t{mode.frm} << 5;
    initial.stvec = kHandler;
}

}  // namespace dbt_test
