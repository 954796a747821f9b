// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

/// Instruction words for tests: a function for each encoding format, a few names on top, and a
/// growing list of words. Immediates are given as the assembler has them (byte offsets).
namespace rv {

using Word = std::uint32_t;

enum Reg : unsigned {
    x0,
    ra,
    sp,
    gp,
    tp,
    t0,
    t1,
    t2,
    s0,
    s1,
    a0,
    a1,
    a2,
    a3,
    a4,
    a5,
    a6,
    a7,
    s2,
    s3,
    s4,
    s5,
    s6,
    s7,
    s8,
    s9,
    s10,
    s11,
    t3,
    t4,
    t5,
    t6,
};

constexpr Word bits(std::int64_t value, unsigned high, unsigned low) {
    return static_cast<Word>(
        static_cast<std::uint64_t>(value) >> low & ((1ULL << (high - low + 1)) - 1)
    );
}

constexpr Word r(Word opcode, Word f3, Word f7, unsigned rd, unsigned rs1, unsigned rs2) {
    return f7 << 25 | rs2 << 20 | rs1 << 15 | f3 << 12 | rd << 7 | opcode;
}
constexpr Word i(Word opcode, Word f3, unsigned rd, unsigned rs1, std::int64_t imm) {
    return bits(imm, 11, 0) << 20 | rs1 << 15 | f3 << 12 | rd << 7 | opcode;
}
constexpr Word s(Word opcode, Word f3, unsigned rs1, unsigned rs2, std::int64_t imm) {
    return bits(imm, 11, 5) << 25 | rs2 << 20 | rs1 << 15 | f3 << 12 | bits(imm, 4, 0) << 7
           | opcode;
}
constexpr Word b(Word f3, unsigned rs1, unsigned rs2, std::int64_t offset) {
    return bits(offset, 12, 12) << 31 | bits(offset, 10, 5) << 25 | rs2 << 20 | rs1 << 15 | f3 << 12
           | bits(offset, 4, 1) << 8 | bits(offset, 11, 11) << 7 | 0x63;
}

constexpr Word lui(unsigned rd, std::int64_t imm20) {
    return bits(imm20, 19, 0) << 12 | rd << 7 | 0x37;
}
constexpr Word auipc(unsigned rd, std::int64_t imm20) {
    return bits(imm20, 19, 0) << 12 | rd << 7 | 0x17;
}
constexpr Word jal(unsigned rd, std::int64_t offset) {
    return bits(offset, 20, 20) << 31 | bits(offset, 10, 1) << 21 | bits(offset, 11, 11) << 20
           | bits(offset, 19, 12) << 12 | rd << 7 | 0x6f;
}
constexpr Word jalr(unsigned rd, unsigned rs1, std::int64_t imm) {
    return i(0x67, 0, rd, rs1, imm);
}
constexpr Word beq(unsigned a, unsigned c, std::int64_t o) {
    return b(0, a, c, o);
}
constexpr Word bne(unsigned a, unsigned c, std::int64_t o) {
    return b(1, a, c, o);
}
constexpr Word blt(unsigned a, unsigned c, std::int64_t o) {
    return b(4, a, c, o);
}
constexpr Word addi(unsigned rd, unsigned rs1, std::int64_t imm) {
    return i(0x13, 0, rd, rs1, imm);
}
constexpr Word li(unsigned rd, std::int64_t imm) {
    return addi(rd, x0, imm);
}
constexpr Word mv(unsigned rd, unsigned rs1) {
    return addi(rd, rs1, 0);
}
constexpr Word nop() {
    return addi(0, 0, 0);
}
constexpr Word slli(unsigned rd, unsigned rs1, unsigned by) {
    return i(0x13, 1, rd, rs1, by);
}
constexpr Word srli(unsigned rd, unsigned rs1, unsigned by) {
    return i(0x13, 5, rd, rs1, by);
}
constexpr Word add(unsigned rd, unsigned a, unsigned c) {
    return r(0x33, 0, 0, rd, a, c);
}
constexpr Word sub(unsigned rd, unsigned a, unsigned c) {
    return r(0x33, 0, 0x20, rd, a, c);
}
constexpr Word lb(unsigned rd, unsigned rs1, std::int64_t imm) {
    return i(0x03, 0, rd, rs1, imm);
}
constexpr Word lh(unsigned rd, unsigned rs1, std::int64_t imm) {
    return i(0x03, 1, rd, rs1, imm);
}
constexpr Word lw(unsigned rd, unsigned rs1, std::int64_t imm) {
    return i(0x03, 2, rd, rs1, imm);
}
constexpr Word ld(unsigned rd, unsigned rs1, std::int64_t imm) {
    return i(0x03, 3, rd, rs1, imm);
}
constexpr Word sb(unsigned rs2, unsigned rs1, std::int64_t imm) {
    return s(0x23, 0, rs1, rs2, imm);
}
constexpr Word sh(unsigned rs2, unsigned rs1, std::int64_t imm) {
    return s(0x23, 1, rs1, rs2, imm);
}
constexpr Word sw(unsigned rs2, unsigned rs1, std::int64_t imm) {
    return s(0x23, 2, rs1, rs2, imm);
}
constexpr Word sd(unsigned rs2, unsigned rs1, std::int64_t imm) {
    return s(0x23, 3, rs1, rs2, imm);
}
constexpr Word csrrw(unsigned rd, unsigned csr, unsigned rs1) {
    return i(0x73, 1, rd, rs1, csr);
}
constexpr Word csrrs(unsigned rd, unsigned csr, unsigned rs1) {
    return i(0x73, 2, rd, rs1, csr);
}
constexpr Word csrrc(unsigned rd, unsigned csr, unsigned rs1) {
    return i(0x73, 3, rd, rs1, csr);
}
constexpr Word csrrwi(unsigned rd, unsigned csr, unsigned imm) {
    return i(0x73, 5, rd, imm, csr);
}
constexpr Word csrrsi(unsigned rd, unsigned csr, unsigned imm) {
    return i(0x73, 6, rd, imm, csr);
}
constexpr Word csrrci(unsigned rd, unsigned csr, unsigned imm) {
    return i(0x73, 7, rd, imm, csr);
}
constexpr Word csrr(unsigned rd, unsigned csr) {
    return csrrs(rd, csr, 0);
}
constexpr Word csrw(unsigned csr, unsigned rs1) {
    return csrrw(0, csr, rs1);
}
constexpr Word
amo(Word funct5, Word width, unsigned rd, unsigned rs1, unsigned rs2, Word aqrl = 0) {
    return r(0x2f, width, funct5 << 2 | aqrl, rd, rs1, rs2);
}
constexpr Word lr_d(unsigned rd, unsigned rs1) {
    return amo(2, 3, rd, rs1, 0);
}
constexpr Word sc_d(unsigned rd, unsigned rs1, unsigned rs2) {
    return amo(3, 3, rd, rs1, rs2);
}
constexpr Word lr_w(unsigned rd, unsigned rs1) {
    return amo(2, 2, rd, rs1, 0);
}
constexpr Word sc_w(unsigned rd, unsigned rs1, unsigned rs2) {
    return amo(3, 2, rd, rs1, rs2);
}
inline constexpr Word kEcall = 0x73, kEbreak = 0x00100073, kSret = 0x10200073, kUret = 0x00200073,
                      kWfi = 0x10500073, kFenceI = 0x0000100f, kFence = 0x0ff0000f;
constexpr Word sfence_vma(unsigned rs1 = 0, unsigned rs2 = 0) {
    return r(0x73, 0, 9, 0, rs1, rs2);
}
inline constexpr Word kSfenceWInval = 0x18000073, kSfenceInvalIr = 0x18100073;
constexpr Word sinval_vma(unsigned rs1 = 0, unsigned rs2 = 0) {
    return r(0x73, 0, 0xb, 0, rs1, rs2);
}

/// Code under construction.
class Code {
public:
    Code() = default;
    Code(std::initializer_list<Word> words)
        : words_(words) {}
    Code& operator<<(Word word) {
        words_.push_back(word);
        return *this;
    }
    Code& operator<<(const Code& other) {
        words_.insert(words_.end(), other.words_.begin(), other.words_.end());
        return *this;
    }
    /// Any 64-bit constant, in up to eight instructions.
    Code& load(unsigned rd, std::uint64_t value) {
        const auto part = [value](unsigned low) {
            return static_cast<std::int64_t>(value >> low & 0x7ff);
        };
        *this << li(rd, static_cast<std::int64_t>(value) >> 55);
        for (const unsigned low : {44U, 33U, 22U, 11U, 0U}) {
            *this << slli(rd, rd, 11) << i(0x13, 6, rd, rd, part(low));
        }
        return *this;
    }
    std::int64_t size() const { return static_cast<std::int64_t>(words_.size() * 4); }
    const std::vector<Word>& words() const { return words_; }

private:
    std::vector<Word> words_;
};

}  // namespace rv
