// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/code_observer.hpp"

#include <vmm/config.hpp>

#include <cstddef>
#include <cstdint>

namespace vmm {

/// What a machine sets EngineOptions::interpret_first to: above what a COPS guest needs from its
/// first instruction to the end of a short program.
inline constexpr std::uint64_t kInterpretFirst = 2'000'000;

/// How an engine makes one vCPU.
struct EngineOptions {
    bool user_interrupts = true;  ///< Has the N extension, as virtio_cops/user_interrupts.h has it.
    /// Bound on the host memory for this vCPU's translations and what belongs to them. Engines
    /// raise it to the least with which they can go on.
    std::size_t code_cache_bytes = kDefaultCodeCacheBytes;
    /// Count what Vcpu::stats() shows even where counting costs the guest speed.
    bool collect_stats = false;
    /// How many of its first instructions an engine that translates interprets instead.
    std::uint64_t interpret_first = 0;
    /// Told about each translation; outlives the vCPU. Null: nobody asks.
    CodeObserver* observer = nullptr;
};

}  // namespace vmm
