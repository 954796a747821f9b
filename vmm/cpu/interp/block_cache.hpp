// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/common/translated_page.hpp"
#include "cpu/interp/insn.hpp"

#include <vmm/engine_stats.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace vmm::interp {

/// A physical page from which code was decoded.
struct CodePage : TranslatedPage<Block> {
    Block* find(unsigned offset) const {
        for (Block* block = pieces_at(offset); block != nullptr; block = block->next) {
            if (block->offset == offset) {
                return block;
            }
        }
        return nullptr;
    }
    /// The 16 bits at an even offset, as they were when first looked at since the page changed.
    std::uint16_t half(unsigned offset) {
        const unsigned chunk = offset / kChunk;
        if (!covers(chunk)) {
            read(chunk);
            covered |= std::uint64_t{1} << chunk;
        }
        return copied_half(offset);
    }
};

/// Decoded blocks of one hart, in one arena that is emptied as a whole when full.
class BlockCache {
public:
    /// The least that is of use, and the most: links between Insns have 32 bits.
    static constexpr std::size_t kLeastBytes = std::size_t{128} << 10;
    static constexpr std::size_t kMostBytes = std::size_t{1} << 30;

    /// `bytes` bound the host memory of blocks (three quarters) and pages (the rest), whatever the
    /// guest executes.
    explicit BlockCache(std::size_t bytes);
    ~BlockCache();
    BlockCache(const BlockCache&) = delete;
    BlockCache& operator=(const BlockCache&) = delete;

    /// The page at this host address, up to date as of the last fence_i(). May empty the cache.
    CodePage& page(const std::byte* host);
    /// The block at `offset`, decoded now if it wasn't. Null when the arena was full: it is empty
    /// now, every CodePage and Insn is gone, and the caller begins again.
    Block* block(CodePage& page, unsigned offset);
    /// A block of the one instruction `word` that begins in the last two bytes of a page.
    Block* crossing_block(CodePage& page, std::uint32_t word);

    /// A block for one use: of at most `instructions` (1 or more), or of the one instruction `word`
    /// that crosses pages when that isn't 0. Gone with the next call. `stops`: as set_stops() says.
    Block* step_block(
        CodePage& page, unsigned offset, std::uint32_t word, std::size_t instructions, bool stops
    );
    /// From now on blocks end before these page offsets (ascending). Empties the cache.
    void set_stops(std::vector<std::uint16_t> offsets);

    void fence_i() { ++generation_; }
    std::uint64_t generation() const { return generation_; }
    /// Counts how often the arena was emptied: who keeps an Insn* compares this.
    std::uint64_t epoch() const { return epoch_; }
    /// What it decoded and holds; the translations part of the engine's statistics.
    EngineStats stats() const;
    /// Take the time of decoding from now on.
    void time_translation() { stats_.translation_ns = 0; }
    bool ok() const { return arena_ != nullptr; }

private:
    Block* new_block(CodePage& page, unsigned offset);
    void empty();

    std::vector<std::uint16_t> stops_;
    std::byte* arena_ = nullptr;
    std::size_t capacity_;  // of the arena
    std::size_t max_pages_;
    std::size_t used_;  // the beginning belongs to step_block()
    Block* keep(CodePage& page, Block* block);

    EngineStats stats_;
    std::uint64_t generation_ = 1;
    std::uint64_t epoch_ = 0;
    std::unordered_map<const std::byte*, std::unique_ptr<CodePage>> pages_;
};

}  // namespace vmm::interp
