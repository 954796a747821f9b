// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/common/pages.hpp"

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace vmm::dbt {

inline constexpr unsigned kTlbEntryShift = 5;
inline constexpr std::size_t kTlbEntries = 1024;
/// The second level holds all that the first does and more, and is found by a hash of the page
/// number: pages whose first-level entries are the same have different ones there.
inline constexpr std::size_t kSecondEntries = 4096;
inline constexpr unsigned kSecondHashShift = 10;

constexpr std::size_t tlb_index(std::uint64_t address) {
    return address >> 12 & (kTlbEntries - 1);
}
constexpr std::size_t second_index(std::uint64_t address) {
    const std::uint64_t page = address >> 12;
    return (page ^ page >> kSecondHashShift) & (kSecondEntries - 1);
}

/// A translation that one access of generated code found the last time: a copy of what the entries
/// below have. A direct look here depends on nothing but the address's page, so that the access
/// need not wait for an index to be computed; and streams of different accesses never evict each
/// other.
struct TlbSlot {
    std::uint64_t tag = kNoTag;  ///< As read_tag or write_tag.
    std::uint64_t addend = 0;
};
/// Accesses share slots when there are more of them; loads and stores never share one.
inline constexpr std::size_t kTlbSlots = 1024;
inline constexpr std::size_t kTlbSlotGroup = 16;

/// All that one mode knows.
struct DataTlb {
    std::array<TlbSlot, kTlbSlots> slots{};
    /// Bit n: slots of group n may be in use. Generated code sets bits.
    std::uint64_t used_slots = 0;
    std::array<TlbEntry, kTlbEntries> entries{};
    std::array<TlbEntry, kSecondEntries> second{};

    void clear_slots();
};
static_assert(kTlbSlots / kTlbSlotGroup == 64);

/// A jump target that needs no translation: from pc to host code. Generated code reads these.
struct JumpEntry {
    std::uint64_t pc = kNoTag;
    const void* code = nullptr;
};
inline constexpr std::size_t kJumpEntries = 4096;
constexpr std::size_t jump_index(std::uint64_t pc) {
    return pc >> 1 & (kJumpEntries - 1);
}

/// Which entries of a table are in use, so that emptying it costs what filling it did.
template <std::size_t capacity>
class UsedList {
public:
    void add(std::size_t index) {
        if (count_ < capacity) {
            indexes_[count_] = static_cast<std::uint16_t>(index);
        }
        ++count_;
    }
    template <class Table>
    void clear(Table& table) {
        if (count_ <= capacity) {
            for (std::size_t n = 0; n < count_; ++n) {
                table[indexes_[n]] = {};
            }
        } else {
            table.fill({});
        }
        count_ = 0;
    }

private:
    std::array<std::uint16_t, capacity> indexes_;
    std::size_t count_ = 0;
};

struct Page;

/// Everything that is cached about translations.
class TranslationCaches {
public:
    DataTlb& data(AccessMode mode) { return modes_[static_cast<std::size_t>(mode)]->tlb; }
    /// One table for each (privilege, float_on): what a pc means depends on both.
    std::array<JumpEntry, kJumpEntries>& jumps(bool is_user, bool float_on) {
        return jumps_[(is_user ? 2U : 0U) + (float_on ? 1U : 0U)]->table;
    }

    TranslationCaches();

    /// Makes `entry` the one of its page, which is part of one of `page_bytes`, in both levels.
    void insert(AccessMode mode, const TlbEntry& entry, std::uint64_t page_bytes);
    void insert_jump(bool is_user, bool float_on, std::uint64_t pc, const void* code);

    /// The page that instructions at `pc` come from, if known.
    Page* fetched(bool is_user, std::uint64_t pc) const {
        const FetchEntry& entry = fetch_[is_user ? 1 : 0][fetch_index(pc)];
        return entry.tag == (pc & ~kPageOffsetMask) ? entry.page : nullptr;
    }
    void insert_fetch(bool is_user, std::uint64_t pc, Page* page, std::uint64_t page_bytes) {
        superpages_.note(pc, page_bytes);
        fetch_[is_user ? 1 : 0][fetch_index(pc)] = {pc & ~kPageOffsetMask, page};
        fetch_used_ = true;
        code_pages_.set(page_bit(pc));
    }

    /// Whether instructions of this page may have been fetched since the last flush.
    bool is_code_page(std::uint64_t address) const {
        return code_pages_.test(page_bit(address)) || code_pages_.test(page_bit(address - 4096));
    }

    /// After satp changed or sfence.vma without an address.
    void flush() {
        flush_data();
        flush_code();
        superpages_ = {};
    }
    void flush_data();
    /// After fence.i, and when translations are dropped: the next jumps find their code anew.
    void flush_code();
    /// After frm changed: the jump caches only.
    void flush_jumps();
    /// sfence.vma with an address. True when that had to forget everything.
    bool flush_page(std::uint64_t address);

private:
    struct ModeTables {
        DataTlb tlb;
        UsedList<512> used;
        UsedList<512> used_second;
    };
    struct JumpTable {
        std::array<JumpEntry, kJumpEntries> table{};
        UsedList<512> used;
    };
    struct FetchEntry {
        std::uint64_t tag = kNoTag;
        Page* page = nullptr;
    };
    static constexpr std::size_t kFetchEntries = 256;
    static constexpr std::size_t kPageBits = 1024;
    static std::size_t fetch_index(std::uint64_t pc) { return pc >> 12 & (kFetchEntries - 1); }
    static std::size_t page_bit(std::uint64_t pc) {
        return (pc >> 12 ^ pc >> 22) & (kPageBits - 1);
    }

    std::array<std::unique_ptr<ModeTables>, kAccessModes> modes_;
    std::array<std::unique_ptr<JumpTable>, 4> jumps_;
    std::array<std::array<FetchEntry, kFetchEntries>, 2> fetch_{};
    bool fetch_used_ = false;
    std::bitset<kPageBits> code_pages_;  ///< Pages (hashed) that were fetched from.
    Superpages superpages_;
};

}  // namespace vmm::dbt
