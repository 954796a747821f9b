// SPDX-License-Identifier: Apache-2.0
#include "cpu/dbt/runtime/code_cache.hpp"

#include "cpu/clock.hpp"
#include "cpu/common/guest_word.hpp"
#include "cpu/dbt/opt/optimise.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

namespace vmm::dbt {
namespace {

/// Shared routines and thunks are at the start of the code memory.
constexpr std::size_t kRoutineBytes = 32 << 10;
/// The least for which a region of the largest size always has room.
constexpr std::size_t kLeastBytes = 2 << 20;
/// More than any region takes.
constexpr std::size_t kLargestRegion = 256 << 10;
/// Entries until a region is worth the effort of a large one.
constexpr std::uint32_t kHotEntries = 200;
constexpr Limits kColdLimits{.blocks = 1, .instructions = 64};
constexpr Limits kHotLimits{.blocks = 32, .instructions = 400};

}  // namespace

void Page::cover(unsigned offset, unsigned bytes) {
    const unsigned first = offset / kChunk;
    const unsigned last = std::min(offset + bytes - 1, 4095U) / kChunk;
    for (unsigned chunk = first; chunk <= last; ++chunk) {
        covered |= std::uint64_t{1} << chunk;
    }
}

CodeCache::CodeCache(
    std::size_t bytes,
    const RuntimeEntries& entries,
    CodeObserver* observer,
    unsigned hart,
    bool measure
)
    // Five eighths for code; the rest bounds regions, sites and copies of pages.
    : memory_(std::max(bytes, kLeastBytes) / 8 * 5, std::max(bytes, kLeastBytes) / 64)
    , observer_(observer)
    , hart_(hart)
    , measure_(measure)
    , metadata_limit_(std::max(bytes, kLeastBytes) / 8 * 3) {
    if (!memory_.ok()) {
        return;
    }
    routines_ = std::make_unique<Routines>(
        std::span(memory_.writable(0), kRoutineBytes),
        reinterpret_cast<std::uint64_t>(memory_.executable(0)),
        entries
    );
    compiler_ = std::make_unique<Compiler>(*routines_, measure_ ? Counting::on : Counting::off);
    used_ = kRoutineBytes;
    if (observer_ != nullptr) {
        observer_->translated(
            memory_.executable(0), kRoutineBytes, CodeObserver::kEngineCode, hart_
        );
    }
}

void CodeCache::clear() {
    pages_.clear();
    regions_.clear();
    sites_.clear();
    used_ = kRoutineBytes;
    counters_ = 0;
    ++epoch_;
    // Give the host its memory back: the guest may not use that much again.
    memory_.discard(kRoutineBytes);
}

bool CodeCache::has_room() const {
    const std::size_t metadata = pages_.size() * sizeof(Page) + regions_.size() * sizeof(Region)
                                 + sites_.size() * sizeof(Site);
    return memory_.capacity() - used_ >= kLargestRegion && metadata < metadata_limit_
           && counters_ + 4 <= memory_.data_capacity();
}

Page& CodeCache::page(const std::byte* host) {
    if (!has_room() && !pages_.contains(host)) {
        ++flushes_;
        clear();
    }
    std::unique_ptr<Page>& slot = pages_[host];
    if (slot == nullptr) {
        slot = std::make_unique_for_overwrite<Page>();
        slot->host = host;
        slot->generation = generation_;
    }
    slot->bring_up_to(generation_);
    return *slot;
}

Region*
CodeCache::find(const Page& page, std::uint16_t offset, ir::Mode mode, std::uint32_t word) const {
    for (Region* region = page.pieces_at(offset); region != nullptr; region = region->next) {
        if (region->offset == offset && region->mode == mode && region->word == word) {
            return region;
        }
    }
    return nullptr;
}

Region* CodeCache::translate(const Request& request) {
    if (!has_room()) {
        ++flushes_;
        clear();
        return nullptr;
    }
    const Nanos begin = measure_ ? monotonic_now() : 0;
    Page& page = *request.page;
    page.refresh();
    build_region(
        {
            .page = page.copy,
            .crossing_word = request.word,
            .has_crossing = request.word != 0,
            .breakpoints = request.breakpoints,
            .stop_after = request.stop_after,
        },
        request.offset,
        request.mode,
        request.hot ? kHotLimits : kColdLimits,
        ir_
    );
    optimise(ir_, {.share_probes = request.hot});
    std::uint64_t counter = 0;
    if (!request.hot && request.word == 0 && request.stop_after == 0) {
        std::byte* word = memory_.data(counters_);
        counters_ += sizeof kHotEntries;
        std::memcpy(word, &kHotEntries, sizeof kHotEntries);
        counter = reinterpret_cast<std::uint64_t>(word);
    }
    const std::span<const std::byte> code = compiler_->compile(
        ir_, reinterpret_cast<std::uint64_t>(memory_.executable(used_)), counter
    );
    if (code.empty() || code.size() > memory_.capacity() - used_) {
        ++flushes_;
        clear();
        return nullptr;
    }
    Region& region = place(request, code);
    region.counter = reinterpret_cast<std::byte*>(counter);
    if (measure_) {
        translation_time_ += monotonic_now() - begin;
    }
    return &region;
}

Region& CodeCache::place(const Request& request, std::span<const std::byte> code) {
    std::memcpy(memory_.writable(used_), code.data(), code.size());
    const std::vector<Site>& sites = compiler_->sites();
    Region& region = regions_.emplace_back(Region{
        .begin = static_cast<std::uint32_t>(used_),
        .end = static_cast<std::uint32_t>(used_ + code.size()),
        .first_site = static_cast<std::uint32_t>(sites_.size()),
        .site_count = static_cast<std::uint32_t>(sites.size()),
        .page = request.page,
        .word = request.word,
        .offset = request.offset,
        .mode = request.mode,
        .holds = compiler_->allocation().holds,
    });
    sites_.insert(sites_.end(), sites.begin(), sites.end());
    used_ += (code.size() + 15) & ~std::size_t{15};
    for (const ir::Block& block : ir_.blocks) {
        for (unsigned n = 0; n < block.count(); ++n) {
            request.page->cover(block.offsets[n], 4);
            translated_bytes_ += 4;
        }
    }
    if (request.stop_after == 0) {
        request.page->add(&region);
    }
    ++translated_;
    if (observer_ != nullptr) {
        observer_->translated(memory_.executable(region.begin), code.size(), request.pc, hart_);
    }
    return region;
}

Region& CodeCache::region_of(std::uint64_t return_address) {
    const std::size_t offset = memory_.offset_of(return_address);
    const auto behind = std::upper_bound(
        regions_.begin(),
        regions_.end(),
        offset,
        [](std::size_t value, const Region& region) { return value <= region.begin; }
    );
    return *(behind - 1);
}

const Site& CodeCache::site_of(const Region& region, std::uint64_t return_address) const {
    const auto position =
        static_cast<std::uint32_t>(memory_.offset_of(return_address) - region.begin);
    const auto first = sites_.begin() + region.first_site;
    return *std::lower_bound(
        first,
        first + region.site_count,
        position,
        [](const Site& site, std::uint32_t value) { return site.position < value; }
    );
}

void CodeCache::link(const Region& from, const Site& site, const Region& to) {
    const auto target = static_cast<std::int64_t>(to.begin);
    const auto patch = [&](std::uint32_t position, void (*how)(std::byte*, std::int32_t)) {
        const std::size_t end = from.begin + position;
        how(memory_.writable(end),
            static_cast<std::int32_t>(target - static_cast<std::int64_t>(end)));
    };
    patch(site.position, patch_jump);
    if (site.call_end != 0) {
        patch(site.call_end, patch_call);
    }
}

bool CodeCache::warm(const Region& region) {
    if (region.counter == nullptr) {
        return false;
    }
    constexpr std::uint32_t kEntriesPerPoll = 64;
    std::uint32_t left = 0;
    std::memcpy(&left, region.counter, sizeof left);
    left = left > kEntriesPerPoll ? left - kEntriesPerPoll : 0;
    std::memcpy(region.counter, &left, sizeof left);
    return left == 0;
}

void CodeCache::replace(Region& old, Region& by) {
    old.counter = nullptr;
    Page& page = *old.page;
    for (Region** at = &page.pieces_at(old.offset); *at != nullptr; at = &(*at)->next) {
        if (*at == &old) {
            *at = old.next;
            break;
        }
    }
    constexpr std::uint32_t kJumpBytes = 5;
    const std::size_t end = old.begin + kJumpBytes;
    patch_jump(
        memory_.writable(end),
        static_cast<std::int32_t>(
            static_cast<std::int64_t>(by.begin) - static_cast<std::int64_t>(end)
        )
    );
}

void CodeCache::add_stats(EngineStats& stats) const {
    stats.translated_blocks = translated_;
    stats.translated_bytes = translated_bytes_;
    stats.code_bytes = used_;
    stats.code_capacity = memory_.capacity();
    stats.flushes = flushes_;
    if (measure_) {
        stats.translation_ns = translation_time_;
    }
}

}  // namespace vmm::dbt
