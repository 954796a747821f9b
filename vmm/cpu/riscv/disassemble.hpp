// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace vmm::riscv {

/// The text of one instruction as an assembler without aliases takes it: "addi sp, sp, -16",
/// "beq a0, zero, 0x80000010". `word` holds it in its lower `length` bytes (2 or 4,
/// instruction_length()); `pc` is its address, from which branch targets are worked out.
///
/// Registers have their ABI names, CSRs those of csrs.inc (else a number), offsets and immediates
/// are decimal, upper immediates, addresses and unknown CSRs hexadecimal. A compressed instruction
/// is shown as the one that it stands for. What is no instruction: ".4byte 0x...", ".2byte 0x...".
std::string disassemble(std::uint32_t word, unsigned length, std::uint64_t pc);

/// ABI name of an integer (`x`) or floating-point (`f`) register, 0..31: "sp", "fa0".
std::string_view x_name(unsigned number) noexcept;
std::string_view f_name(unsigned number) noexcept;
/// The CSR's name; empty when the hart has none of this number.
std::string_view csr_name(unsigned number) noexcept;

}  // namespace vmm::riscv
