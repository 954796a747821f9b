// SPDX-License-Identifier: Apache-2.0
#include "cpu/riscv/decode.hpp"

#include <array>
#include <cstddef>

namespace vmm::riscv {
namespace {

constexpr std::array kInstructions = {
#define X(name, mnemonic, format, mask, match)                                                     \
    InstructionInfo{Op::name, mnemonic, Format::format, mask, match},
#include "cpu/riscv/instructions.inc"
#undef X
};

// Candidates are found by major opcode and funct3: 32 * 8 buckets of a chained list.
constexpr std::size_t kBuckets = 256;
constexpr std::uint8_t kEnd = 0xff;
static_assert(kInstructions.size() < kEnd);

constexpr std::size_t bucket_of(std::uint32_t word) {
    return ((word >> 2 & 31) << 3) | (word >> 12 & 7);
}

struct Index {
    std::array<std::uint8_t, kBuckets * 24> entries{};
    std::array<std::uint16_t, kBuckets + 1> first{};
};

// An instruction without funct3 in its mask (a rounding mode stands there) is in all eight buckets.
constexpr Index make_index() {
    Index index;
    std::uint16_t next = 0;
    for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
        index.first[bucket] = next;
        for (std::size_t n = 0; n < kInstructions.size(); ++n) {
            const auto& info = kInstructions[n];
            const bool any_funct3 = (info.mask & 0x7000) == 0;
            const std::size_t own = bucket_of(info.match);
            if (any_funct3 ? own >> 3 == bucket >> 3 : own == bucket) {
                index.entries[next++] = static_cast<std::uint8_t>(n);
            }
        }
    }
    index.first[kBuckets] = next;
    return index;
}

constexpr Index kIndex = make_index();

constexpr std::uint8_t field(std::uint32_t word, unsigned low, unsigned bits) {
    return static_cast<std::uint8_t>(word >> low & ((1U << bits) - 1));
}

constexpr std::int32_t as_signed(std::uint32_t value) {
    return static_cast<std::int32_t>(value);
}

constexpr std::int32_t imm_i(std::uint32_t w) {
    return as_signed(w) >> 20;
}
constexpr std::int32_t imm_s(std::uint32_t w) {
    return (as_signed(w & 0xfe000000) >> 20) | as_signed(w >> 7 & 0x1f);
}
constexpr std::int32_t imm_b(std::uint32_t w) {
    return (as_signed(w & 0x80000000) >> 19) | as_signed((w & 0x80) << 4)
           | as_signed(w >> 20 & 0x7e0) | as_signed(w >> 7 & 0x1e);
}
constexpr std::int32_t imm_j(std::uint32_t w) {
    return (as_signed(w & 0x80000000) >> 11) | as_signed(w & 0xff000) | as_signed(w >> 9 & 0x800)
           | as_signed(w >> 20 & 0x7fe);
}

void take_operands(Decoded& d, Format format, std::uint32_t w) {
    const std::uint8_t rd = field(w, 7, 5);
    const std::uint8_t rs1 = field(w, 15, 5);
    const std::uint8_t rs2 = field(w, 20, 5);
    switch (format) {
    case Format::none:
        break;
    case Format::fp_r4:
        d.rs3 = field(w, 27, 5);
        [[fallthrough]];
    case Format::fp_rm:
        d.rm = field(w, 12, 3);
        [[fallthrough]];
    case Format::fp_r:
    case Format::r:
        d.rd = rd;
        d.rs1 = rs1;
        d.rs2 = rs2;
        break;
    case Format::unary:
        d.rd = rd;
        d.rs1 = rs1;
        break;
    case Format::amo:
        d.rd = rd;
        d.rs1 = rs1;
        d.rs2 = rs2;
        d.aq = field(w, 26, 1) != 0;
        d.rl = field(w, 25, 1) != 0;
        break;
    case Format::i:
    case Format::fp_load:
        d.rd = rd;
        d.rs1 = rs1;
        d.imm = imm_i(w);
        break;
    case Format::s:
    case Format::fp_store:
        d.rs1 = rs1;
        d.rs2 = rs2;
        d.imm = imm_s(w);
        break;
    case Format::b:
        d.rs1 = rs1;
        d.rs2 = rs2;
        d.imm = imm_b(w);
        break;
    case Format::u:
        d.rd = rd;
        d.imm = as_signed(w & 0xfffff000);
        break;
    case Format::j:
        d.rd = rd;
        d.imm = imm_j(w);
        break;
    case Format::shift5:
    case Format::shift6:
        d.rd = rd;
        d.rs1 = rs1;
        d.imm = as_signed(w >> 20 & (format == Format::shift5 ? 31U : 63U));
        break;
    case Format::csr:
        d.rd = rd;
        d.rs1 = rs1;
        d.imm = as_signed(w >> 20);
        break;
    }
}

constexpr bool has_no_rs2(const InstructionInfo& info) {
    return (info.mask >> 20 & 31) == 31;
}

/// Of the formats fp_r and fp_rm: the five upper bits tell which instructions cross to x registers.
RegisterOperands float_operands(const InstructionInfo& info) {
    using enum RegisterKind;
    const RegisterKind rs2 = has_no_rs2(info) ? none : f;
    switch (info.match >> 27) {
    case 0b10100:  // comparisons
    case 0b11000:  // conversions to integers
    case 0b11100:  // fmv.x, fclass
        return {.rd = x, .rs1 = f, .rs2 = rs2};
    case 0b11010:  // conversions from integers
    case 0b11110:  // fmv.w.x, fmv.d.x
        return {.rd = f, .rs1 = x, .rs2 = rs2};
    default:
        return {.rd = f, .rs1 = f, .rs2 = rs2};
    }
}

}  // namespace

