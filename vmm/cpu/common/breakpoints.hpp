// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/common/pages.hpp"

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace vmm {

/// Where a debugger stops a hart. They are virtual addresses, but code is known by physical page,
/// and any page may be the one: so code ends before the same offset in all of them, and whoever
/// comes to such an end looks at the address.
class Breakpoints {
public:
    void set(std::span<const std::uint64_t> addresses) {
        addresses_.assign(addresses.begin(), addresses.end());
        std::ranges::sort(addresses_);
        offsets_.clear();
        for (const std::uint64_t address : addresses) {
            offsets_.push_back(static_cast<std::uint16_t>(address & kPageOffsetMask));
        }
        std::ranges::sort(offsets_);
        offsets_.erase(std::ranges::unique(offsets_).begin(), offsets_.end());
    }
    bool contains(std::uint64_t address) const {
        return std::ranges::binary_search(addresses_, address);
    }
    /// In their pages; ascending, each once.
    const std::vector<std::uint16_t>& offsets() const { return offsets_; }

private:
    std::vector<std::uint64_t> addresses_;
    std::vector<std::uint16_t> offsets_;
};

}  // namespace vmm
