// SPDX-License-Identifier: Apache-2.0
// From pc to host code, and what happens when host code comes back.
#include "cpu/dbt/runtime/cpu.hpp"

#include <algorithm>
#include <bit>

namespace vmm::dbt {

using riscv::Cause;

namespace {

constexpr std::uint16_t kCrossing = 4094;

std::uint16_t page_offset(std::uint64_t address) {
    return static_cast<std::uint16_t>(address & kPageOffsetMask);
}

}  // namespace

// Generated code has no type hash in front of it for UndefinedBehaviorSanitizer to look at: before
// the first routine there may be no memory at all.
[[clang::no_sanitize("function")]] void Cpu::dispatch() {
    using Enter = void (*)(HartState*, const void*);
    const auto enter = reinterpret_cast<Enter>(code.routines().enter);
    const void* next = nullptr;
    for (;;) {
        while (next == nullptr) {
            if (retired() == limit) {
                exit = ExitKind::counted;
                return;
            }
            if (state.budget < 0 && poll() == PollResult::leave) {
                return;
            }
            next = cut ? cut_off() : look_up();
        }
        enter(&state, next);
        ++dispatches;
        switch (state.reason) {
        case LeaveReason::link:
            next = follow_link();
            break;
        case LeaveReason::hot:
            next = make_hot();
            break;
        case LeaveReason::breakpoint:
            if (retired() != limit && stops_at_breakpoint()) {
                exit = ExitKind::breakpoint;
                return;
            }
            cut = retired() != limit;  // another address that looks the same: step over it
            next = nullptr;
            break;
        case LeaveReason::dispatch:
        case LeaveReason::resume:
            next = nullptr;
            break;
        case LeaveReason::end:
            return;
        }
    }
}

Page* Cpu::code_page(std::uint64_t address) {
    const bool user = hart.user();
    if (Page* known = caches.fetched(user, address)) {
        return known;
    }
    const riscv::Walk walk =
        riscv::translate(translation_mode(), memory, address, riscv::Access::fetch);
    if (walk.status == riscv::WalkStatus::page_fault) {
        raise(Cause::instruction_page, address);
        return nullptr;
    }
    const std::byte* page_host =
        walk.status == riscv::WalkStatus::ok
            ? memory.readable_range(GuestPhys{walk.address & ~kPageOffsetMask}, 4096)
            : nullptr;
    if (page_host == nullptr) {
        raise(Cause::instruction_access, address);
        return nullptr;
    }
    if (walk.page_bytes > 4096) {
        caches.note_superpage(address, walk.page_bytes);
    }
    const std::uint64_t epoch = code.epoch();
    Page& page = code.page(page_host);
    if (epoch != code.epoch()) {
        caches.flush_code();
    }
    caches.insert_fetch(user, address, &page);
    return &page;
}

Region* Cpu::region_at(Page& page, std::uint16_t offset, std::uint32_t word) {
    if (Region* known = code.find(page, offset, mode, word)) {
        return known;
    }
    Region* made = code.translate({
        .page = &page,
        .offset = offset,
        .mode = mode,
        .pc = (state.pc & ~kPageOffsetMask) + offset,
        .word = word,
        .breakpoints = breakpoint_offsets,
    });
    if (made == nullptr) {
        caches.flush_code();
    }
    return made;
}

const void* Cpu::look_up() {
    const std::uint64_t pc = state.pc;
    const std::uint16_t offset = page_offset(pc);
    if (const JumpEntry& known = state.jumps[jump_index(pc)]; known.pc == pc) {
        state.page_base = pc & ~kPageOffsetMask;
        return known.code;
    }
    for (;;) {
        Page* page = code_page(pc);
        if (page == nullptr) {
            break;
        }
        std::uint32_t word = 0;
        if (offset == kCrossing && riscv::instruction_length(page->half(kCrossing)) == 4) {
            const std::uint16_t low = page->half(kCrossing);
            const std::uint64_t epoch = code.epoch();
            Page* behind = code_page(pc + 2);
            if (behind == nullptr) {
                break;
            }
            if (epoch != code.epoch()) {
                continue;  // `page` is gone
            }
            word = low | std::uint32_t{behind->half(0)} << 16;
        }
        Region* region = region_at(*page, offset, word);
        if (region == nullptr) {
            continue;
        }
        const void* entry = code.entry(*region);
        caches.insert_jump(hart.user(), mode.float_on, pc, entry);
        state.page_base = pc & ~kPageOffsetMask;
        return entry;
    }
    // A fetch that faults has to cost budget too: such a loop must still be polled.
    --state.budget;
    --retired_base;
    return nullptr;
}

const void* Cpu::cut_off() {
    cut = false;
    const std::uint64_t pc = state.pc;
    const std::uint16_t offset = page_offset(pc);
    // Stepping over a breakpoint that is another address's.
    const bool step =
        std::binary_search(breakpoint_offsets.begin(), breakpoint_offsets.end(), offset)
        && !stops_at_breakpoint();
    for (;;) {
        Page* page = code_page(pc);
        if (page == nullptr) {
            return nullptr;
        }
        if (offset == kCrossing && riscv::instruction_length(page->half(kCrossing)) == 4) {
            return look_up();  // one instruction anyway
        }
        const std::uint64_t left = limit - retired();
        Region* region = code.translate({
            .page = page,
            .offset = offset,
            .mode = mode,
            .pc = pc,
            .breakpoints = step ? std::span<const std::uint16_t>() : std::span(breakpoint_offsets),
            .stop_after =
                step ? 1 : static_cast<unsigned>(std::min(left, std::uint64_t{kPollInterval})),
        });
        if (region != nullptr) {
            state.page_base = pc & ~kPageOffsetMask;
            return code.entry(*region);
        }
        caches.flush_code();
    }
}

const void* Cpu::follow_link() {
    Region& from = code.region_of(state.leave_site);
    const Site site = code.site_of(from, state.leave_site);
    state.pc = state.page_base + site.offset;
    Page& page = *from.page;
    if (site.offset == kCrossing && riscv::instruction_length(page.half(kCrossing)) == 4) {
        return nullptr;  // it needs the next page, which is found by address only
    }
    Region* to = region_at(page, site.offset, 0);
    if (to == nullptr) {
        return nullptr;
    }
    code.link(from, site, *to);
    return code.entry(*to);
}

const void* Cpu::make_hot() {
    Region& old = code.region_of(state.leave_site);
    state.pc = state.page_base + old.offset;
    Region* better = code.translate({
        .page = old.page,
        .offset = old.offset,
        .mode = old.mode,
        .pc = state.pc,
        .hot = true,
        .breakpoints = breakpoint_offsets,
    });
    if (better == nullptr) {
        caches.flush_code();
        return nullptr;
    }
    code.replace(old, *better);
    return code.entry(*better);
}

bool Cpu::stops_at_breakpoint() const {
    return std::binary_search(breakpoints.begin(), breakpoints.end(), state.pc);
}

void Cpu::write_back(const Region& region, RegisterSet dirty) {
    for (; dirty != 0; dirty &= dirty - 1) {
        const auto n = static_cast<unsigned>(std::countr_zero(dirty));
        const ir::Var v = region.holds[n];
        if (n >= kXmmBit) {
            state.f[v - ir::kFirstFloat] = state.saved_xmm[n - kXmmBit];
        } else {
            state.x[v] = state.saved_gp[n];
        }
    }
}

}  // namespace vmm::dbt
