// SPDX-License-Identifier: Apache-2.0
#include "cpu/riscv/decode.hpp"

#include <gtest/gtest.h>

using vmm::riscv::decode;
using vmm::riscv::Decoded;
using vmm::riscv::expand_compressed;
using vmm::riscv::instruction_table;
using vmm::riscv::Op;

TEST(Decode, every_line_of_the_table_decodes_to_itself) {
    for (const auto& info : instruction_table()) {
        EXPECT_EQ(decode(info.match).op, info.op) << info.mnemonic;
        EXPECT_EQ(info.match & ~info.mask, 0U) << info.mnemonic;
    }
}

TEST(Decode, no_two_lines_of_the_table_overlap) {
    for (const auto& a : instruction_table()) {
        for (const auto& b : instruction_table()) {
            const bool overlap = ((a.match ^ b.match) & a.mask & b.mask) == 0;
            EXPECT_TRUE(!overlap || a.op == b.op) << a.mnemonic << " " << b.mnemonic;
        }
    }
}

TEST(Decode, table_is_in_the_order_of_op) {
    std::size_t number = 1;
    for (const auto& info : instruction_table()) {
        EXPECT_EQ(static_cast<std::size_t>(info.op), number++);
    }
}

TEST(Decode, immediates_of_every_format_are_sign_extended) {
    EXPECT_EQ(decode(0x80000113).imm, -2048);  // addi x2, x0, -2048
    EXPECT_EQ(decode(0x7ff00113).imm, 2047);
    EXPECT_EQ(decode(0x80112023).imm, -2048);  // sw x1, -2048(x2)
    EXPECT_EQ(decode(0x7e112fa3).imm, 2047);   // sw x1, 2047(x2)
    EXPECT_EQ(decode(0x80000063).imm, -4096);  // beq x0, x0, .-4096
    EXPECT_EQ(decode(0x7e000fe3).imm, 4094);
    EXPECT_EQ(decode(0x8000006f).imm, -1048576);  // jal x0, .-1 MiB
    EXPECT_EQ(decode(0x7ffff06f).imm, 1048574);
    EXPECT_EQ(decode(0x800000b7).imm, -2147483647 - 1);  // lui x1, 0x80000
}

TEST(Decode, reserved_encodings_are_illegal) {
    for (const std::uint32_t word :
         {0x00000000U,
          0xffffffffU,
          0x0000705bU,
          0x00007003U,
          0x0200101bU,
          0x40001033U,
          0x30200073U /* mret */,
          0x10000073U}) {
        EXPECT_EQ(decode(word).op, Op::illegal) << std::hex << word;
    }
}

TEST(Decode, operands_of_fused_multiply_add) {
    const Decoded d = decode(0x6a31f143);  // fmadd.d f2, f3, f3, f13, dyn
    EXPECT_EQ(d.op, Op::fmadd_d);
    EXPECT_EQ(d.rd, 2);
    EXPECT_EQ(d.rs1, 3);
    EXPECT_EQ(d.rs2, 3);
    EXPECT_EQ(d.rs3, 13);
    EXPECT_EQ(d.rm, 7);
}

TEST(Compressed, expands_to_what_the_assembler_says) {
    struct {
        std::uint16_t half;
        std::uint32_t word;
    } const cases[] = {
        {0x0001, 0x00000013},  // c.nop
        {0x1141, 0xff010113},  // c.addi sp, -16
        {0xe406, 0x00113423},  // c.sdsp ra, 8(sp)
        {0x60a2, 0x00813083},  // c.ldsp ra, 8(sp)
        {0x0141, 0x01010113},  // c.addi sp, 16
        {0x8082, 0x00008067},  // c.jr ra
        {0x9002, 0x00100073},  // c.ebreak
        {0x9082, 0x000080e7},  // c.jalr ra
        {0x4505, 0x00100513},  // c.li a0, 1
        {0x6505, 0x00001537},  // c.lui a0, 1
        {0x717d, 0xff010113},  // c.addi16sp -16
        {0x0808, 0x01010513},  // c.addi4spn a0, 16
        {0x852e, 0x00b00533},  // c.mv a0, a1
        {0x952e, 0x00b50533},  // c.add a0, a1
        {0x8d0d, 0x40b50533},  // c.sub a0, a1
        {0x9d2d, 0x00b5053b},  // c.addw a0, a1
        {0x0502, 0x00051513},  // c.slli a0, 0 (a hint)
        {0x157e, 0x03f51513},  // c.slli a0, 63
        {0x917d, 0x03f55513},  // c.srli a0, 63
        {0x957d, 0x43f55513},  // c.srai a0, 63
        {0x8909, 0x00257513},  // c.andi a0, 2
        {0x4108, 0x00052503},  // c.lw a0, 0(a0)
        {0x6508, 0x00853503},  // c.ld a0, 8(a0)
        {0xc10c, 0x00b52023},  // c.sw a1, 0(a0)
        {0xe50c, 0x00b53423},  // c.sd a1, 8(a0)
        {0x2508, 0x00853507},  // c.fld fa0, 8(a0)
        {0xa50c, 0x00b53427},  // c.fsd fa1, 8(a0)
        {0xa001, 0x0000006f},  // c.j .
        {0xc101, 0x00050063},  // c.beqz a0, .
        {0xfd7d, 0xfe051fe3},  // c.bnez a0, .-2
    };
    for (const auto& c : cases) {
        EXPECT_EQ(expand_compressed(c.half), c.word) << std::hex << c.half;
    }
}

TEST(Compressed, reserved_encodings_are_illegal) {
    for (const std::uint16_t half : std::initializer_list<std::uint16_t>{
             0x0000, 0x2001, 0x6081, 0x6101, 0x8002, 0x4002, 0x6002, 0x8000
         }) {
        EXPECT_EQ(expand_compressed(half), 0U) << std::hex << half;
    }
}

TEST(Compressed, every_encoding_is_a_known_instruction_or_illegal) {
    for (unsigned half = 0; half < 0x10000; ++half) {
        if ((half & 3) == 3) {
            continue;
        }
        const std::uint32_t word = expand_compressed(static_cast<std::uint16_t>(half));
        EXPECT_TRUE(word == 0 || decode(word).op != Op::illegal) << std::hex << half;
    }
}