RegisterOperands register_operands(Op op) noexcept {
    using enum RegisterKind;
    if (op == Op::illegal) {
        return {};
    }
    const InstructionInfo& info = kInstructions[static_cast<std::size_t>(op) - 1];
    switch (info.format) {
    case Format::none:
        return {};
    case Format::r:
    case Format::amo: {
        const bool no_rd = (info.mask >> 7 & 31) == 31;  // sfence.vma
        return {.rd = no_rd ? none : x, .rs1 = x, .rs2 = has_no_rs2(info) ? none : x};
    }
    case Format::i:
        return op == Op::fence ? RegisterOperands{} : RegisterOperands{.rd = x, .rs1 = x};
    case Format::unary:
    case Format::shift5:
    case Format::shift6:
        return {.rd = x, .rs1 = x};
    case Format::s:
    case Format::b:
        return {.rs1 = x, .rs2 = x};
    case Format::u:
    case Format::j:
        return {.rd = x};
    case Format::csr: {
        const bool immediate = op == Op::csrrwi || op == Op::csrrsi || op == Op::csrrci;
        return {.rd = x, .rs1 = immediate ? none : x};
    }
    case Format::fp_load:
        return {.rd = f, .rs1 = x};
    case Format::fp_store:
        return {.rs1 = x, .rs2 = f};
    case Format::fp_r:
    case Format::fp_rm:
        return float_operands(info);
    case Format::fp_r4:
        return {.rd = f, .rs1 = f, .rs2 = f, .rs3 = f};
    }
    return {};
}

std::span<const InstructionInfo> instruction_table() noexcept {
    return kInstructions;
}

Decoded decode(std::uint32_t word) noexcept {
    Decoded decoded;
    if ((word & 3) != 3) {
        return decoded;
    }
    const std::size_t bucket = bucket_of(word);
    for (std::size_t at = kIndex.first[bucket]; at < kIndex.first[bucket + 1]; ++at) {
        const InstructionInfo& info = kInstructions[kIndex.entries[at]];
        if ((word & info.mask) == info.match) {
            decoded.op = info.op;
            take_operands(decoded, info.format, word);
            return decoded;
        }
    }
    return decoded;
}

}  // namespace vmm::riscv
