// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/common/pages.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace vmm::interp {

struct CodePage;
struct Insn;

inline constexpr std::size_t kTlbEntries = 256;
using Tlb = std::array<TlbEntry, kTlbEntries>;

inline std::size_t tlb_index(std::uint64_t address) {
    return address >> 12 & (kTlbEntries - 1);
}

/// One page of code.
struct FetchEntry {
    std::uint64_t tag = kNoTag;
    CodePage* page = nullptr;
};
inline constexpr std::size_t kFetchEntries = 128;
using FetchTlb = std::array<FetchEntry, kFetchEntries>;

/// A jump target that needs no translation: the cache from pc to pre-decoded code. Entries of one
/// page are in one group, so that forgetting a page touches few of them.
struct JumpEntry {
    std::uint64_t pc = kNoTag;
    Insn* code = nullptr;
};
inline constexpr std::size_t kJumpGroups = 64;
inline constexpr std::size_t kJumpGroupSize = 32;
using JumpCache = std::array<JumpEntry, kJumpGroups * kJumpGroupSize>;

inline std::size_t jump_group(std::uint64_t pc) {
    return pc >> 12 & (kJumpGroups - 1);
}
inline std::size_t jump_index(std::uint64_t pc) {
    return jump_group(pc) * kJumpGroupSize + (((pc >> 1) ^ (pc >> 6)) & (kJumpGroupSize - 1));
}

/// Everything that is cached about translations.
class TranslationCaches {
public:
    Tlb& data(AccessMode mode) { return data_[static_cast<std::size_t>(mode)]; }
    JumpCache& jumps(bool user) { return jumps_[user ? 1 : 0]; }

    /// Makes `entry` the one of its page, which is part of one of `page_bytes`.
    void insert(AccessMode mode, const TlbEntry& entry, std::uint64_t page_bytes) {
        superpages_.note(entry.page, page_bytes);
        data(mode)[tlb_index(entry.page)] = entry;
        data_used_ = true;
    }
    void insert_fetch(bool user, std::uint64_t pc, CodePage* page, std::uint64_t page_bytes) {
        superpages_.note(pc, page_bytes);
        fetch_entry(fetch_[user ? 1 : 0], pc) = {pc & ~kPageOffsetMask, page};
        code_used_ = true;
    }
    /// The page that instructions at `pc` come from, if known.
    CodePage* fetched(bool user, std::uint64_t pc) {
        const FetchEntry& entry = fetch_entry(fetch_[user ? 1 : 0], pc);
        return entry.tag == (pc & ~kPageOffsetMask) ? entry.page : nullptr;
    }
    /// To be called when a jump is entered: flushing what is empty costs nothing then.
    void note_code() { code_used_ = true; }

    /// After satp changed or sfence.vma without an address.
    void flush() {
        flush_data();
        flush_code();
        superpages_ = {};
    }
    void flush_data() {
        if (data_used_) {
            for (Tlb& tlb : data_) {
                tlb.fill({});
            }
            data_used_ = false;
        }
    }
    /// After fence.i: the next jumps find their code anew.
    void flush_code() {
        if (code_used_) {
            for (std::size_t user = 0; user < 2; ++user) {
                fetch_[user].fill({});
                jumps_[user].fill({});
            }
            code_used_ = false;
        }
    }
    /// sfence.vma with an address.
    void flush_page(std::uint64_t address);

private:
    static FetchEntry& fetch_entry(FetchTlb& tlb, std::uint64_t pc) {
        return tlb[pc >> 12 & (kFetchEntries - 1)];
    }

    std::array<Tlb, kAccessModes> data_{};
    std::array<FetchTlb, 2> fetch_{};
    std::array<JumpCache, 2> jumps_{};
    Superpages superpages_;
    bool data_used_ = false;
    bool code_used_ = false;
};

inline void TranslationCaches::flush_page(std::uint64_t address) {
    if (superpages_.may_cover(address)) {
        flush();
        return;
    }
    for (Tlb& tlb : data_) {
        tlb[tlb_index(address)] = {};
    }
    for (std::size_t user = 0; user < 2; ++user) {
        fetch_entry(fetch_[user], address) = {};
        // An instruction may cross from the page before into this one.
        for (const std::uint64_t page : {address, address - kPageOffsetMask - 1}) {
            JumpEntry* group = &jumps_[user][jump_group(page) * kJumpGroupSize];
            for (std::size_t n = 0; n < kJumpGroupSize; ++n) {
                group[n] = {};
            }
        }
    }
}

}  // namespace vmm::interp
