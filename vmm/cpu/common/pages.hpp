// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/riscv/encoding.hpp"
#include "cpu/riscv/state.hpp"

#include <vmm/types.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

/// What every engine's cached translations are made of.
namespace vmm {

inline constexpr std::uint64_t kPageOffsetMask = kPageSize - 1;
/// A tag that no address compares equal to.
inline constexpr std::uint64_t kNoTag = ~std::uint64_t{0};

/// One data page. Tags are page addresses, so that comparing (address & ~(4095 - (size - 1)))
/// fails for misaligned accesses too. Generated code reads these.
struct TlbEntry {
    std::uint64_t read_tag = kNoTag;
    std::uint64_t write_tag = kNoTag;
    std::uint64_t addend = 0;  ///< Host address minus virtual address, modulo 2^64.
    std::uint64_t page = 0;    ///< Virtual address of the page.
};
static_assert(sizeof(TlbEntry) == 32);

/// What changes which pages data accesses may reach. Engines keep translations for each, so that
/// traps and copies from user memory flush nothing; MXR is for them to look at.
enum class AccessMode : std::uint8_t { user, supervisor, supervisor_sum };
inline constexpr std::size_t kAccessModes = 3;

/// The mode of a hart now.
constexpr AccessMode access_mode(const riscv::State& state) {
    if (state.privilege == riscv::Privilege::user) {
        return AccessMode::user;
    }
    return (state.sstatus & riscv::sstatus::kSum) != 0 ? AccessMode::supervisor_sum
                                                       : AccessMode::supervisor;
}

/// Addresses that superpages cover, of which parts are cached page by page: a flush of one address
/// among them has to flush all parts. One range for each half of the address space.
class Superpages {
public:
    /// `bytes`: of the page that `address` is in; ordinary pages are not noted.
    void note(std::uint64_t address, std::uint64_t bytes) {
        if (bytes > kPageSize) {
            const std::uint64_t from = address & ~(bytes - 1);
            ranges_[address >> 63].add(from, from + (bytes - 1));
        }
    }
    bool may_cover(std::uint64_t address) const { return ranges_[address >> 63].contains(address); }

private:
    struct Range {
        std::uint64_t first = kNoTag;
        std::uint64_t last = 0;
        bool contains(std::uint64_t address) const { return address >= first && address <= last; }
        void add(std::uint64_t from, std::uint64_t to) {
            first = from < first ? from : first;
            last = to > last ? to : last;
        }
    };
    std::array<Range, 2> ranges_{};
};

}  // namespace vmm
