// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/riscv/decode.hpp"
#include "cpu/riscv/state.hpp"

#include <bit>
#include <cstdint>
#include <span>

/// What each instruction has to do, as data: written from the specifications, independent of any
/// engine. Every line of instructions.inc has a vector in one of these tables.
namespace cpu_test {

using vmm::riscv::Op;
using u64 = std::uint64_t;

inline constexpr u64 kBoxed = 0xffffffff00000000;

constexpr u64 d(double value) {
    return std::bit_cast<u64>(value);
}
/// A single in its box.
constexpr u64 s(float value) {
    return kBoxed | std::bit_cast<std::uint32_t>(value);
}
/// The bits of a single in its box.
constexpr u64 sb(std::uint32_t bits) {
    return kBoxed | bits;
}

/// Operands of encode(); those that the format lacks are ignored.
struct Operands {
    unsigned rd = 0;
    unsigned rs1 = 0;
    unsigned rs2 = 0;
    unsigned rs3 = 0;
    std::int64_t imm = 0;  ///< Immediate (upper ones: of 20 bits), offset, shift amount, CSR.
    unsigned rm = 0;
    unsigned aqrl = 0;  ///< aq << 1 | rl
};
std::uint32_t encode(Op op, const Operands& operands);

/// rd = a op b, where b is rs2 or the immediate.
struct IntegerVector {
    Op op;
    u64 a, b, expected;
};
std::span<const IntegerVector> integer_vectors();

/// lui and auipc: rd = expected, auipc's plus pc.
struct UpperVector {
    Op op;
    std::int64_t imm20;
    u64 expected;
};
std::span<const UpperVector> upper_vectors();

struct BranchVector {
    Op op;
    u64 a, b;
    bool taken;
};
std::span<const BranchVector> branch_vectors();

/// jal: to pc + imm; jalr: to (pc + a + imm) & ~1, with pc + a in rs1.
struct JumpVector {
    Op op;
    std::int64_t a, imm;
    std::int64_t target;  ///< Relative to pc.
};
std::span<const JumpVector> jump_vectors();

/// rd = the value at (doubleword + offset), a doubleword of kLoadPattern.
inline constexpr u64 kLoadPattern = 0xf8e7d6c5b4a39281;
struct LoadVector {
    Op op;
    std::int64_t offset;
    u64 expected;
};
std::span<const LoadVector> load_vectors();

/// What a doubleword of zeros is after the store of `value` at (doubleword + offset).
struct StoreVector {
    Op op;
    std::int64_t offset;
    u64 value, expected;
};
std::span<const StoreVector> store_vectors();

/// On a doubleword `memory`, whose lower word the .w forms use. sc follows an lr.
struct AtomicVector {
    Op op;
    u64 memory, operand;
    u64 expected, expected_memory;
};
std::span<const AtomicVector> atomic_vectors();

/// On sscratch, from `old`; rd gets `old`.
struct CsrVector {
    Op op;
    u64 old, operand;
    u64 expected;
};
std::span<const CsrVector> csr_vectors();

/// What a privileged instruction, a call or a fence does at a privilege.
enum class Outcome : std::uint8_t {
    goes_on,    ///< With the next instruction.
    returns_s,  ///< To sepc.
    returns_u,  ///< To uepc.
    calls,      ///< Of the SBI.
    illegal,
    breakpoint,
    user_ecall,
};
struct SystemVector {
    Op op;
    vmm::riscv::Privilege privilege;
    Outcome outcome;
};
std::span<const SystemVector> system_vectors();

/// f (or x) rd = op of f (or x) operands, in one rounding mode.
struct OneModeVector {
    Op op;
    unsigned rm;
    u64 a, b, c;
    u64 expected;
    unsigned flags;
};
std::span<const OneModeVector> one_mode_vectors();

/// The same operands in all five rounding modes, in their order: rne, rtz, rdn, rup, rmm.
struct RoundingVector {
    Op op;
    u64 a, b, c;
    u64 expected[5];
    unsigned flags[5];
};
std::span<const RoundingVector> rounding_vectors();

/// Operands and results by kind, for single and double alike.
enum class Special : std::uint8_t {
    zero,
    neg_zero,
    one,
    neg_one,
    two,
    neg_two,
    inf,
    neg_inf,
    nan,      ///< Canonical: quiet, positive, no payload.
    fat_nan,  ///< Quiet and negative, with a payload.
    snan,
    subnormal,  ///< The least one.
    neg_subnormal,
};
u64 special_double(Special kind);
u64 special_single(Special kind);

struct SpecialVector {
    Op on_doubles;
    Op on_singles;
    Special a, b, c;
    Special expected;
    unsigned flags;
};
std::span<const SpecialVector> special_vectors();

/// fclass, comparisons: the result is a number in rd.
struct SpecialTest {
    Op on_doubles;
    Op on_singles;
    Special a, b;
    u64 expected;
    unsigned flags;
};
std::span<const SpecialTest> special_tests();

}  // namespace cpu_test
