// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

/// What the integer instructions compute, each as a type with a static `of`, so that handlers and
/// their fused forms are made from one definition. RV64I, M, Zba, Zbb, Zbs and Zicond of the
/// unprivileged specification.
namespace vmm::interp::alu {

using u64 = std::uint64_t;
using i64 = std::int64_t;
using u32 = std::uint32_t;
using i32 = std::int32_t;
__extension__ using i128 = __int128;
__extension__ using u128 = unsigned __int128;

constexpr i64 s(u64 value) {
    return static_cast<i64>(value);
}
constexpr i32 s32(u64 value) {
    return static_cast<i32>(static_cast<u32>(value));
}
constexpr u32 u(u64 value) {
    return static_cast<u32>(value);
}
/// Sign-extends a 32-bit result.
constexpr u64 w(u32 value) {
    return static_cast<u64>(static_cast<i64>(static_cast<i32>(value)));
}

constexpr u64 divide(i64 a, i64 b) {
    if (b == 0) {
        return ~u64{0};
    }
    if (b == -1) {
        return u64{0} - static_cast<u64>(a);  // the overflow of the most negative number wraps
    }
    return static_cast<u64>(a / b);
}
constexpr u64 remainder(i64 a, i64 b) {
    if (b == 0) {
        return static_cast<u64>(a);
    }
    return b == -1 ? 0 : static_cast<u64>(a % b);
}
constexpr u64 divide_words(i32 a, i32 b) {
    return b == 0 ? ~u64{0} : w(static_cast<u32>(static_cast<i64>(a) / b));
}
constexpr u64 remainder_words(i32 a, i32 b) {
    return b == 0 ? w(static_cast<u32>(a)) : w(static_cast<u32>(static_cast<i64>(a) % b));
}
constexpr u64 high(u128 product) {
    return static_cast<u64>(product >> 64);
}

constexpr u64 count(int bits) {
    return static_cast<u64>(bits);
}
/// Each byte of the result is 0xff where the operand's is not 0.
constexpr u64 or_combine(u64 a) {
    constexpr u64 low = 0x7f7f7f7f7f7f7f7f;
    const u64 top = (((a & low) + low) | a) & ~low;  // bit 7 of each byte that is not 0
    return (top >> 7) * 0xff;
}

// clang-format off
#define COPS_ALU(name, expression) \
    struct name { static constexpr u64 of([[maybe_unused]] u64 a, [[maybe_unused]] u64 b) { return expression; } };

COPS_ALU(Add,   a + b)
COPS_ALU(Sub,   a - b)
COPS_ALU(Sll,   a << (b & 63))
COPS_ALU(Slt,   s(a) < s(b) ? 1 : 0)
COPS_ALU(Sltu,  a < b ? 1 : 0)
COPS_ALU(Xor,   a ^ b)
COPS_ALU(Srl,   a >> (b & 63))
COPS_ALU(Sra,   static_cast<u64>(s(a) >> (b & 63)))
COPS_ALU(Or,    a | b)
COPS_ALU(And,   a & b)
COPS_ALU(Addw,  w(u(a) + u(b)))
COPS_ALU(Subw,  w(u(a) - u(b)))
COPS_ALU(Sllw,  w(u(a) << (b & 31)))
COPS_ALU(Srlw,  w(u(a) >> (b & 31)))
COPS_ALU(Sraw,  static_cast<u64>(i64{s32(a) >> (b & 31)}))
COPS_ALU(Mul,   a * b)
COPS_ALU(Mulh,  high(static_cast<u128>(static_cast<i128>(s(a)) * s(b))))
COPS_ALU(Mulhsu, high(static_cast<u128>(static_cast<i128>(s(a)) * static_cast<i128>(static_cast<u128>(b)))))
COPS_ALU(Mulhu, high(static_cast<u128>(a) * b))
COPS_ALU(Div,   divide(s(a), s(b)))
COPS_ALU(Divu,  b == 0 ? ~u64{0} : a / b)
COPS_ALU(Rem,   remainder(s(a), s(b)))
COPS_ALU(Remu,  b == 0 ? a : a % b)
COPS_ALU(Mulw,  w(u(a) * u(b)))
COPS_ALU(Divw,  divide_words(s32(a), s32(b)))
COPS_ALU(Divuw, u(b) == 0 ? ~u64{0} : w(u(a) / u(b)))
COPS_ALU(Remw,  remainder_words(s32(a), s32(b)))
COPS_ALU(Remuw, u(b) == 0 ? w(u(a)) : w(u(a) % u(b)))

// Zba, Zbb, Zbs, Zicond. Instructions with one operand ignore b.
COPS_ALU(AddUw,    u64{u(a)} + b)
COPS_ALU(Sh1add,   (a << 1) + b)
COPS_ALU(Sh2add,   (a << 2) + b)
COPS_ALU(Sh3add,   (a << 3) + b)
COPS_ALU(Sh1addUw, (u64{u(a)} << 1) + b)
COPS_ALU(Sh2addUw, (u64{u(a)} << 2) + b)
COPS_ALU(Sh3addUw, (u64{u(a)} << 3) + b)
COPS_ALU(SlliUw,   u64{u(a)} << (b & 63))
COPS_ALU(Andn,     a & ~b)
COPS_ALU(Orn,      a | ~b)
COPS_ALU(Xnor,     ~(a ^ b))
COPS_ALU(Clz,      count(std::countl_zero(a)))
COPS_ALU(Ctz,      count(std::countr_zero(a)))
COPS_ALU(Cpop,     count(std::popcount(a)))
COPS_ALU(Clzw,     count(std::countl_zero(u(a))))
COPS_ALU(Ctzw,     count(std::countr_zero(u(a))))
COPS_ALU(Cpopw,    count(std::popcount(u(a))))
COPS_ALU(Max,      s(a) < s(b) ? b : a)
COPS_ALU(Maxu,     a < b ? b : a)
COPS_ALU(Min,      s(a) < s(b) ? a : b)
COPS_ALU(Minu,     a < b ? a : b)
COPS_ALU(SextB,    static_cast<u64>(i64{static_cast<std::int8_t>(a)}))
COPS_ALU(SextH,    static_cast<u64>(i64{static_cast<std::int16_t>(a)}))
COPS_ALU(ZextH,    a & 0xffff)
COPS_ALU(Rol,      std::rotl(a, static_cast<int>(b & 63)))
COPS_ALU(Ror,      std::rotr(a, static_cast<int>(b & 63)))
COPS_ALU(Rolw,     w(std::rotl(u(a), static_cast<int>(b & 31))))
COPS_ALU(Rorw,     w(std::rotr(u(a), static_cast<int>(b & 31))))
COPS_ALU(OrcB,     or_combine(a))
COPS_ALU(Rev8,     __builtin_bswap64(a))
COPS_ALU(Bclr,     a & ~(u64{1} << (b & 63)))
COPS_ALU(Bext,     a >> (b & 63) & 1)
COPS_ALU(Binv,     a ^ u64{1} << (b & 63))
COPS_ALU(Bset,     a | u64{1} << (b & 63))
COPS_ALU(CzeroEqz, b == 0 ? 0 : a)
COPS_ALU(CzeroNez, b != 0 ? 0 : a)
#undef COPS_ALU

// Branch conditions.
#define COPS_CONDITION(name, expression) \
    struct name { static constexpr bool of(u64 a, u64 b) { return expression; } };

COPS_CONDITION(Eq,  a == b)
COPS_CONDITION(Ne,  a != b)
COPS_CONDITION(Lt,  s(a) < s(b))
COPS_CONDITION(Ge,  s(a) >= s(b))
COPS_CONDITION(Ltu, a < b)
COPS_CONDITION(Geu, a >= b)
#undef COPS_CONDITION
// clang-format on

}  // namespace vmm::interp::alu
