// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/riscv/decode.hpp"
#include "riscv_assembler.hpp"

#include <cstdint>
#include <vector>

/// All floating-point instructions but loads and stores, and operands to try them on.
namespace float_operands {

namespace riscv = vmm::riscv;
using rv::Word;

inline constexpr std::uint64_t kBox = 0xffffffff00000000;
/// riscv::Rounding, without the dynamic one.
inline constexpr unsigned kModes = 5;

struct Input {
    std::uint64_t a, b, c;
};
enum class Kind : std::uint8_t { single, wide, integer };

/// An instruction of the table with what its encoding says about its operands.
struct Instruction {
    riscv::InstructionInfo info;
    Kind source;
    bool to_x;
    bool single;  ///< Some operand or the result is a single.
    unsigned operands;

    bool rounds() const { return info.format != riscv::Format::fp_r; }
    Word word(unsigned rm, unsigned rd, unsigned rs1, unsigned rs2, unsigned rs3) const {
        Word word = info.match | rd << 7 | rs1 << 15;
        word |= rounds() ? rm << 12 : 0;
        word |= operands > 1 ? rs2 << 20 : 0;
        word |= operands > 2 ? rs3 << 27 : 0;
        return word;
    }
};

std::vector<Instruction> float_instructions();

/// All pairs or triples of special operands (`all`; otherwise fewer third ones), and random ones.
std::vector<Input> inputs_for(const Instruction& instruction, bool all);

}  // namespace float_operands
