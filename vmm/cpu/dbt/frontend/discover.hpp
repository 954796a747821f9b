// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/dbt/frontend/frontend.hpp"
#include "cpu/dbt/frontend/translate.hpp"

#include <bitset>
#include <cstdint>
#include <optional>
#include <vector>

/// Which instructions become a region.
namespace vmm::dbt::frontend {

/// The instructions of one page.
class Code {
public:
    explicit Code(const Source& source)
        : source_(source) {}

    /// The instruction at a page offset; nothing where none begins (the page's end) or where it
    /// belongs to a region of its own.
    std::optional<Guest> at(std::int64_t offset) const;
    bool is_breakpoint(std::int64_t offset) const;
    bool holds(std::int64_t offset) const;

private:
    std::uint16_t half(unsigned offset) const;

    const Source& source_;
};

/// A region before it is translated. Everything is by page offset; bits stand for halfwords.
struct Plan {
    static constexpr std::size_t kHalves = kPageBytes / 2;

    std::bitset<kHalves> included;  ///< An instruction begins here and belongs to the region.
    std::bitset<kHalves> leader;    ///< A block begins here.
    /// The leaders: the entry, then in the order of memory from there on and round.
    std::vector<std::uint16_t> blocks;

    bool is_leader(std::int64_t offset) const { return in_page(offset) && leader[half(offset)]; }
    bool includes(std::int64_t offset) const { return in_page(offset) && included[half(offset)]; }
    /// The block that a leader begins.
    std::uint16_t block_at(std::int64_t offset) const;

    static bool in_page(std::int64_t offset) { return offset >= 0 && offset < kPageBytes; }
    static std::size_t half(std::int64_t offset) { return static_cast<std::size_t>(offset) / 2; }
};

/// Whether a block ends behind the branch though it need not be taken: the end of a loop. What
/// follows is not part of the loop, and entering the loop should not charge for it.
bool closes_loop(const Guest& guest, const Plan& plan);

/// Finds the region of `entry`.
Plan discover(const Code& code, std::uint16_t entry, const ir::Mode& mode, const Limits& limits);

}  // namespace vmm::dbt::frontend
