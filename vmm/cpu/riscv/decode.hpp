// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace vmm::riscv {

/// Where an instruction's operands are.
enum class Format : std::uint8_t {
    none,      ///< No operands.
    r,         ///< rd, rs1, rs2
    unary,     ///< rd, rs1
    i,         ///< rd, rs1, 12-bit signed immediate
    s,         ///< rs1, rs2, 12-bit signed immediate
    b,         ///< rs1, rs2, branch offset
    u,         ///< rd, upper immediate (sign-extended, low 12 bits zero)
    j,         ///< rd, jump offset
    shift5,    ///< rd, rs1, 5-bit shift amount
    shift6,    ///< rd, rs1, 6-bit shift amount
    csr,       ///< rd, rs1 (register number or 5-bit immediate), imm = CSR number
    amo,       ///< rd, rs1, rs2, aq and rl
    fp_load,   ///< rd (f), rs1, 12-bit signed immediate
    fp_store,  ///< rs1, rs2 (f), 12-bit signed immediate
    fp_r,      ///< rd, rs1, rs2; which of them are f registers depends on the instruction
    fp_rm,     ///< fp_r with a rounding mode
    fp_r4,     ///< rd, rs1, rs2, rs3 (all f) with a rounding mode
};

enum class Op : std::uint8_t {
    illegal,
#define X(name, mnemonic, format, mask, match) name,
#include "cpu/riscv/instructions.inc"
#undef X
};

/// One line of instructions.inc.
struct InstructionInfo {
    Op op;
    std::string_view mnemonic;
    Format format;
    std::uint32_t mask;
    std::uint32_t match;
};

/// All lines of instructions.inc, in its order: element n describes Op(n + 1).
std::span<const InstructionInfo> instruction_table() noexcept;

/// Which registers an operand's number stands for.
enum class RegisterKind : std::uint8_t { none, x, f };

/// The registers that an instruction has: `rd` it writes, the others it reads. (`csr` formats with
/// an immediate have a number in rs1's place: none.)
struct RegisterOperands {
    RegisterKind rd = RegisterKind::none;
    RegisterKind rs1 = RegisterKind::none;
    RegisterKind rs2 = RegisterKind::none;
    RegisterKind rs3 = RegisterKind::none;
};
/// All none for Op::illegal.
RegisterOperands register_operands(Op op) noexcept;

/// An instruction taken apart. Fields that its format lacks are 0.
struct Decoded {
    Op op = Op::illegal;
    std::uint8_t rd = 0;
    std::uint8_t rs1 = 0;
    std::uint8_t rs2 = 0;
    std::uint8_t rs3 = 0;
    std::uint8_t rm = 0;   ///< Rounding mode field, as encoded.
    bool aq = false;       ///< Acquire bit of an atomic instruction.
    bool rl = false;       ///< Release bit.
    std::int32_t imm = 0;  ///< Immediate, offset, shift amount or CSR number.
};

/// Bytes of the instruction whose first 16 bits are `low`: 2 or 4. (Longer encodings are illegal
/// here and count as 4.)
constexpr unsigned instruction_length(std::uint16_t low) noexcept {
    return (low & 3) == 3 ? 4 : 2;
}

/// Takes a 32-bit instruction apart; Op::illegal when there is none of that encoding.
Decoded decode(std::uint32_t word) noexcept;

/// The 32-bit instruction that a compressed one stands for; 0 (illegal) when it is reserved.
std::uint32_t expand_compressed(std::uint16_t half) noexcept;

}  // namespace vmm::riscv
