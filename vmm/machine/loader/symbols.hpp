// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vmm {

/// Names of guest code, from the symbol tables of ELF files. Names are for people, so what is
/// damaged or missing in a file costs names, never an error.
class Symbols {
public:
    /// Adds what a file defines: functions, and labels in executable sections.
    void add(std::span<const std::byte> elf);

    struct Found {
        std::string_view name;  ///< Empty: nothing is known there.
        std::uint64_t offset = 0;
    };
    /// What the address belongs to.
    Found find(std::uint64_t address) const;
    bool empty() const noexcept { return symbols_.empty(); }

private:
    struct Symbol {
        std::uint64_t address;
        std::uint64_t size;
        std::string name;
    };
    std::vector<Symbol> symbols_;  // ascending by address, one for each
};

}  // namespace vmm
