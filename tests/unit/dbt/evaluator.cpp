// SPDX-License-Identifier: Apache-2.0
#include "evaluator.hpp"

#include "cpu/dbt/ir/shape.hpp"
#include "cpu/riscv/float_ops.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

namespace dbt_test {
namespace {

using namespace vmm::dbt::ir;
using vmm::riscv::Cause;

using u64 = std::uint64_t;
using i64 = std::int64_t;
using u32 = std::uint32_t;
using i32 = std::int32_t;
__extension__ using i128 = __int128;
__extension__ using u128 = unsigned __int128;

u64 signed_word(u64 value) {
    return static_cast<u64>(i64{static_cast<i32>(value)});
}

u64 extended(u64 value, unsigned size, bool sign) {
    if (size == 8) {
        return value;
    }
    const unsigned unused = 64 - 8 * size;
    return sign ? static_cast<u64>(static_cast<i64>(value << unused) >> unused)
                : value << unused >> unused;
}

u64 high(i128 product) {
    return static_cast<u64>(static_cast<u128>(product) >> 64);
}

template <class S>
u64 divide(S a, S b) {
    if (b == 0) {
        return ~u64{0};
    }
    const bool overflows = b == -1 && a == std::numeric_limits<S>::min();
    return static_cast<u64>(i64{overflows ? a : a / b});
}
template <class S>
u64 remainder(S a, S b) {
    if (b == 0) {
        return static_cast<u64>(i64{a});
    }
    return b == -1 ? 0 : static_cast<u64>(i64{a % b});
}

u64 word_operation(Op op, u64 wide_a, u64 wide_b) {
    const auto a = static_cast<u32>(wide_a), b = static_cast<u32>(wide_b);
    const auto sa = static_cast<i32>(a), sb = static_cast<i32>(b);
    switch (op) {
    case Op::add:
        return signed_word(a + b);
    case Op::sub:
        return signed_word(a - b);
    case Op::shl:
        return signed_word(a << (b & 31));
    case Op::shr:
        return signed_word(a >> (b & 31));
    case Op::sar:
        return signed_word(static_cast<u32>(sa >> (b & 31)));
    case Op::rotate_left:
        return signed_word(std::rotl(a, static_cast<int>(b & 31)));
    case Op::rotate_right:
        return signed_word(std::rotr(a, static_cast<int>(b & 31)));
    case Op::mul:
        return signed_word(a * b);
    case Op::div:
        return divide(sa, sb);
    case Op::div_unsigned:
        return b == 0 ? ~u64{0} : signed_word(a / b);
    case Op::rem:
        return remainder(sa, sb);
    case Op::rem_unsigned:
        return signed_word(b == 0 ? a : a % b);
    case Op::count_leading_zeros:
        return static_cast<u64>(std::countl_zero(a));
    case Op::count_trailing_zeros:
        return static_cast<u64>(std::countr_zero(a));
    default:
        return static_cast<u64>(std::popcount(a));
    }
}

u64 combine_bytes(u64 a) {
    u64 result = 0;
    for (unsigned shift = 0; shift < 64; shift += 8) {
        result |= (a >> shift & 0xff) != 0 ? u64{0xff} << shift : 0;
    }
    return result;
}

u64 operation(const Inst& inst, u64 a, u64 b) {
    const auto sa = static_cast<i64>(a), sb = static_cast<i64>(b);
    const u64 bit = u64{1} << (b & 63);
    switch (inst.op) {
    case Op::add:
        return a + b;
    case Op::sub:
        return a - b;
    case Op::bit_and:
        return a & b;
    case Op::bit_or:
        return a | b;
    case Op::bit_xor:
        return a ^ b;
    case Op::and_not:
        return a & ~b;
    case Op::or_not:
        return a | ~b;
    case Op::xor_not:
        return ~(a ^ b);
    case Op::shl:
        return a << (b & 63);
    case Op::shr:
        return a >> (b & 63);
    case Op::sar:
        return static_cast<u64>(sa >> (b & 63));
    case Op::rotate_left:
        return std::rotl(a, static_cast<int>(b & 63));
    case Op::rotate_right:
        return std::rotr(a, static_cast<int>(b & 63));
    case Op::set_less:
        return sa < sb;
    case Op::set_less_unsigned:
        return a < b;
    case Op::mul:
        return a * b;
    case Op::mul_high:
        return high(i128{sa} * sb);
    case Op::mul_high_unsigned:
        return high(static_cast<i128>(u128{a} * b));
    case Op::mul_high_mixed:
        return high(i128{sa} * static_cast<i128>(b));
    case Op::div:
        return divide(sa, sb);
    case Op::div_unsigned:
        return b == 0 ? ~u64{0} : a / b;
    case Op::rem:
        return remainder(sa, sb);
    case Op::rem_unsigned:
        return b == 0 ? a : a % b;
    case Op::min:
        return static_cast<u64>(std::min(sa, sb));
    case Op::max:
        return static_cast<u64>(std::max(sa, sb));
    case Op::min_unsigned:
        return std::min(a, b);
    case Op::max_unsigned:
        return std::max(a, b);
    case Op::zero_if_zero:
        return b == 0 ? 0 : a;
    case Op::zero_if_not_zero:
        return b != 0 ? 0 : a;
    case Op::bit_set:
        return a | bit;
    case Op::bit_clear:
        return a & ~bit;
    case Op::bit_invert:
        return a ^ bit;
    case Op::bit_extract:
        return (a & bit) != 0;
    case Op::shift_add:
        return (a << inst.scale) + b;
    case Op::sign_extend_8:
        return extended(a, 1, true);
    case Op::sign_extend_16:
        return extended(a, 2, true);
    case Op::sign_extend_32:
        return extended(a, 4, true);
    case Op::zero_extend_16:
        return extended(a, 2, false);
    case Op::zero_extend_32:
        return extended(a, 4, false);
    case Op::count_leading_zeros:
        return static_cast<u64>(std::countl_zero(a));
    case Op::count_trailing_zeros:
        return static_cast<u64>(std::countr_zero(a));
    case Op::count_ones:
        return static_cast<u64>(std::popcount(a));
    case Op::byte_swap:
        return __builtin_bswap64(a);
    default:
        return combine_bytes(a);
    }
}

u64 atomic_result(Op op, u64 old, u64 operand, unsigned size) {
    const auto so = static_cast<i64>(extended(old, size, true));
    const auto sn = static_cast<i64>(extended(operand, size, true));
    const u64 uo = extended(old, size, false), un = extended(operand, size, false);
    switch (op) {
    case Op::amo_swap:
        return operand;
    case Op::amo_add:
        return old + operand;
    case Op::amo_and:
        return old & operand;
    case Op::amo_or:
        return old | operand;
    case Op::amo_xor:
        return old ^ operand;
    case Op::amo_min:
        return static_cast<u64>(std::min(so, sn));
    case Op::amo_max:
        return static_cast<u64>(std::max(so, sn));
    case Op::amo_min_unsigned:
        return std::min(uo, un);
    default:
        return std::max(uo, un);
    }
}

bool holds(Condition condition, u64 a, u64 b) {
    switch (condition) {
    case Condition::eq:
        return a == b;
    case Condition::ne:
        return a != b;
    case Condition::lt:
        return static_cast<i64>(a) < static_cast<i64>(b);
    case Condition::ge:
        return static_cast<i64>(a) >= static_cast<i64>(b);
    case Condition::ltu:
        return a < b;
    case Condition::geu:
        return a >= b;
    }
    return false;
}

bool writes_memory(Op op) {
    return op != Op::load && op != Op::load_float && op != Op::load_reserved;
}

}  // namespace

u64 Evaluator::read(Var var) const {
    if (is_temp(var)) {
        return temporaries_[var - kFirstTemp];
    }
    return is_float(var) ? f[var - kFirstFloat] : x[var];
}

void Evaluator::write(Var var, u64 value) {
    if (var == kNone) {
        return;
    }
    if (is_temp(var)) {
        temporaries_[var - kFirstTemp] = value;
    } else if (is_float(var)) {
        f[var - kFirstFloat] = value;
    } else {
        x[var] = value;
    }
}

std::byte* Evaluator::at(u64 address, unsigned size, bool store) {
    if (address < memory_base || address - memory_base > memory.size() - size) {
        cause = store ? Cause::store_access : Cause::load_access;
        fault_value = address;
        return nullptr;
    }
    return memory.data() + (address - memory_base);
}

Evaluator::Step Evaluator::access(const Inst& inst) {
    const u64 address = read(inst.a) + static_cast<u64>(inst.imm);
    if (inst.c != kNone) {
        const u64 within = address - read(inst.c);
        wrong_probe |= inst.by_address ? within + inst.size > spans_[inst.c - kFirstTemp]
                                       : within != inst.within;
    }
    const bool is_atomic = inst.op >= Op::load_reserved && inst.op <= Op::amo_max_unsigned;
    if (is_atomic && address % inst.size != 0) {
        cause = writes_memory(inst.op) ? Cause::store_misaligned : Cause::load_misaligned;
        fault_value = address;
        return Step::fault;
    }
    std::byte* bytes = at(address, inst.size, writes_memory(inst.op));
    if (bytes == nullptr) {
        return Step::fault;
    }
    u64 old = 0;
    std::memcpy(&old, bytes, inst.size);
    const u64 operand = inst.b == kNone ? 0 : read(inst.b);
    switch (inst.op) {
    case Op::load:
        write(inst.dst, extended(old, inst.size, inst.sign));
        break;
    case Op::load_float:
        write(inst.dst, inst.size == 4 ? old | 0xffff'ffff'0000'0000 : old);
        break;
    case Op::store:
    case Op::store_float:
        std::memcpy(bytes, &operand, inst.size);
        break;
    case Op::load_reserved:
        reservation_ = {.valid = true, .address = address, .value = old, .size = inst.size};
        write(inst.dst, extended(old, inst.size, true));
        break;
    case Op::store_conditional: {
        const bool stores = reservation_.valid && reservation_.address == address
                            && reservation_.value == old && reservation_.size == inst.size;
        reservation_.valid = false;
        if (stores) {
            std::memcpy(bytes, &operand, inst.size);
        }
        write(inst.dst, stores ? 0 : 1);
        break;
    }
    default: {
        const u64 result = atomic_result(inst.op, old, operand, inst.size);
        std::memcpy(bytes, &result, inst.size);
        write(inst.dst, extended(old, inst.size, true));
        break;
    }
    }
    return Step::next;
}

Evaluator::Step Evaluator::step(const Inst& inst) {
    switch (shape_of(inst.op).kind) {
    case Kind::pure: {
        if (inst.op == Op::page_address) {
            write(inst.dst, page_ + static_cast<u64>(inst.imm));
            return Step::next;
        }
        if (inst.op == Op::probe) {  // the guest address stands for the host's
            write(inst.dst, read(inst.a) + static_cast<u64>(inst.imm));
            spans_[inst.dst - kFirstTemp] = inst.span;
            return Step::next;
        }
        const u64 a = inst.a == kNone ? static_cast<u64>(inst.imm) : read(inst.a);
        const u64 b = inst.b == kNone ? static_cast<u64>(inst.imm) : read(inst.b);
        if (inst.op == Op::mov) {
            write(inst.dst, a);
        } else {
            write(inst.dst, inst.word ? word_operation(inst.op, a, b) : operation(inst, a, b));
        }
        return Step::next;
    }
    case Kind::memory:
        return access(inst);
    case Kind::state:
        if (inst.op == Op::float_dirty) {
            float_dirty = true;
        } else if (inst.op == Op::float_op) {
            const u64 b = inst.b == kNone ? 0 : read(inst.b);
            const u64 c = inst.c == kNone ? 0 : read(inst.c);
            write(
                inst.dst,
                vmm::riscv::execute_float(
                    inst.guest,
                    static_cast<vmm::riscv::Rounding>(inst.rm),
                    read(inst.a),
                    b,
                    c,
                    fflags
                )
            );
        }
        return Step::next;
    case Kind::side_exit:
        return holds(
                   inst.condition,
                   read(inst.a),
                   inst.b == kNone ? static_cast<u64>(inst.imm) : read(inst.b)
               )
                   ? Step::taken
                   : Step::next;
    case Kind::terminator:
        break;
    }
    switch (inst.op) {
    case Op::system:
        return Step::system;
    case Op::jump_indirect:
        pc = (read(inst.a) + static_cast<u64>(inst.imm)) & ~u64{1};
        return Step::left;
    default:
        return Step::taken;
    }
}

Outcome Evaluator::run(const Region& region, u64 page, u64 limit) {
    page_ = page;
    const Block* block = &region.blocks.front();
    std::size_t next = 0;
    for (;;) {
        if (next == 0 && retired >= limit) {
            pc = page + block->offsets.front();
            return Outcome::left;
        }
        const Inst& inst = block->insts[next++];
        const unsigned behind = inst.index < block->count() ? inst.index + 1U : block->count();
        switch (step(inst)) {
        case Step::next:
            break;
        case Step::taken:
            retired += behind;
            if (!inst.target.internal) {
                pc = page + static_cast<u64>(inst.target.offset);
                return Outcome::left;
            }
            block = &region.blocks[inst.target.block];
            next = 0;
            break;
        case Step::left:
            retired += behind;
            return Outcome::left;
        case Step::system:
        case Step::fault:
            pc = page + block->offsets[inst.index];
            retired += inst.index;
            return inst.op == Op::system ? Outcome::system : Outcome::fault;
        }
    }
}

}  // namespace dbt_test
