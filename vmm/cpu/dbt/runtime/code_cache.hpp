// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/code_observer.hpp"
#include "cpu/common/translated_page.hpp"
#include "cpu/dbt/frontend/frontend.hpp"
#include "cpu/dbt/ir/ir.hpp"
#include "cpu/dbt/runtime/code_memory.hpp"
#include "cpu/dbt/x64/compile.hpp"
#include "cpu/vcpu.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

namespace vmm::dbt {

/// A piece of guest code that was translated.
struct Region {
    std::uint32_t begin = 0;  ///< Of its host code, offsets in the code memory.
    std::uint32_t end = 0;
    std::uint32_t first_site = 0;  ///< Its part of CodeCache's sites.
    std::uint32_t site_count = 0;
    Page* page = nullptr;
    Region* next = nullptr;    ///< Of the same bucket of the page.
    std::uint32_t word = 0;    ///< The instruction when it crosses into the next page, or 0.
    std::uint16_t offset = 0;  ///< Where it begins in the page.
    ir::Mode mode;
    /// The word that counts entries down until the region is hot, or null.
    std::byte* counter = nullptr;
    /// The variable that each host register of a RegisterSet holds.
    std::array<ir::Var, kRegisterCount> holds{};
};

/// A physical page from which code was translated.
struct Page : TranslatedPage<Region> {
    /// Reads all that is not covered from memory.
    void refresh() {
        for (unsigned chunk = 0; chunk < kPageSize / kChunk; ++chunk) {
            if (!covers(chunk)) {
                read(chunk);
            }
        }
    }
    void cover(unsigned offset, unsigned bytes);
    /// The 16 bits at an even offset, from `copy` where covered, else from memory.
    std::uint16_t half(unsigned offset) const {
        return covers(offset / kChunk) ? copied_half(offset)
                                       : load_guest_word<std::uint16_t>(host + offset);
    }
};

/// What to translate, and how.
struct Request {
    Page* page = nullptr;
    std::uint16_t offset = 0;
    ir::Mode mode;
    std::uint64_t pc = 0;    ///< For the observer.
    std::uint32_t word = 0;  ///< When the instruction crosses into the next page.
    bool hot = false;        ///< Worth more effort.
    std::span<const std::uint16_t> breakpoints;
    unsigned stop_after = 0;  ///< As Source::stop_after; not kept for the next time then.
};

/// The translations of one hart. Filled from one end; dropped all at once when full.
class CodeCache {
public:
    CodeCache(
        std::size_t bytes,
        const RuntimeEntries& entries,
        CodeObserver* observer,
        unsigned hart,
        bool measure
    );

    bool ok() const { return memory_.ok(); }
    const Routines& routines() const { return *routines_; }

    /// The page at this host address, up to date as of the last fence_i(). May drop everything.
    Page& page(const std::byte* host);
    Region* find(const Page& page, std::uint16_t offset, ir::Mode mode, std::uint32_t word) const;
    /// Null when there was no room: everything is dropped now, and the caller begins again.
    Region* translate(const Request& request);
    const void* entry(const Region& region) const { return memory_.executable(region.begin); }

    /// The region whose code holds this return address, and what is known there.
    Region& region_of(std::uint64_t return_address);
    const Site& site_of(const Region& region, std::uint64_t return_address) const;
    /// Makes the jump of a site of `from` lead to `to` for good.
    void link(const Region& from, const Site& site, const Region& to);
    /// Counts time spent in a loop inside of `region` like entries. True: hot, if it is entered
    /// now.
    static bool warm(const Region& region);
    /// From now on `by` is executed where `old` was.
    void replace(Region& old, Region& by);

    /// From now on pages are compared before they are entered.
    void fence_i() { ++generation_; }
    /// Forgets all translations, e.g. when breakpoints change.
    void clear();
    /// Counts how often everything was dropped: who keeps pointers compares this.
    std::uint64_t epoch() const { return epoch_; }

    void add_stats(EngineStats& stats) const;

private:
    bool has_room() const;
    Region& place(const Request& request, std::span<const std::byte> code);

    CodeMemory memory_;
    std::unique_ptr<Routines> routines_;
    std::unique_ptr<Compiler> compiler_;
    CodeObserver* observer_;
    unsigned hart_;
    bool measure_;
    std::size_t metadata_limit_;
    std::size_t used_ = 0;
    std::size_t counters_ = 0;
    std::uint64_t generation_ = 1;
    std::uint64_t epoch_ = 0;
    std::unordered_map<const std::byte*, std::unique_ptr<Page>> pages_;
    std::deque<Region> regions_;  // in the order of their code
    std::vector<Site> sites_;
    ir::Region ir_;

    std::uint64_t translated_ = 0;
    std::uint64_t translated_bytes_ = 0;
    std::uint64_t flushes_ = 0;
    Nanos translation_time_ = 0;
};

}  // namespace vmm::dbt
