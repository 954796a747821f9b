// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace vmm::interp {

struct CodePage;
struct Insn;

inline constexpr std::uint64_t kPageOffsetMask = 4095;
/// A tag that no address compares equal to.
inline constexpr std::uint64_t kNoTag = ~std::uint64_t{0};

/// One data page. Tags are page addresses, so that comparing (address & ~(4095 - (size - 1)))
/// fails for misaligned accesses too.
struct TlbEntry {
    std::uint64_t read_tag = kNoTag;
    std::uint64_t write_tag = kNoTag;
    std::uint64_t addend = 0;  ///< Host address minus virtual address, modulo 2^64.
    std::uint64_t reserved = 0;
};
static_assert(sizeof(TlbEntry) == 32);

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

/// Addresses that superpages cover, of which parts are cached page by page.
struct SuperpageRange {
    std::uint64_t first = kNoTag;
    std::uint64_t last = 0;
    bool contains(std::uint64_t address) const { return address >= first && address <= last; }
    void add(std::uint64_t from, std::uint64_t to) {
        first = from < first ? from : first;
        last = to > last ? to : last;
    }
};

/// Everything that is cached about translations. One set of data entries for each combination that
/// changes what is allowed, so that traps and copies from user memory flush nothing.
class TranslationCaches {
public:
    enum Mode : std::uint8_t { user, supervisor, supervisor_sum, mode_count };

    Tlb& data(Mode mode) { return data_[mode]; }
    FetchTlb& fetch(bool user) { return fetch_[user ? 1 : 0]; }
    JumpCache& jumps(bool user) { return jumps_[user ? 1 : 0]; }
    static FetchEntry& fetch_entry(FetchTlb& tlb, std::uint64_t pc) {
        return tlb[pc >> 12 & (kFetchEntries - 1)];
    }

    /// To be called when an entry is made: flushing what is empty costs nothing then.
    void note_data() { data_used_ = true; }
    void note_code() { code_used_ = true; }
    void note_superpage(std::uint64_t address, std::uint64_t bytes) {
        const std::uint64_t from = address & ~(bytes - 1);
        superpages_[address >> 63].add(from, from + (bytes - 1));
    }

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
    std::array<Tlb, mode_count> data_{};
    std::array<FetchTlb, 2> fetch_{};
    std::array<JumpCache, 2> jumps_{};
    std::array<SuperpageRange, 2> superpages_{};  // lower and upper half of the address space
    bool data_used_ = false;
    bool code_used_ = false;
};

inline void TranslationCaches::flush_page(std::uint64_t address) {
    if (superpages_[address >> 63].contains(address)) {
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
