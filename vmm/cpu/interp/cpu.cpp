// SPDX-License-Identifier: Apache-2.0
#include "cpu/interp/cpu.hpp"

#include "cpu/common/float_environment.hpp"
#include "cpu/interp/ops.hpp"
#include "cpu/interp/translate.hpp"
#include "cpu/riscv/decode.hpp"

#include <time.h>

#include <algorithm>
#include <utility>

namespace vmm::interp {
namespace {

Nanos monotonic_now() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<Nanos>(now.tv_sec) * 1'000'000'000 + static_cast<Nanos>(now.tv_nsec);
}

}  // namespace

Cpu::Cpu(
    GuestMemory& guest_memory, VcpuHost& vcpu_host, unsigned hart_id, const EngineOptions& options
)
    : hart(*this, options.user_interrupts)
    , memory(guest_memory)
    , host(vcpu_host)
    , id(hart_id)
    , blocks(options.code_cache_bytes) {
    hart.state.stopped = 1;
    if (options.collect_stats) {
        blocks.time_translation();
    }
    set_budget(saved_budget, -1);
    retired_base = static_cast<std::uint64_t>(saved_budget);
    refresh_mode();
}

std::uint64_t Cpu::guest_time() {
    const HostFloatScope scope;
    return host.guest_time();
}

TranslationCaches::Mode Cpu::cache_mode() const {
    if (hart.user()) {
        return TranslationCaches::user;
    }
    return (hart.state.sstatus & riscv::sstatus::kSum) != 0 ? TranslationCaches::supervisor_sum
                                                            : TranslationCaches::supervisor;
}

riscv::TranslationMode Cpu::translation_mode() const {
    return {
        .satp = hart.state.satp,
        .privilege = hart.state.privilege,
        .sum = (hart.state.sstatus & riscv::sstatus::kSum) != 0,
        .mxr = (hart.state.sstatus & riscv::sstatus::kMxr) != 0,
    };
}

