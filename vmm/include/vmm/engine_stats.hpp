// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/types.hpp>

#include <cstdint>
#include <optional>

namespace vmm {

/// What an engine did to execute the guest; plain values, read after or between runs. Those that
/// an engine does not count (or only with GuestConfig::engine_stats) are nullopt.
struct EngineStats {
    /// Instructions that an engine which translates has interpreted, since a hart's first code
    /// mostly runs once.
    std::optional<std::uint64_t> interpreted;
    std::uint64_t translated_blocks = 0;  ///< Pieces of guest code made executable so far.
    std::uint64_t translated_bytes = 0;   ///< Guest bytes in them.
    std::uint64_t code_bytes = 0;         ///< Host bytes that the code cache holds now.
    std::uint64_t code_capacity = 0;      ///< Host bytes that it may hold.
    std::uint64_t flushes = 0;            ///< How often a full cache was emptied, all or a part.
    std::optional<Nanos> translation_ns;  ///< Host time spent on translation.
    /// Ways from block to block: by a link or a cache in the code itself; through the engine.
    std::optional<std::uint64_t> chained_exits;
    std::optional<std::uint64_t> dispatched_exits;
    /// Guest memory accesses that the inline lookup answered, and that it did not.
    std::optional<std::uint64_t> tlb_hits;
    std::optional<std::uint64_t> tlb_misses;
    /// Accesses off the fast path for any other reason: devices, page crossings, watched pages.
    std::optional<std::uint64_t> slow_accesses;

    /// Adds those of another vCPU; what one of both does not count has no sum.
    EngineStats& operator+=(const EngineStats& other) {
        translated_blocks += other.translated_blocks;
        translated_bytes += other.translated_bytes;
        code_bytes += other.code_bytes;
        code_capacity += other.code_capacity;
        flushes += other.flushes;
        const auto add = [](std::optional<std::uint64_t>& to, std::optional<std::uint64_t> from) {
            to = to && from ? std::optional(*to + *from) : std::nullopt;
        };
        add(interpreted, other.interpreted);
        add(translation_ns, other.translation_ns);
        add(chained_exits, other.chained_exits);
        add(dispatched_exits, other.dispatched_exits);
        add(tlb_hits, other.tlb_hits);
        add(tlb_misses, other.tlb_misses);
        add(slow_accesses, other.slow_accesses);
        return *this;
    }
};

}  // namespace vmm
