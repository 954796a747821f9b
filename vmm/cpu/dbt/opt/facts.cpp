// SPDX-License-Identifier: Apache-2.0
#include "cpu/dbt/opt/facts.hpp"

#include "cpu/dbt/ir/shape.hpp"

#include <algorithm>
#include <bit>

namespace vmm::dbt::opt {
namespace {

using ir::Inst;
using ir::Op;
using ir::Var;

using u64 = std::uint64_t;
using i64 = std::int64_t;

std::uint8_t bits_of(i64 value) {
    return static_cast<std::uint8_t>(std::bit_width(static_cast<u64>(value)));
}

bool fits_32(i64 value) {
    return value == static_cast<std::int32_t>(value);
}

/// How many low bits the result of a pure operation or load can have set, from those of the first
/// operand.
std::uint8_t result_bits(const Inst& inst, std::uint8_t a, std::uint8_t b) {
    const bool has_immediate = inst.b == ir::kNone;
    switch (inst.op) {
    case Op::set_less:
    case Op::set_less_unsigned:
    case Op::bit_extract:
        return 1;
    case Op::bit_and:
        return std::min(a, b);
    case Op::bit_or:
    case Op::bit_xor:
        return std::max(a, b);
    case Op::zero_if_zero:
    case Op::zero_if_not_zero:
        return a;
    case Op::zero_extend_16:
        return std::min<std::uint8_t>(a, 16);
    case Op::zero_extend_32:
        return std::min<std::uint8_t>(a, 32);
    case Op::count_leading_zeros:
    case Op::count_trailing_zeros:
    case Op::count_ones:
        return 7;
    case Op::shr: {
        const unsigned by = static_cast<unsigned>(inst.imm) & (inst.word ? 31 : 63);
        if (!has_immediate || (inst.word && by == 0)) {
            return 64;
        }
        const unsigned width = inst.word ? 32U : a;
        return static_cast<std::uint8_t>(width - std::min(width, by));
    }
    case Op::load:
        return inst.sign ? 64 : static_cast<std::uint8_t>(inst.size * 8);
    default:
        return 64;
    }
}

bool result_is_sign_extended(const Inst& inst, bool a, bool b) {
    switch (inst.op) {
    case Op::sign_extend_8:
    case Op::sign_extend_16:
    case Op::sign_extend_32:
        return true;
    case Op::bit_and:
    case Op::bit_or:
    case Op::bit_xor:
        return a && b;
    case Op::sar:
        return a || inst.word;
    case Op::load:
        return inst.sign && inst.size <= 4;
    case Op::load_reserved:
    case Op::store_conditional:
        return inst.size == 4 || inst.op == Op::store_conditional;
    default:
        return inst.word
               || (inst.op >= Op::amo_swap && inst.op <= Op::amo_max_unsigned && inst.size == 4);
    }
}

}  // namespace

Fact& Facts::at(Var var) {
    Fact& fact = facts_[var];
    if (fact.block != number_) {
        fact = Fact{.version = fact.version + 1, .block = number_};
        if (var == ir::kZero) {
            fact.kind = Fact::Kind::constant;
            fact.bits = 0;
            fact.sign_extended_32 = true;
        }
    }
    return fact;
}

std::optional<i64> Facts::constant(Var var) {
    const Fact& fact = at(var);
    return fact.kind == Fact::Kind::constant ? std::optional(fact.value) : std::nullopt;
}

Var Facts::origin(Var var) {
    const Fact& fact = at(var);
    if (fact.kind == Fact::Kind::copy && at(fact.source).version == fact.source_version) {
        return fact.source;
    }
    return fact.kind == Fact::Kind::constant && fact.value == 0 ? ir::kZero : var;
}

bool Facts::has_version(Var var, std::uint32_t version) {
    return var == ir::kNone || at(var).version == version;
}

const Inst* Facts::definition(Var var) {
    const Fact fact = at(var);
    if (fact.definition < 0) {
        return nullptr;
    }
    const Inst& inst = block_->insts[static_cast<std::size_t>(fact.definition)];
    const bool current = has_version(inst.a, fact.a_version) && has_version(inst.b, fact.b_version);
    return current ? &inst : nullptr;
}

std::int32_t Facts::update(Var var) {
    const Fact fact = at(var);
    if (fact.definition < 0) {
        return -1;
    }
    const Inst& inst = block_->insts[static_cast<std::size_t>(fact.definition)];
    const bool from_itself = inst.a == var && inst.b != var && has_version(inst.b, fact.b_version);
    return from_itself ? fact.definition : -1;
}

void Facts::learn(std::size_t number) {
    const Inst& inst = block_->insts[number];
    if (inst.op == Op::system) {
        for (Var var = 1; var < ir::kFirstFloat; ++var) {
            forget(var);
        }
    }
    if (inst.dst == ir::kNone || ir::is_float(inst.dst)) {
        return;
    }
    const auto operand = [this, &inst](Var var) {
        if (var != ir::kNone) {
            return at(var);
        }
        return Fact{
            .sign_extended_32 = fits_32(inst.imm),
            .bits = bits_of(inst.imm),
        };
    };
    // Operands first: dst may be one of them.
    const bool pure = ir::is_pure(inst.op);
    const Fact a = inst.op == Op::float_op ? Fact{} : operand(inst.a);
    const Fact b = inst.op == Op::float_op ? Fact{} : operand(inst.b);
    Fact& fact = at(inst.dst);
    fact = Fact{.version = fact.version + 1, .block = number_};
    if (pure) {
        fact.definition = static_cast<std::int32_t>(number);
        fact.a_version = a.version;
        fact.b_version = b.version;
    }
    if (inst.op == Op::mov && inst.a == ir::kNone) {
        fact.kind = Fact::Kind::constant;
        fact.value = inst.imm;
        fact.bits = bits_of(inst.imm);
        fact.sign_extended_32 = fits_32(inst.imm);
        return;
    }
    if (inst.op == Op::mov) {
        fact.sign_extended_32 = a.sign_extended_32;
        fact.bits = a.bits;
        if (inst.a != inst.dst) {
            fact.kind = Fact::Kind::copy;
            fact.source = inst.a;
            fact.source_version = a.version;
        }
        return;
    }
    if (inst.op == Op::page_address) {
        fact.kind = Fact::Kind::page;
        fact.value = inst.imm;
        return;
    }
    fact.bits = result_bits(inst, a.bits, b.bits);
    fact.sign_extended_32 =
        fact.bits < 32 || result_is_sign_extended(inst, a.sign_extended_32, b.sign_extended_32);
}

void Facts::forget(Var var) {
    Fact& fact = at(var);
    fact = Fact{.version = fact.version + 1, .block = number_};
}

std::optional<i64> evaluate(const Inst& inst, i64 sa, i64 sb) {
    const auto a = static_cast<u64>(sa), b = static_cast<u64>(sb);
    const auto word = [&inst](u64 value) {
        return inst.word ? i64{static_cast<std::int32_t>(value)} : static_cast<i64>(value);
    };
    const unsigned shift = static_cast<unsigned>(b) & (inst.word ? 31 : 63);
    switch (inst.op) {
    case Op::add:
        return word(a + b);
    case Op::sub:
        return word(a - b);
    case Op::bit_and:
        return static_cast<i64>(a & b);
    case Op::bit_or:
        return static_cast<i64>(a | b);
    case Op::bit_xor:
        return static_cast<i64>(a ^ b);
    case Op::shl:
        return word(a << shift);
    case Op::shr:
        return word((inst.word ? a & 0xffff'ffff : a) >> shift);
    case Op::sar:
        return word(a) >> shift;
    case Op::mul:
        return word(a * b);
    case Op::set_less:
        return sa < sb ? 1 : 0;
    case Op::set_less_unsigned:
        return a < b ? 1 : 0;
    case Op::shift_add:
        return static_cast<i64>((a << inst.scale) + b);
    case Op::sign_extend_8:
        return static_cast<std::int8_t>(a);
    case Op::sign_extend_16:
        return static_cast<std::int16_t>(a);
    case Op::sign_extend_32:
        return static_cast<std::int32_t>(a);
    case Op::zero_extend_16:
        return static_cast<std::uint16_t>(a);
    case Op::zero_extend_32:
        return static_cast<std::uint32_t>(a);
    default:
        return {};
    }
}

}  // namespace vmm::dbt::opt
