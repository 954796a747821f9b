// SPDX-License-Identifier: Apache-2.0
#include "cpu/riscv/disassemble.hpp"

#include "cpu/riscv/decode.hpp"
#include "cpu/riscv/encoding.hpp"

#include <fmt/format.h>

#include <array>
#include <cstddef>

namespace vmm::riscv {
namespace {

constexpr std::array<std::string_view, 32> kXNames = {
    "zero", "ra", "sp", "gp", "tp",  "t0",  "t1", "t2", "s0", "s1", "a0",
    "a1",   "a2", "a3", "a4", "a5",  "a6",  "a7", "s2", "s3", "s4", "s5",
    "s6",   "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
};
constexpr std::array<std::string_view, 32> kFNames = {
    "ft0", "ft1", "ft2", "ft3", "ft4",  "ft5",  "ft6", "ft7", "fs0",  "fs1",  "fa0",
    "fa1", "fa2", "fa3", "fa4", "fa5",  "fa6",  "fa7", "fs2", "fs3",  "fs4",  "fs5",
    "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11",
};
constexpr std::array<std::string_view, 8> kRoundingNames = {
    "rne",
    "rtz",
    "rdn",
    "rup",
    "rmm",
    "rm5",
    "rm6",
    "dyn",
};

std::string_view register_name(RegisterKind kind, unsigned number) {
    return kind == RegisterKind::f ? f_name(number) : x_name(number);
}

std::string csr_text(unsigned number) {
    const std::string_view name = csr_name(number);
    return name.empty() ? fmt::format("{:#x}", number) : std::string(name);
}

/// Predecessor or successor set of a fence.
std::string fence_set(unsigned bits) {
    std::string text;
    for (unsigned n = 0; n < 4; ++n) {
        if ((bits >> (3 - n) & 1) != 0) {
            text += "iorw"[n];
        }
    }
    return text.empty() ? "0" : text;
}

std::string fence_text(std::int32_t imm) {
    const auto fields = static_cast<unsigned>(imm);
    constexpr unsigned kTso = 0x833;
    if ((fields & 0xfff) == kTso) {
        return "fence.tso";
    }
    return fmt::format("fence {}, {}", fence_set(fields >> 4 & 15), fence_set(fields & 15));
}

/// Operands that are registers only, in the order rd, rs1, rs2, rs3.
std::string registers(const Decoded& d, const RegisterOperands& have) {
    std::string text;
    const auto add = [&text](RegisterKind kind, unsigned number) {
        if (kind != RegisterKind::none) {
            text += text.empty() ? "" : ", ";
            text += register_name(kind, number);
        }
    };
    add(have.rd, d.rd);
    add(have.rs1, d.rs1);
    add(have.rs2, d.rs2);
    add(have.rs3, d.rs3);
    return text;
}

std::string atomic_text(const InstructionInfo& info, const Decoded& d) {
    const std::string_view order = d.aq ? (d.rl ? ".aqrl" : ".aq") : (d.rl ? ".rl" : "");
    const bool has_rs2 = register_operands(info.op).rs2 != RegisterKind::none;
    return fmt::format(
        "{}{} {}, {}{}({})",
        info.mnemonic,
        order,
        x_name(d.rd),
        has_rs2 ? x_name(d.rs2) : "",
        has_rs2 ? ", " : "",
        x_name(d.rs1)
    );
}

std::string csr_instruction_text(const InstructionInfo& info, const Decoded& d) {
    const bool immediate = register_operands(info.op).rs1 == RegisterKind::none;
    return fmt::format(
        "{} {}, {}, {}",
        info.mnemonic,
        x_name(d.rd),
        csr_text(static_cast<unsigned>(d.imm)),
        immediate ? std::to_string(d.rs1) : std::string(x_name(d.rs1))
    );
}

std::string text_of(const InstructionInfo& info, const Decoded& d, std::uint64_t pc) {
    const RegisterOperands have = register_operands(info.op);
    const std::uint64_t target = pc + static_cast<std::uint64_t>(std::int64_t{d.imm});
    switch (info.format) {
    case Format::none:
        return std::string(info.mnemonic);
    case Format::i:
        if (info.op == Op::fence) {
            return fence_text(d.imm);
        }
        if (info.op != Op::jalr && (info.match & 0x7f) != 0x03) {
            return fmt::format("{} {}, {}", info.mnemonic, registers(d, have), d.imm);
        }
        [[fallthrough]];
    case Format::fp_load:
        return fmt::format(
            "{} {}, {}({})", info.mnemonic, register_name(have.rd, d.rd), d.imm, x_name(d.rs1)
        );
    case Format::s:
    case Format::fp_store:
        return fmt::format(
            "{} {}, {}({})", info.mnemonic, register_name(have.rs2, d.rs2), d.imm, x_name(d.rs1)
        );
    case Format::b:
    case Format::j:
        return fmt::format("{} {}, {:#x}", info.mnemonic, registers(d, have), target);
    case Format::u:
        return fmt::format(
            "{} {}, {:#x}", info.mnemonic, x_name(d.rd), static_cast<std::uint32_t>(d.imm) >> 12
        );
    case Format::shift5:
    case Format::shift6:
        return fmt::format("{} {}, {}", info.mnemonic, registers(d, have), d.imm);
    case Format::csr:
        return csr_instruction_text(info, d);
    case Format::amo:
        return atomic_text(info, d);
    case Format::r:
    case Format::unary:
    case Format::fp_r:
        return fmt::format("{} {}", info.mnemonic, registers(d, have));
    case Format::fp_rm:
    case Format::fp_r4:
        return fmt::format("{} {}, {}", info.mnemonic, registers(d, have), kRoundingNames[d.rm]);
    }
    return {};
}

}  // namespace

std::string_view x_name(unsigned number) noexcept {
    return kXNames[number & 31];
}

std::string_view f_name(unsigned number) noexcept {
    return kFNames[number & 31];
}

std::string_view csr_name(unsigned number) noexcept {
    switch (number) {
#define X(name, csr_number)                                                                        \
    case csr_number:                                                                               \
        return #name;
#include "cpu/riscv/csrs.inc"
#undef X
    default:
        return {};
    }
}

std::string disassemble(std::uint32_t word, unsigned length, std::uint64_t pc) {
    const auto half = static_cast<std::uint16_t>(word);
    const Decoded decoded = decode(length == 2 ? expand_compressed(half) : word);
    if (decoded.op == Op::illegal) {
        return length == 2 ? fmt::format(".2byte {:#06x}", half)
                           : fmt::format(".4byte {:#010x}", word);
    }
    const InstructionInfo& info = instruction_table()[static_cast<std::size_t>(decoded.op) - 1];
    return text_of(info, decoded, pc);
}

}  // namespace vmm::riscv
