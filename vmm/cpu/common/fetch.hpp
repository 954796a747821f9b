// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/common/pages.hpp"
#include "cpu/riscv/decode.hpp"

#include <cstdint>
#include <type_traits>

namespace vmm {

/// The offset at which an instruction of four bytes crosses into the next page.
inline constexpr unsigned kCrossingOffset = kPageSize - 2;

/// Whether the instruction at an offset of a page that code was translated from does.
template <class Page>
bool crosses(Page& page, unsigned offset) {
    return offset == kCrossingOffset && riscv::instruction_length(page.half(kCrossingOffset)) == 4;
}

/// Where an instruction is.
template <class Page>
struct CodeSpot {
    Page* page = nullptr;    ///< Null: fetching raised an exception, which has been taken.
    std::uint32_t word = 0;  ///< The instruction's bits when it crosses into the next page.
};

/// The page that the instruction at `address` is in, up to date; null: fetching raised an
/// exception, which has been taken. Cpu: what an engine made of EngineHart; Code: its translations
/// by page, all of which may be gone afterwards (see its epoch()).
template <class Cpu, class Code>
auto* code_page(Cpu& cpu, Code& code, std::uint64_t address) {
    const bool user = cpu.hart.user();
    if (auto* known = cpu.caches.fetched(user, address)) {
        return known;
    }
    const auto frame = cpu.walk_code(address);
    if (!frame) {
        cpu.raise(cpu.fault_cause, cpu.fault_value);
        return decltype(cpu.caches.fetched(user, address)){nullptr};
    }
    const std::uint64_t epoch = code.epoch();
    auto& page = code.page(frame->host);
    if (epoch != code.epoch()) {
        cpu.caches.flush_code();
    }
    cpu.caches.insert_fetch(user, address, &page, frame->page_bytes);
    return &page;
}

/// Where the instruction at `pc` is. Parameters as above.
template <class Cpu, class Code>
auto find_code(Cpu& cpu, Code& code, std::uint64_t pc) {
    using Spot = CodeSpot<std::remove_pointer_t<decltype(code_page(cpu, code, pc))>>;
    for (;;) {
        auto* page = code_page(cpu, code, pc);
        if (page == nullptr || (pc & kPageOffsetMask) != kCrossingOffset) {
            return Spot{page};
        }
        const std::uint16_t low = page->half(kCrossingOffset);
        if (riscv::instruction_length(low) != 4) {
            return Spot{page};
        }
        const std::uint64_t epoch = code.epoch();
        auto* behind = code_page(cpu, code, pc + 2);
        if (behind == nullptr) {
            return Spot{};
        }
        if (epoch == code.epoch()) {  // else `page` is gone
            return Spot{page, low | std::uint32_t{behind->half(0)} << 16};
        }
    }
}

}  // namespace vmm
