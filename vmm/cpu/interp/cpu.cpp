// SPDX-License-Identifier: Apache-2.0
#include "cpu/interp/cpu.hpp"

#include "cpu/common/fetch.hpp"
#include "cpu/common/float_environment.hpp"
#include "cpu/interp/ops.hpp"
#include "cpu/interp/translate.hpp"
#include "cpu/riscv/decode.hpp"

#include <algorithm>
#include <utility>

namespace vmm::interp {

Cpu::Cpu(
    GuestMemory& guest_memory,
    VcpuHost& vcpu_host,
    unsigned hart_id,
    const EngineOptions& options,
    unsigned polls_per_clock
)
    : EngineHart(guest_memory, vcpu_host, hart_id, options, polls_per_clock)
    , blocks(options.code_cache_bytes) {
    if (options.collect_stats) {
        blocks.time_translation();
    }
    set_budget(saved_budget, -1);
    retired_base = static_cast<std::uint64_t>(saved_budget);
    refresh_mode();
}

void Cpu::refresh_mode() {
    if (take_mxr_change()) {
        caches.flush_data();
    }
    tlb = caches.data(access_mode(hart.state)).data();
    jumps = caches.jumps(hart.user()).data();
    float_state = hart.float_state();
    frm = static_cast<std::uint8_t>(hart.state.fcsr >> 5 & 7);
}

void Cpu::raise(riscv::Cause cause, std::uint64_t value) {
    pc = hart.take_exception(cause, value, pc);
    refresh_mode();
}

bool Cpu::take_pending_interrupt() {
    const auto number = hart.interrupt_to_take(hart.pending_cached());
    if (!number) {
        return false;
    }
    pc = hart.take_interrupt(*number, pc);
    refresh_mode();
    return true;
}

void Cpu::fence_i() {
    blocks.fence_i();
    caches.flush_code();
}

Insn* Cpu::look_up() {
    ++lookups;
    JumpEntry& known = jumps[jump_index(pc)];
    if (known.pc == pc) {
        return known.code;
    }
    for (;;) {
        const CodeSpot<CodePage> spot = find_code(*this, blocks, pc);
        if (spot.page == nullptr) {
            return nullptr;
        }
        const auto offset = static_cast<unsigned>(pc & kPageOffsetMask);
        Block* block = spot.word != 0 ? blocks.crossing_block(*spot.page, spot.word)
                                      : blocks.block(*spot.page, offset);
        if (block == nullptr) {
            caches.flush_code();
            continue;
        }
        caches.note_code();
        known = {pc, first_insn(block)};
        return known.code;
    }
}

Insn* Cpu::look_up_step() {
    const CodeSpot<CodePage> spot = find_code(*this, blocks, pc);
    if (spot.page == nullptr) {
        return nullptr;
    }
    const auto offset = static_cast<unsigned>(pc & kPageOffsetMask);
    const bool stops = !std::exchange(step_past_breakpoint, false);
    return first_insn(blocks.step_block(*spot.page, offset, spot.word, step_insns, stops));
}

void Cpu::forget_code() {
    blocks.set_stops(breakpoints.offsets());
    caches.flush_code();
}

Insn* Cpu::resolve_near(Insn* ip, std::int32_t target, Handler linked) {
    CodePage& page = *block_of(ip)->page;
    const auto offset = static_cast<unsigned>(target);
    if (crosses(page, offset)) {
        return nullptr;  // it needs the next page, which is found by address only
    }
    Block* block = blocks.block(page, offset);
    if (block == nullptr) {
        caches.flush_code();
        return nullptr;
    }
    Insn* code = first_insn(block);
    // Both are in the arena, which is smaller than 2 GiB.
    ip->imm = static_cast<std::int32_t>(
        reinterpret_cast<std::byte*>(code) - reinterpret_cast<std::byte*>(ip)
    );
    ip->run = linked;
    return code;
}

std::uint64_t Cpu::offset_of(const Insn* ip) const {
    const Block* block = block_of(ip);
    std::uint64_t offset = block->offset;
    for (unsigned n = 0; n < ip->index; ++n) {
        offset += block->word != 0
                      ? 4
                      : riscv::instruction_length(block->page->half(static_cast<unsigned>(offset)));
    }
    return offset;
}

std::uint64_t Cpu::offset_after(const Insn* ip) const {
    return offset_of(ip) + ((word_at(ip) & 3) == 3 ? 4 : 2);
}

std::uint32_t Cpu::word_at(const Insn* ip) const {
    const Block* block = block_of(ip);
    if (block->word != 0) {
        return block->word;
    }
    const auto offset = static_cast<unsigned>(offset_of(ip));
    const std::uint16_t low = block->page->half(offset);
    return riscv::instruction_length(low) == 2
               ? low
               : low | std::uint32_t{block->page->half(offset + 2)} << 16;
}

// Never the same twice in a row: a loop of the guest that is about as long as that would be looked
// at in one place for ever, and take all its interrupts there.
std::int64_t Cpu::next_poll_interval() {
    constexpr unsigned kSpread = 128;
    poll_phase = (poll_phase + 29) % kSpread;  // odd: all values come
    return kPollInterval - static_cast<std::int64_t>(poll_phase);
}

PollResult Cpu::poll(std::int64_t& budget) {
    set_budget(budget, next_poll_interval());
    bool limit_near = false;
    if (limit != VcpuDebug::kNoLimit) [[unlikely]] {
        const std::uint64_t left = limit - retired(budget);
        if (left == 0) {
            exit = ExitKind::counted;
            return PollResult::leave;
        }
        // Between two looks at the budget there is a block at most. When that is too much, the
        // rest is decoded into blocks of their own that are short enough.
        limit_near = left <= kMaxBlockInsns;
        const auto spare = static_cast<std::int64_t>(
            limit_near ? 0 : std::min<std::uint64_t>(left - kMaxBlockInsns, kPollInterval)
        );
        set_budget(budget, spare);
        step_insns = std::min<std::uint64_t>(left, kMaxBlockInsns);
    }
    const std::uint32_t asked = mailbox.take_requests();
    if ((asked & Mailbox::kFence) != 0) {
        serve_fences(*this);
    }
    if (turn_ends(asked)) {
        return PollResult::leave;
    }
    const bool changed = take_pending_interrupt() || leave_block;
    leave_block = false;
    if (limit_near) [[unlikely]] {
        return PollResult::step;
    }
    return changed ? PollResult::changed : PollResult::nothing;
}

void Cpu::collect_float_flags() {
    hart.state.fcsr |= take_float_flags() | fflags;
    fflags = 0;
}

void Cpu::execute() {
    set_budget(saved_budget, -1);
    op_enter(nullptr, this, 0, saved_budget, tlb);
}

void Cpu::save_registers(riscv::State& to) const {
    std::copy_n(x.begin(), to.x.size(), to.x.begin());
    to.f = f;
    to.pc = pc;
    to.fcsr |= fflags;
}

void Cpu::load_registers(const riscv::State& from) {
    std::ranges::copy(from.x, x.begin());
    x[0] = 0;
    f = from.f;
    pc = from.pc & ~std::uint64_t{1};
    fflags = 0;
    reservation = {};
    retired_base = from.instret + static_cast<std::uint64_t>(saved_budget);
}

}  // namespace vmm::interp
