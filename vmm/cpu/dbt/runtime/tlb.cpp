// SPDX-License-Identifier: Apache-2.0
#include "cpu/dbt/runtime/tlb.hpp"

#include <algorithm>
#include <bit>

namespace vmm::dbt {

void DataTlb::clear_slots() {
    for (; used_slots != 0; used_slots &= used_slots - 1) {
        const auto group = static_cast<std::size_t>(std::countr_zero(used_slots));
        std::fill_n(slots.begin() + group * kTlbSlotGroup, kTlbSlotGroup, TlbSlot{});
    }
}

TranslationCaches::TranslationCaches() {
    for (auto& mode : modes_) {
        mode = std::make_unique<ModeTables>();
    }
    for (auto& jumps : jumps_) {
        jumps = std::make_unique<JumpTable>();
    }
}

void TranslationCaches::insert(AccessMode mode, const TlbEntry& entry, std::uint64_t page_bytes) {
    superpages_.note(entry.page, page_bytes);
    ModeTables& tables = *modes_[static_cast<std::size_t>(mode)];
    // What generated code copies from the second level to the first goes to places noted here.
    tables.tlb.entries[tlb_index(entry.page)] = entry;
    tables.used.add(tlb_index(entry.page));
    tables.tlb.second[second_index(entry.page)] = entry;
    tables.used_second.add(second_index(entry.page));
}

void TranslationCaches::insert_jump(
    bool is_user, bool float_on, std::uint64_t pc, const void* code
) {
    JumpTable& jumps = *jumps_[(is_user ? 2U : 0U) + (float_on ? 1U : 0U)];
    jumps.table[jump_index(pc)] = {pc, code};
    jumps.used.add(jump_index(pc));
}

void TranslationCaches::flush_data() {
    for (auto& mode : modes_) {
        mode->tlb.clear_slots();
        mode->used.clear(mode->tlb.entries);
        mode->used_second.clear(mode->tlb.second);
    }
}

void TranslationCaches::flush_jumps() {
    for (auto& jumps : jumps_) {
        jumps->used.clear(jumps->table);
    }
}

void TranslationCaches::flush_code() {
    flush_jumps();
    if (fetch_used_) {
        fetch_ = {};
        fetch_used_ = false;
        code_pages_.reset();
    }
}

bool TranslationCaches::flush_page(std::uint64_t address) {
    if (superpages_.may_cover(address)) {
        flush();
        return true;
    }
    const std::uint64_t page = address & ~kPageOffsetMask;
    for (auto& mode : modes_) {
        mode->tlb.clear_slots();
        if (TlbEntry& entry = mode->tlb.entries[tlb_index(page)]; entry.page == page) {
            entry = {};
        }
        if (TlbEntry& entry = mode->tlb.second[second_index(page)]; entry.page == page) {
            entry = {};
        }
    }
    for (auto& fetch : fetch_) {
        fetch[fetch_index(page)] = {};
    }
    // An instruction may cross from the page before into this one.
    if (is_code_page(page)) {
        flush_jumps();
    }
    return false;
}

}  // namespace vmm::dbt
