// SPDX-License-Identifier: Apache-2.0
// Vectors of integer computation: RV64I, M, Zba, Zbb, Zbs, Zicond.
#include "instruction_vectors.hpp"

namespace cpu_test {
namespace {

constexpr u64 kMin = 0x8000'0000'0000'0000, kMax = 0x7fff'ffff'ffff'ffff;
/// The least 32-bit number, sign-extended.
constexpr u64 kMin32 = 0xffff'ffff'8000'0000;
constexpr u64 kAll = ~u64{0};

constexpr u64 neg(u64 value) {
    return 0 - value;
}

// clang-format off
constexpr IntegerVector kInteger[] = {
    // RV64I: registers
    {Op::add, kMax, 1, kMin},
    {Op::add, kAll, kAll, neg(2)},
    {Op::sub, 0, 1, kAll},
    {Op::sub, kMin, 1, kMax},
    {Op::sll, 1, 64 + 63, kMin},  // six bits of the amount count
    {Op::sll, kAll, 0, kAll},
    {Op::slt, kMin, kMax, 1},
    {Op::slt, kMax, kMin, 0},
    {Op::slt, 5, 5, 0},
    {Op::sltu, kMin, kMax, 0},
    {Op::sltu, kMax, kMin, 1},
    {Op::sltu, kAll, kAll, 0},
    {Op::sltu, 0, kAll, 1},
    {Op::xor_rr, 0xff00, 0x0ff0, 0xf0f0},
    {Op::xor_rr, kAll, 0x1234, ~u64{0x1234}},
    {Op::srl, kMin, 63, 1},
    {Op::srl, kAll, 64 + 4, kAll >> 4},
    {Op::sra, kMin, 63, kAll},
    {Op::sra, kMax, 62, 1},
    {Op::or_rr, 0xf0, 0x0f, 0xff},
    {Op::and_rr, 0xf0, 0x3c, 0x30},
    {Op::addw, 0x7fffffff, 1, kMin32},
    {Op::addw, 0xffffffff00000001, 0xdeadbeef00000001, 2},
    {Op::subw, 0, 1, kAll},
    {Op::subw, 0xffffffff00000000, 0x1'80000000, kMin32},
    {Op::sllw, 1, 32 + 31, kMin32},  // five bits
    {Op::sllw, 0xffffffff00000001, 32, 1},
    {Op::srlw, 0xffffffff80000000, 31, 1},
    {Op::srlw, 0x80000000, 0, kMin32},
    {Op::sraw, 0x80000000, 31, kAll},
    {Op::sraw, 0xf7fffffff, 4, 0x07ffffff},
    // Immediates
    {Op::addi, 0, kAll, kAll},
    {Op::addi, kMax, 2047, kMax + 2047},
    {Op::addi, 0, neg(2048), neg(2048)},
    {Op::slti, kMin, kAll, 1},
    {Op::slti, 0, kAll, 0},
    {Op::slti, neg(2048), neg(2048), 0},
    {Op::sltiu, 5, kAll, 1},  // sign-extended, then compared without sign
    {Op::sltiu, kAll, kAll, 0},
    {Op::sltiu, 0, 1, 1},
    {Op::xori, 0x0f, kAll, ~u64{0x0f}},
    {Op::ori, 0x0f, 0x700, 0x70f},
    {Op::ori, 1, neg(2048), neg(2047)},
    {Op::andi, 0xff, neg(16), 0xf0},
    {Op::andi, kAll, 0x7ff, 0x7ff},
    {Op::slli, 3, 63, kMin},
    {Op::slli, 1, 32, 0x1'00000000},
    {Op::srli, kMin, 63, 1},
    {Op::srli, kAll, 32, 0xffffffff},
    {Op::srai, kMin, 63, kAll},
    {Op::srai, kMin, 1, 0xc000000000000000},
    {Op::addiw, 0x7fffffff, 1, kMin32},
    {Op::addiw, 0x1234'80000000, 0, kMin32},
    {Op::slliw, 1, 31, kMin32},
    {Op::slliw, 0xffffffff00000000, 1, 0},
    {Op::srliw, kMin32, 31, 1},
    {Op::srliw, 0x80000000, 0, kMin32},
    {Op::sraiw, 0x80000000, 31, kAll},
    {Op::sraiw, 0xf7fffffff, 4, 0x07ffffff},
    // M
    {Op::mul, kAll, kAll, 1},
    {Op::mul, 0x1'00000001, 0x1'00000001, 0x2'00000001},
    {Op::mulh, kMin, kMin, 0x4000000000000000},
    {Op::mulh, kAll, 1, kAll},
    {Op::mulh, kMax, kMax, 0x3fffffffffffffff},
    {Op::mulhsu, kAll, kAll, kAll},
    {Op::mulhsu, kMax, kAll, kMax - 1},
    {Op::mulhsu, kMin, kAll, kMin},
    {Op::mulhu, kAll, kAll, kAll - 1},
    {Op::mulhu, kMin, 2, 1},
    {Op::div, neg(7), 2, neg(3)},  // towards 0
    {Op::div, 42, 0, kAll},
    {Op::div, kMin, kAll, kMin},
    {Op::div, 7, kAll, neg(7)},
    {Op::divu, 42, 0, kAll},
    {Op::divu, kAll, 2, kMax},
    {Op::divu, kMin, kAll, 0},
    {Op::rem, neg(7), 2, kAll},  // the dividend's sign
    {Op::rem, 7, neg(2), 1},
    {Op::rem, 42, 0, 42},
    {Op::rem, kMin, kAll, 0},
    {Op::remu, kAll, 0, kAll},
    {Op::remu, kAll, 10, 5},
    {Op::mulw, 0x7fffffff, 2, neg(2)},
    {Op::mulw, 0xdead'00010000, 0xbeef'00010000, 0},
    {Op::divw, 0x80000000, kAll, kMin32},
    {Op::divw, 42, 0xffffffff00000000, kAll},
    {Op::divw, 0x1'fffffff9, 2, neg(3)},
    {Op::divuw, 0xffffffff, 1, kAll},
    {Op::divuw, 42, 0, kAll},
    {Op::divuw, 0xffffffff, 2, 0x7fffffff},
    {Op::remw, 0x80000000, kAll, 0},
    {Op::remw, 0x80000000, 0, kMin32},
    {Op::remw, neg(7), 2, kAll},
    {Op::remuw, 0x80000000, 0, kMin32},
    {Op::remuw, 0xffffffff, 10, 5},
    // Zba
    {Op::add_uw, 0xffffffff80000000, 1, 0x80000001},
    {Op::add_uw, kAll, kAll, 0xfffffffe},
    {Op::sh1add, kMin, 5, 5},
    {Op::sh1add, 3, 100, 106},
    {Op::sh2add, 3, 100, 112},
    {Op::sh2add, kAll, 0, neg(4)},
    {Op::sh3add, 3, 100, 124},
    {Op::sh3add, neg(1), 8, 0},
    {Op::sh1add_uw, 0xffffffff80000000, 1, 0x100000001},
    {Op::sh2add_uw, kAll, 0, 0x3fffffffc},
    {Op::sh3add_uw, kAll, 8, 0x800000000},
    {Op::slli_uw, kAll, 63, kMin},
    {Op::slli_uw, kAll, 0, 0xffffffff},
    {Op::slli_uw, 0xffffffff80000001, 4, 0x8'00000010},
    // Zbb
    {Op::andn, 0xff, 0x0f, 0xf0},
    {Op::orn, 0, 0x0f, ~u64{0x0f}},
    {Op::xnor, 0xff, 0x0f, ~u64{0xf0}},
    {Op::clz, 1, 0, 63},
    {Op::clz, 0, 0, 64},
    {Op::clz, kAll, 0, 0},
    {Op::ctz, kMin, 0, 63},
    {Op::ctz, 0, 0, 64},
    {Op::ctz, kAll, 0, 0},
    {Op::cpop, kAll, 0, 64},
    {Op::cpop, 0, 0, 0},
    {Op::cpop, 0x8000000100000001, 0, 3},
    {Op::clzw, 0xffffffff00000001, 0, 31},
    {Op::clzw, 0xffffffff00000000, 0, 32},
    {Op::clzw, 0x80000000, 0, 0},
    {Op::ctzw, 0xffffffff80000000, 0, 31},
    {Op::ctzw, 0xffffffff00000000, 0, 32},
    {Op::ctzw, 1, 0, 0},
    {Op::cpopw, kAll, 0, 32},
    {Op::cpopw, 0xffffffff00000000, 0, 0},
    {Op::max, kMin, 1, 1},
    {Op::max, 1, kMin, 1},
    {Op::max, kAll, kAll, kAll},
    {Op::maxu, kMin, 1, kMin},
    {Op::maxu, 1, kMin, kMin},
    {Op::min, kMin, 1, kMin},
    {Op::min, 1, kMin, kMin},
    {Op::minu, kMin, 1, 1},
    {Op::minu, 1, kMin, 1},
    {Op::sext_b, 0x1280, 0, neg(0x80)},
    {Op::sext_b, 0xffffff7f, 0, 0x7f},
    {Op::sext_h, 0x128000, 0, neg(0x8000)},
    {Op::sext_h, 0xffff7fff, 0, 0x7fff},
    {Op::zext_h, kAll, 0, 0xffff},
    {Op::rol, kMin + 2, 64 + 1, 5},
    {Op::rol, 0x1234, 0, 0x1234},
    {Op::ror, 3, 1, kMin + 1},
    {Op::ror, 0x1234, 64, 0x1234},
    {Op::rori, kMin, 63, 1},
    {Op::rori, 0x0123456789abcdef, 8, 0xef0123456789abcd},
    {Op::rori, 0x1234, 0, 0x1234},
    {Op::rolw, 0x40000001, 32 + 1, 0xffffffff80000002},
    {Op::rolw, 0xffffffff80000000, 0, kMin32},
    {Op::rorw, 0xffffffff00000001, 1, kMin32},
    {Op::rorw, 0xdead'00000002, 33, 1},
    {Op::roriw, 0x12345678, 4, 0xffffffff81234567},
    {Op::roriw, 0x1'80000000, 0, kMin32},
    {Op::orc_b, 0x0100008000000240, 0, 0xff0000ff0000ffff},
    {Op::orc_b, 0, 0, 0},
    {Op::orc_b, 0x8040201008040201, 0, kAll},
    {Op::rev8, 0x0102030405060708, 0, 0x0807060504030201},
    // Zbs
    {Op::bclr, kAll, 64 + 63, kMax},
    {Op::bclr, 0, 5, 0},
    {Op::bclri, kAll, 63, kMax},
    {Op::bclri, kAll, 0, kAll - 1},
    {Op::bext, kMin, 64 + 63, 1},
    {Op::bext, kMin, 62, 0},
    {Op::bexti, kMin, 62, 0},
    {Op::bexti, kMin, 63, 1},
    {Op::binv, 1, 64, 0},
    {Op::binv, 0, 63, kMin},
    {Op::binvi, 0, 32, 0x100000000},
    {Op::binvi, kAll, 63, kMax},
    {Op::bset, 0, 31, 0x80000000},
    {Op::bset, 0, 64 + 32, 0x100000000},
    {Op::bseti, 0, 63, kMin},
    {Op::bseti, 0, 31, 0x80000000},
    // Zicond: all 64 bits of the condition count
    {Op::czero_eqz, 7, kMin, 7},
    {Op::czero_eqz, 7, 0, 0},
    {Op::czero_eqz, 7, 0x1'00000000, 7},
    {Op::czero_nez, 7, 0, 7},
    {Op::czero_nez, 7, kMin, 0},
    {Op::czero_nez, 7, 0x1'00000000, 0},
};

constexpr UpperVector kUpper[] = {
    {Op::lui, 0x80000, kMin32},
    {Op::lui, 0x7ffff, 0x7ffff000},
    {Op::lui, 0, 0},
    {Op::auipc, 0, 0},
    {Op::auipc, 0x80000, kMin32},
    {Op::auipc, 0xfffff, neg(0x1000)},
    {Op::auipc, 0x7ffff, 0x7ffff000},
};

constexpr BranchVector kBranches[] = {
    {Op::beq, 5, 5, true},
    {Op::beq, 5, 6, false},
    {Op::beq, 5, 0x1'00000005, false},
    {Op::bne, 5, 6, true},
    {Op::bne, 5, 5, false},
    {Op::bne, 0, kMin, true},
    {Op::blt, kMin, 0, true},
    {Op::blt, 0, kMin, false},
    {Op::blt, 1, 1, false},
    {Op::bge, 0, kMin, true},
    {Op::bge, 1, 1, true},
    {Op::bge, kMin, 0, false},
    {Op::bltu, kMin, 0, false},
    {Op::bltu, 0, kMin, true},
    {Op::bltu, 1, 1, false},
    {Op::bgeu, kMin, 0, true},
    {Op::bgeu, 1, 1, true},
    {Op::bgeu, 0, kMin, false},
};

constexpr JumpVector kJumps[] = {
    {Op::jal, 0, 8, 8},
    {Op::jal, 0, 0x7fffe, 0x7fffe},
    {Op::jal, 0, -0x80000, -0x80000},
    {Op::jal, 0, -6, -6},
    {Op::jalr, 0, 8, 8},
    {Op::jalr, 0x1000, -2048, 0x800},
    {Op::jalr, 0, 2047, 2046},  // bit 0 is dropped
    {Op::jalr, 0x101, 0, 0x100},
    {Op::jalr, 1, 13, 14},  // of the sum
};

constexpr CsrVector kCsr[] = {
    {Op::csrrw, 0xff, 0x0f0, 0x0f0},
    {Op::csrrs, 0xf000, 0x0f0, 0xf0f0},
    {Op::csrrs, kMin, kMax, kAll},
    {Op::csrrc, 0xfff, 0x0f0, 0xf0f},
    {Op::csrrc, kAll, kMin, kMax},
    {Op::csrrwi, kAll, 31, 31},
    {Op::csrrwi, kAll, 0, 0},
    {Op::csrrsi, 0x100, 31, 0x11f},
    {Op::csrrsi, 0x100, 0, 0x100},
    {Op::csrrci, 0xfff, 31, 0xfe0},
    {Op::csrrci, 0xfff, 0, 0xfff},
};

constexpr auto kUser = vmm::riscv::Privilege::user;
constexpr auto kSupervisor = vmm::riscv::Privilege::supervisor;
constexpr SystemVector kSystem[] = {
    {Op::fence, kUser, Outcome::goes_on},
    {Op::fence, kSupervisor, Outcome::goes_on},
    {Op::fence_i, kUser, Outcome::goes_on},
    {Op::fence_i, kSupervisor, Outcome::goes_on},
    {Op::ecall, kUser, Outcome::user_ecall},
    {Op::ecall, kSupervisor, Outcome::calls},
    {Op::ebreak, kUser, Outcome::breakpoint},
    {Op::ebreak, kSupervisor, Outcome::breakpoint},
    {Op::sret, kUser, Outcome::illegal},
    {Op::sret, kSupervisor, Outcome::returns_s},
    {Op::uret, kUser, Outcome::returns_u},
    {Op::uret, kSupervisor, Outcome::returns_u},
    {Op::wfi, kUser, Outcome::illegal},        // with nothing delegated
    {Op::wfi, kSupervisor, Outcome::goes_on},  // with an interrupt pending
    {Op::sfence_vma, kUser, Outcome::illegal},
    {Op::sfence_vma, kSupervisor, Outcome::goes_on},
    {Op::sinval_vma, kUser, Outcome::illegal},
    {Op::sinval_vma, kSupervisor, Outcome::goes_on},
    {Op::sfence_w_inval, kUser, Outcome::illegal},
    {Op::sfence_w_inval, kSupervisor, Outcome::goes_on},
    {Op::sfence_inval_ir, kUser, Outcome::illegal},
    {Op::sfence_inval_ir, kSupervisor, Outcome::goes_on},
};
// clang-format on

}  // namespace

std::span<const IntegerVector> integer_vectors() {
    return kInteger;
}
std::span<const UpperVector> upper_vectors() {
    return kUpper;
}
std::span<const BranchVector> branch_vectors() {
    return kBranches;
}
std::span<const JumpVector> jump_vectors() {
    return kJumps;
}
std::span<const CsrVector> csr_vectors() {
    return kCsr;
}
std::span<const SystemVector> system_vectors() {
    return kSystem;
}

}  // namespace cpu_test
