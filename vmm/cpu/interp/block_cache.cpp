// SPDX-License-Identifier: Apache-2.0
#include "cpu/interp/block_cache.hpp"

#include "cpu/clock.hpp"
#include "cpu/common/fetch.hpp"
#include "cpu/interp/translate.hpp"
#include "cpu/riscv/decode.hpp"

#include <vmm/types.hpp>

#include <sys/mman.h>

#include <algorithm>
#include <utility>

namespace vmm::interp {
namespace {

/// The longest block: its instructions and the Insn that falls through.
constexpr std::size_t kMaxBlockBytes = sizeof(Block) + (kMaxBlockInsns + 1) * sizeof(Insn);

std::uint64_t guest_bytes(const Block& block) {
    if (block.word != 0) {
        return 4;
    }
    std::uint64_t bytes = 0;
    for (unsigned n = 0; n < block.count; ++n) {
        bytes +=
            riscv::instruction_length(block.page->half(static_cast<unsigned>(block.offset + bytes))
            );
    }
    return bytes;
}

}  // namespace

BlockCache::BlockCache(std::size_t bytes)
    : used_(kMaxBlockBytes) {
    const std::size_t bound = std::clamp(bytes, kLeastBytes, kMostBytes);
    capacity_ = bound / 4 * 3 / kPageSize * kPageSize;
    max_pages_ = bound / 4 / sizeof(CodePage);
    void* memory = ::mmap(
        nullptr,
        capacity_,
        PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
        -1,
        0
    );
    if (memory != MAP_FAILED) {
        arena_ = static_cast<std::byte*>(memory);
    }
}

BlockCache::~BlockCache() {
    if (arena_ != nullptr) {
        ::munmap(arena_, capacity_);
    }
}

void BlockCache::empty() {
    pages_.clear();
    used_ = kMaxBlockBytes;
    ++epoch_;
    // Give the host its memory back: the guest may not use that much again.
    ::madvise(arena_, capacity_, MADV_DONTNEED);
}

CodePage& BlockCache::page(const std::byte* host) {
    if (pages_.size() >= max_pages_ && !pages_.contains(host)) {
        ++stats_.flushes;
        empty();
    }
    std::unique_ptr<CodePage>& slot = pages_[host];
    if (slot == nullptr) {
        slot = std::make_unique_for_overwrite<CodePage>();
        slot->host = host;
        slot->generation = generation_;
    }
    slot->bring_up_to(generation_);
    return *slot;
}

Block* BlockCache::new_block(CodePage& page, unsigned offset) {
    if (capacity_ - used_ < kMaxBlockBytes) {
        ++stats_.flushes;
        empty();
        return nullptr;
    }
    auto* block = reinterpret_cast<Block*>(arena_ + used_);
    *block = {
        .page = &page,
        .next = nullptr,
        .word = 0,
        .offset = static_cast<std::uint16_t>(offset),
        .count = 0,
        .reserved = 0,
    };
    return block;
}

Block* BlockCache::block(CodePage& page, unsigned offset) {
    if (Block* known = page.find(offset)) {
        return known;
    }
    Block* block = new_block(page, offset);
    return block == nullptr ? nullptr : keep(page, block);
}

/// Decodes a new block into the cache.
Block* BlockCache::keep(CodePage& page, Block* block) {
    const bool timed = stats_.translation_ns.has_value();
    const Nanos begin = timed ? monotonic_now() : 0;
    const BlockLimits limits{.stops = stops_};
    const std::size_t insns =
        block->word != 0 ? translate_crossing(*block, limits) : translate_block(*block, limits);
    used_ += sizeof(Block) + insns * sizeof(Insn);
    page.add(block);
    ++stats_.translated_blocks;
    stats_.translated_bytes += guest_bytes(*block);
    if (timed) {
        *stats_.translation_ns += monotonic_now() - begin;
    }
    return block;
}

EngineStats BlockCache::stats() const {
    EngineStats stats = stats_;
    stats.code_bytes = used_ - kMaxBlockBytes + pages_.size() * sizeof(CodePage);
    stats.code_capacity = capacity_ + max_pages_ * sizeof(CodePage);
    return stats;
}

Block* BlockCache::crossing_block(CodePage& page, std::uint32_t word) {
    for (Block* known = page.pieces_at(kCrossingOffset); known != nullptr; known = known->next) {
        if (known->offset == kCrossingOffset && known->word == word) {
            return known;
        }
    }
    Block* block = new_block(page, kCrossingOffset);
    if (block == nullptr) {
        return nullptr;
    }
    block->word = word;
    return keep(page, block);
}

Block* BlockCache::step_block(
    CodePage& page, unsigned offset, std::uint32_t word, std::size_t instructions, bool stops
) {
    auto* block = reinterpret_cast<Block*>(arena_);
    *block = {
        .page = &page,
        .next = nullptr,
        .word = word,
        .offset = static_cast<std::uint16_t>(offset),
        .count = 0,
        .reserved = 0,
    };
    const BlockLimits limits{
        .instructions = instructions,
        .stops = stops ? std::span<const std::uint16_t>(stops_) : std::span<const std::uint16_t>(),
    };
    word != 0 ? translate_crossing(*block, limits) : translate_block(*block, limits);
    return block;
}

void BlockCache::set_stops(std::vector<std::uint16_t> offsets) {
    stops_ = std::move(offsets);
    empty();
}

}  // namespace vmm::interp
