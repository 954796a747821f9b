// SPDX-License-Identifier: Apache-2.0
// The C extension (unprivileged specification, chapter "C"), quadrant by quadrant: each instruction
// becomes the 32-bit one it stands for. Hints expand to instructions that do nothing.
#include "cpu/riscv/decode.hpp"

namespace vmm::riscv {
namespace {

constexpr std::uint32_t kIllegal = 0;

constexpr std::uint32_t bits(std::uint32_t half, unsigned high, unsigned low) {
    return half >> low & ((1U << (high - low + 1)) - 1);
}

/// Sign-extends the low `width` bits.
constexpr std::uint32_t extend(std::uint32_t value, unsigned width) {
    const std::uint32_t sign = 1U << (width - 1);
    return (value ^ sign) - sign;
}

constexpr std::uint32_t i_type(
    std::uint32_t opcode, std::uint32_t f3, std::uint32_t rd, std::uint32_t rs1, std::uint32_t imm
) {
    return (imm & 0xfff) << 20 | rs1 << 15 | f3 << 12 | rd << 7 | opcode;
}

constexpr std::uint32_t s_type(
    std::uint32_t opcode, std::uint32_t f3, std::uint32_t rs1, std::uint32_t rs2, std::uint32_t imm
) {
    return (imm >> 5 & 0x7f) << 25 | rs2 << 20 | rs1 << 15 | f3 << 12 | (imm & 0x1f) << 7 | opcode;
}

constexpr std::uint32_t r_type(
    std::uint32_t opcode,
    std::uint32_t f7,
    std::uint32_t f3,
    std::uint32_t rd,
    std::uint32_t rs1,
    std::uint32_t rs2
) {
    return f7 << 25 | rs2 << 20 | rs1 << 15 | f3 << 12 | rd << 7 | opcode;
}

constexpr std::uint32_t b_type(std::uint32_t f3, std::uint32_t rs1, std::uint32_t imm) {
    return (imm >> 12 & 1) << 31 | (imm >> 5 & 0x3f) << 25 | rs1 << 15 | f3 << 12
           | (imm >> 1 & 0xf) << 8 | (imm >> 11 & 1) << 7 | 0x63;
}

constexpr std::uint32_t j_type(std::uint32_t rd, std::uint32_t imm) {
    return (imm >> 20 & 1) << 31 | (imm >> 1 & 0x3ff) << 21 | (imm >> 11 & 1) << 20
           | (imm >> 12 & 0xff) << 12 | rd << 7 | 0x6f;
}

constexpr std::uint32_t kOpImm = 0x13, kOpImm32 = 0x1b, kOp = 0x33, kOp32 = 0x3b, kLoad = 0x03,
                        kStore = 0x23, kLoadFp = 0x07, kStoreFp = 0x27, kJalr = 0x67, kLui = 0x37;

std::uint32_t quadrant0(std::uint32_t h, std::uint32_t funct3) {
    const std::uint32_t rd = 8 + bits(h, 4, 2);
    const std::uint32_t rs1 = 8 + bits(h, 9, 7);
    const std::uint32_t word_offset =
        bits(h, 5, 5) << 6 | bits(h, 12, 10) << 3 | bits(h, 6, 6) << 2;
    const std::uint32_t double_offset = bits(h, 6, 5) << 6 | bits(h, 12, 10) << 3;
    switch (funct3) {
    case 0: {  // c.addi4spn
        const std::uint32_t imm =
            bits(h, 10, 7) << 6 | bits(h, 12, 11) << 4 | bits(h, 5, 5) << 3 | bits(h, 6, 6) << 2;
        return imm == 0 ? kIllegal : i_type(kOpImm, 0, rd, 2, imm);
    }
    case 1:  // c.fld
        return i_type(kLoadFp, 3, rd, rs1, double_offset);
    case 2:  // c.lw
        return i_type(kLoad, 2, rd, rs1, word_offset);
    case 3:  // c.ld
        return i_type(kLoad, 3, rd, rs1, double_offset);
    case 5:  // c.fsd
        return s_type(kStoreFp, 3, rs1, rd, double_offset);
    case 6:  // c.sw
        return s_type(kStore, 2, rs1, rd, word_offset);
    case 7:  // c.sd
        return s_type(kStore, 3, rs1, rd, double_offset);
    default:
        return kIllegal;
    }
}

std::uint32_t arithmetic(std::uint32_t h, std::uint32_t imm, std::uint32_t shift) {
    const std::uint32_t rd = 8 + bits(h, 9, 7);
    const std::uint32_t rs2 = 8 + bits(h, 4, 2);
    switch (bits(h, 11, 10)) {
    case 0:  // c.srli
        return i_type(kOpImm, 5, rd, rd, shift);
    case 1:  // c.srai
        return i_type(kOpImm, 5, rd, rd, shift | 0x400);
    case 2:  // c.andi
        return i_type(kOpImm, 7, rd, rd, imm);
    default:
        break;
    }
    switch (bits(h, 12, 12) << 2 | bits(h, 6, 5)) {
    case 0:  // c.sub
        return r_type(kOp, 0x20, 0, rd, rd, rs2);
    case 1:  // c.xor
        return r_type(kOp, 0, 4, rd, rd, rs2);
    case 2:  // c.or
        return r_type(kOp, 0, 6, rd, rd, rs2);
    case 3:  // c.and
        return r_type(kOp, 0, 7, rd, rd, rs2);
    case 4:  // c.subw
        return r_type(kOp32, 0x20, 0, rd, rd, rs2);
    case 5:  // c.addw
        return r_type(kOp32, 0, 0, rd, rd, rs2);
    default:
        return kIllegal;
    }
}

std::uint32_t upper_or_stack(std::uint32_t h, std::uint32_t rd) {
    if (rd == 2) {  // c.addi16sp
        const std::uint32_t imm = extend(
            bits(h, 12, 12) << 9 | bits(h, 4, 3) << 7 | bits(h, 5, 5) << 6 | bits(h, 2, 2) << 5
                | bits(h, 6, 6) << 4,
            10
        );
        return imm == 0 ? kIllegal : i_type(kOpImm, 0, 2, 2, imm);
    }
    const std::uint32_t imm = extend(bits(h, 12, 12) << 5 | bits(h, 6, 2), 6);  // c.lui
    return imm == 0 ? kIllegal : imm << 12 | rd << 7 | kLui;
}

std::uint32_t quadrant1(std::uint32_t h, std::uint32_t funct3) {
    const std::uint32_t rd = bits(h, 11, 7);
    const std::uint32_t shift = bits(h, 12, 12) << 5 | bits(h, 6, 2);
    const std::uint32_t imm = extend(shift, 6);
    const std::uint32_t branch = extend(
        bits(h, 12, 12) << 8 | bits(h, 6, 5) << 6 | bits(h, 2, 2) << 5 | bits(h, 11, 10) << 3
            | bits(h, 4, 3) << 1,
        9
    );
    switch (funct3) {
    case 0:  // c.addi, c.nop
        return i_type(kOpImm, 0, rd, rd, imm);
    case 1:  // c.addiw
        return rd == 0 ? kIllegal : i_type(kOpImm32, 0, rd, rd, imm);
    case 2:  // c.li
        return i_type(kOpImm, 0, rd, 0, imm);
    case 3:
        return upper_or_stack(h, rd);
    case 4:
        return arithmetic(h, imm, shift);
    case 5:  // c.j
        return j_type(
            0,
            extend(
                bits(h, 12, 12) << 11 | bits(h, 8, 8) << 10 | bits(h, 10, 9) << 8
                    | bits(h, 6, 6) << 7 | bits(h, 7, 7) << 6 | bits(h, 2, 2) << 5
                    | bits(h, 11, 11) << 4 | bits(h, 5, 3) << 1,
                12
            )
        );
    case 6:  // c.beqz
        return b_type(0, 8 + bits(h, 9, 7), branch);
    default:  // c.bnez
        return b_type(1, 8 + bits(h, 9, 7), branch);
    }
}

std::uint32_t jump_or_move(std::uint32_t h, std::uint32_t rd, std::uint32_t rs2) {
    if (bits(h, 12, 12) == 0) {
        if (rs2 == 0) {  // c.jr
            return rd == 0 ? kIllegal : i_type(kJalr, 0, 0, rd, 0);
        }
        return r_type(kOp, 0, 0, rd, 0, rs2);  // c.mv
    }
    if (rs2 == 0) {  // c.ebreak, c.jalr
        return rd == 0 ? 0x00100073 : i_type(kJalr, 0, 1, rd, 0);
    }
    return r_type(kOp, 0, 0, rd, rd, rs2);  // c.add
}

std::uint32_t quadrant2(std::uint32_t h, std::uint32_t funct3) {
    const std::uint32_t rd = bits(h, 11, 7);
    const std::uint32_t rs2 = bits(h, 6, 2);
    const std::uint32_t shift = bits(h, 12, 12) << 5 | rs2;
    const std::uint32_t word_load = bits(h, 3, 2) << 6 | bits(h, 12, 12) << 5 | bits(h, 6, 4) << 2;
    const std::uint32_t double_load =
        bits(h, 4, 2) << 6 | bits(h, 12, 12) << 5 | bits(h, 6, 5) << 3;
    const std::uint32_t word_store = bits(h, 8, 7) << 6 | bits(h, 12, 9) << 2;
    const std::uint32_t double_store = bits(h, 9, 7) << 6 | bits(h, 12, 10) << 3;
    switch (funct3) {
    case 0:  // c.slli
        return i_type(kOpImm, 1, rd, rd, shift);
    case 1:  // c.fldsp
        return i_type(kLoadFp, 3, rd, 2, double_load);
    case 2:  // c.lwsp
        return rd == 0 ? kIllegal : i_type(kLoad, 2, rd, 2, word_load);
    case 3:  // c.ldsp
        return rd == 0 ? kIllegal : i_type(kLoad, 3, rd, 2, double_load);
    case 4:
        return jump_or_move(h, rd, rs2);
    case 5:  // c.fsdsp
        return s_type(kStoreFp, 3, 2, rs2, double_store);
    case 6:  // c.swsp
        return s_type(kStore, 2, 2, rs2, word_store);
    default:  // c.sdsp
        return s_type(kStore, 3, 2, rs2, double_store);
    }
}

}  // namespace

std::uint32_t expand_compressed(std::uint16_t half) noexcept {
    const std::uint32_t funct3 = bits(half, 15, 13);
    switch (half & 3) {
    case 0:
        return quadrant0(half, funct3);
    case 1:
        return quadrant1(half, funct3);
    case 2:
        return quadrant2(half, funct3);
    default:
        return kIllegal;
    }
}

}  // namespace vmm::riscv
