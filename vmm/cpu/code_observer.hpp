// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace vmm {

/// Learns where an engine puts the host code that it makes of guest code. For profilers, which find
/// an address of the host and want to know what the guest did there.
///
/// For implementers of engines: take the observer from EngineOptions::observer; null is the usual
/// case. Call it once for each piece of host code, before that code first runs. One call covers
/// the piece's cold part too if that lies apart (call again with its range and the same guest pc).
/// Code that is dropped is not reported: later code at the same address is, and wins.
class CodeObserver {
public:
    /// Where code runs, not where it is written: with W^X by dual mapping the executable address.
    /// `guest_pc` is the virtual address of the first guest instruction, or kEngineCode for code
    /// that belongs to the engine itself (entry, dispatch, shared slow paths). Any vCPU's thread,
    /// several at once; it must not call back into the engine.
    virtual void translated(
        const void* host_address, std::size_t bytes, std::uint64_t guest_pc, unsigned hart
    ) noexcept = 0;

    static constexpr std::uint64_t kEngineCode = ~std::uint64_t{0};

protected:
    ~CodeObserver() = default;
};

}  // namespace vmm
