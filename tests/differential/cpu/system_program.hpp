// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "instruction_source.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

/// Seeded random programs for S- and U-mode, whose every trap is logged.
///
/// A small kernel runs "slots": pieces of random code in either mode, under one of several address
/// spaces, on pages with random permissions. Each trap writes an entry of all registers and the
/// trap's CSRs; then the slot goes on after the instruction, or the next one begins. Slots change
/// page tables, code, sstatus and pending interrupts, always with the fences that the specification
/// asks for, so that the whole log is determined. The image is one of physical memory.
namespace differential::system {

inline constexpr std::uint64_t kRam = 0x8000'0000;
inline constexpr std::uint64_t kRamBytes = 16 << 20;
/// M-mode code for emulators that start there; engines start at kKernel in S-mode.
inline constexpr std::uint64_t kShim = kRam;
inline constexpr std::uint64_t kKernel = kRam + 0x1000;
/// Where the log ended; 0 until the program is through. The words behind it are for the shim: what
/// trap came to M-mode besides the S-mode ecall at the end (mcause, mepc, mtval).
inline constexpr std::uint64_t kFinished = kRam + 0x6000;
inline constexpr std::uint64_t kTables = kRam + 0x8000;
inline constexpr std::uint64_t kCompared = kFinished;  ///< From here to kLogEnd all bytes count.
inline constexpr std::uint64_t kLog = kRam + 0x70'0000;
inline constexpr std::uint64_t kLogEnd = kRam + 0xe0'0000;

/// An entry of the log, in doublewords: cause, x1..x31, f0..f31, and these.
inline constexpr std::size_t kEntryWords = 80;
enum EntryWord : std::uint8_t {
    kCause,
    kF = 32,
    kFcsrWord = 64,
    kSepcWord,
    kStvalWord,
    kSstatusWord,
    kSipWord,
    kSatpWord,
    kNext,
    kBudgetWord,
};

struct Options {
    unsigned slots = 600;
    Subset subset;
    bool sv48 = false;
    bool user_interrupts = false;  ///< The N extension.
    bool foreign = false;          ///< As make_user_image() wants it.
};

struct Image {
    std::vector<std::uint8_t> bytes;  ///< Of RAM, from kRam.
    std::size_t slots = 0;
};

Image make_image(std::uint64_t seed, const Options& options);

/// Where the user code of make_user_image() goes, and how much of it there may be.
inline constexpr std::uint64_t kForeignCode = kRam + 0x4'0000;
inline constexpr std::uint64_t kForeignCodeBytes = 0x2000;
/// A frame for code that the caller puts in: slots are in U-mode and begin somewhere in that code,
/// which they can read and execute but not write.
Image make_user_image(std::uint64_t seed, unsigned slots);

}  // namespace differential::system