void Cpu::refresh_mode() {
    const bool mxr = (hart.state.sstatus & riscv::sstatus::kMxr) != 0;
    if (mxr != last_mxr) {
        last_mxr = mxr;
        caches.flush_data();
    }
    tlb = caches.data(cache_mode()).data();
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

void Cpu::serve_fences() {
    const Mailbox::Fences fences = mailbox.take_fences();
    if (fences.has(FenceKind::instruction)) {
        blocks.fence_i();
        caches.flush_code();
    }
    if (fences.has(FenceKind::address_translation)) {
        caches.flush();
    }
    leave_block = leave_block || fences.kinds != 0;
    mailbox.finish(fences);
}

CodePage* Cpu::code_page(std::uint64_t address) {
    const std::uint64_t tag = address & ~kPageOffsetMask;
    FetchTlb& fetch = caches.fetch(hart.user());
    if (const FetchEntry& entry = TranslationCaches::fetch_entry(fetch, address);
        entry.tag == tag) {
        return entry.page;
    }
    const riscv::Walk walk =
        riscv::translate(translation_mode(), memory, address, riscv::Access::fetch);
    if (walk.status == riscv::WalkStatus::page_fault) {
        raise(riscv::Cause::instruction_page, address);
        return nullptr;
    }
    const std::byte* page_host =
        walk.status == riscv::WalkStatus::ok
            ? memory.readable_range(GuestPhys{walk.address & ~kPageOffsetMask}, kPageSize)
            : nullptr;
    if (page_host == nullptr) {
        raise(riscv::Cause::instruction_access, address);
        return nullptr;
    }
    if (walk.page_bytes > kPageSize) {
        caches.note_superpage(address, walk.page_bytes);
    }
    const std::uint64_t epoch = blocks.epoch();
    CodePage& page = blocks.page(page_host);
    if (epoch != blocks.epoch()) {
        caches.flush_code();
    }
    caches.note_code();
    TranslationCaches::fetch_entry(fetch, address) = {tag, &page};
    return &page;
}

Cpu::CodeSpot Cpu::find_code() {
    for (;;) {
        CodePage* page = code_page(pc);
        if (page == nullptr || (pc & kPageOffsetMask) != 4094) {
            return {.page = page};
        }
        const std::uint16_t low = page->half(4094);
        if (riscv::instruction_length(low) != 4) {
            return {.page = page};
        }
        const std::uint64_t epoch = blocks.epoch();
        CodePage* next = code_page(pc + 2);
        if (next == nullptr) {
            return {};
        }
        if (epoch == blocks.epoch()) {  // else `page` is gone
            return {.page = page, .word = low | std::uint32_t{next->half(0)} << 16};
        }
    }
}

Insn* Cpu::look_up() {
    ++lookups;
    JumpEntry& known = jumps[jump_index(pc)];
    if (known.pc == pc) {
        return known.code;
    }
    for (;;) {
        const CodeSpot spot = find_code();
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
    const CodeSpot spot = find_code();
    if (spot.page == nullptr) {
        return nullptr;
    }
    const auto offset = static_cast<unsigned>(pc & kPageOffsetMask);
    const bool stops = !std::exchange(step_past_breakpoint, false);
    return first_insn(blocks.step_block(*spot.page, offset, spot.word, step_insns, stops));
}

bool Cpu::at_breakpoint() const {
    return std::ranges::binary_search(breakpoints, pc);
}

void Cpu::set_breakpoints(std::span<const std::uint64_t> addresses) {
    breakpoints.assign(addresses.begin(), addresses.end());
    std::ranges::sort(breakpoints);
    std::vector<std::uint16_t> offsets;
    for (const std::uint64_t address : breakpoints) {
        offsets.push_back(static_cast<std::uint16_t>(address & kPageOffsetMask));
    }
    std::ranges::sort(offsets);
    blocks.set_stops(std::move(offsets));
    caches.flush_code();
}

void Cpu::begin_limit() {
    const std::uint64_t now = retired(saved_budget);
    // A sum that overflows is as good as none.
    stop_at = limit_left > VcpuDebug::kNoLimit - now ? VcpuDebug::kNoLimit : now + limit_left;
}

void Cpu::end_limit() {
    if (limit_left != VcpuDebug::kNoLimit && stop_at != VcpuDebug::kNoLimit) {
        limit_left = stop_at - retired(saved_budget);
    }
}

Insn* Cpu::resolve_near(Insn* ip, std::int32_t target, Handler linked) {
    CodePage& page = *block_of(ip)->page;
    const auto offset = static_cast<unsigned>(target);
    if (offset == 4094 && riscv::instruction_length(page.half(4094)) == 4) {
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

PollResult Cpu::poll(std::int64_t& budget) {
    set_budget(budget, kPollInterval);
    bool limit_near = false;
    if (stop_at != VcpuDebug::kNoLimit) [[unlikely]] {
        const std::uint64_t left = stop_at - retired(budget);
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
        serve_fences();
    }
    if ((asked & Mailbox::kExit) != 0 || ring_waits(context)) {
        exit = ExitKind::interrupted;
        return PollResult::leave;
    }
    if (polls_until_clock-- == 0) {
        polls_until_clock = kPollsPerClock;
        hart.update_timers();
        if (context.deadline != ~Nanos{0} && monotonic_now() >= context.deadline) {
            exit = ExitKind::interrupted;
            return PollResult::leave;
        }
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

ExitKind Cpu::run(const RunContext& run_context) {
    mailbox.enter();
    if (hart.state.stopped != 0) {
        serve_fences();
        mailbox.leave();
        return ExitKind::stopped;
    }
    context = run_context;
    // Even when the deadline has passed, the guest gets as far as the next look at the clock.
    polls_until_clock = kPollsPerClock;
    {
        const GuestFloatScope scope;
        hart.update_timers();
        serve_fences();
        leave_block = false;
        refresh_mode();
        set_budget(saved_budget, -1);
        begin_limit();
        op_enter(nullptr, this, 0, saved_budget, tlb);
        collect_float_flags();
        end_limit();
    }
    mailbox.leave();
    return exit;
}

}  // namespace vmm::interp
