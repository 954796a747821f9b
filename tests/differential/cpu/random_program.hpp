// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "instruction_source.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

/// Seeded random user-mode programs whose whole effect is in memory at the end.
///
/// A program is a number of sequences. Each loads all registers from a table, executes random
/// instructions, and stores all registers and fcsr. Some sequences run once, others are loops of up
/// to thousands of rounds; both branch, jump by tables, and call functions that return in orderly
/// and in unexpected ways. After the last one the program writes its data area and all results to
/// stdout and exits; the same bytes are found in guest memory when an engine runs it.
namespace differential {

inline constexpr std::uint64_t kCodeBase = 0x100000;
inline constexpr std::uint64_t kDataBase = 0x400000;
inline constexpr std::uint64_t kDataBytes = 0x4000;  ///< What random loads and stores use.
inline constexpr std::uint64_t kResultBase = kDataBase + kDataBytes;
inline constexpr std::uint64_t kStackTop = 0x5f0000;
inline constexpr std::uint64_t kTableBase = 0x600000;    ///< Register values before each sequence.
inline constexpr std::uint64_t kMemoryBytes = 0x700000;  ///< From kCodeBase on.

/// What one sequence leaves: x1..x30, f0..f31, fcsr.
struct Registers {
    std::array<std::uint64_t, 30> x;
    std::array<std::uint64_t, 32> f;
    std::uint64_t fcsr;
};

struct Program {
    std::vector<std::uint8_t> code;    ///< At kCodeBase; execution begins there.
    std::vector<std::uint64_t> table;  ///< At kTableBase.
    std::vector<std::uint8_t> data;    ///< At kDataBase.
    unsigned sequences = 0;
    std::size_t instructions = 0;     ///< As emitted; loops execute many more.
    std::vector<std::size_t> starts;  ///< Offset in `code` of each sequence.
    std::uint64_t output_bytes() const { return kDataBytes + sequences * sizeof(Registers); }
};

/// How big a program is.
struct Shape {
    unsigned sequences = 64;
    unsigned length = 60;       ///< Instructions of a sequence that runs once.
    unsigned hot_percent = 10;  ///< How many of the sequences are loops.
    unsigned hot_rounds = 3000;
};

Program make_program(std::uint64_t seed, const Shape& shape, Subset subset);

/// A static ELF file of the program, for a Linux user-mode emulator.
std::string make_elf(const Program& program);

}  // namespace differential
