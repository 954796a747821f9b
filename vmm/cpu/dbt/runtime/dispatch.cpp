// SPDX-License-Identifier: Apache-2.0
// From pc to host code, and what happens when host code comes back.
#include "cpu/common/fetch.hpp"
#include "cpu/dbt/runtime/cpu.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace vmm::dbt {

namespace {

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
        // Not before the turn has come on: even one whose time is over when it begins has to.
        if (std::exchange(translated, false) && retired() != turn_begin && retired() != limit) {
            look_at_clocks();
            const PollResult found = poll();
            if (found == PollResult::leave) {
                return;
            }
            if (found == PollResult::changed) {
                next = nullptr;
                continue;
            }
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
            if (retired() != limit && breakpoints.contains(state.pc)) {
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

Region* Cpu::translate(const Request& request) {
    translated = true;
    return code.translate(request);
}

Region* Cpu::region_at(Page& page, std::uint16_t offset, std::uint32_t word) {
    if (Region* known = code.find(page, offset, mode, word)) {
        return known;
    }
    Region* made = translate({
        .page = &page,
        .offset = offset,
        .mode = mode,
        .pc = (state.pc & ~kPageOffsetMask) + offset,
        .word = word,
        .breakpoints = breakpoints.offsets(),
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
        const CodeSpot<Page> spot = find_code(*this, code, pc);
        if (spot.page == nullptr) {
            break;
        }
        Region* region = region_at(*spot.page, offset, spot.word);
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
    const bool step = std::ranges::binary_search(breakpoints.offsets(), offset)
                      && !breakpoints.contains(state.pc);
    for (;;) {
        Page* page = code_page(*this, code, pc);
        if (page == nullptr) {
            return nullptr;
        }
        if (crosses(*page, offset)) {
            return look_up();  // one instruction anyway
        }
        const std::uint64_t left = limit - retired();
        Region* region = code.translate({
            .page = page,
            .offset = offset,
            .mode = mode,
            .pc = pc,
            .breakpoints =
                step ? std::span<const std::uint16_t>() : std::span(breakpoints.offsets()),
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
    if (crosses(page, site.offset)) {
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
    Region* better = translate({
        .page = old.page,
        .offset = old.offset,
        .mode = old.mode,
        .pc = state.pc,
        .hot = true,
        .breakpoints = breakpoints.offsets(),
    });
    if (better == nullptr) {
        caches.flush_code();
        return nullptr;
    }
    code.replace(old, *better);
    return code.entry(*better);
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
