// SPDX-License-Identifier: Apache-2.0
#include "cpu/dbt/ir/shape.hpp"
#include "cpu/dbt/opt/facts.hpp"
#include "cpu/dbt/opt/passes.hpp"

#include <bit>
#include <limits>
#include <utility>

namespace vmm::dbt::opt {
namespace {

using ir::Inst;
using ir::kNone;
using ir::kZero;
using ir::Op;
using ir::Var;

using u64 = std::uint64_t;
using i64 = std::int64_t;

/// Larger immediates cost the host a register and more code than a variable does.
bool fits(i64 value) {
    return value == static_cast<std::int32_t>(value);
}

bool commutes(Op op) {
    switch (op) {
    case Op::add:
    case Op::bit_and:
    case Op::bit_or:
    case Op::bit_xor:
    case Op::xor_not:
    case Op::mul:
    case Op::mul_high:
    case Op::mul_high_unsigned:
    case Op::min:
    case Op::max:
    case Op::min_unsigned:
    case Op::max_unsigned:
        return true;
    default:
        return false;
    }
}

bool is_power_of_two(i64 value) {
    return value > 0 && std::has_single_bit(static_cast<u64>(value));
}
i64 log_2(i64 value) {
    return std::countr_zero(static_cast<u64>(value));
}

/// Whether a value below 2^bits stays the same under the mask.
bool covers(i64 mask, unsigned bits) {
    const u64 possible = bits >= 64 ? ~u64{0} : (u64{1} << bits) - 1;
    return (~static_cast<u64>(mask) & possible) == 0;
}

class Folder {
public:
    Folder(ir::Block& block, Facts& facts)
        : block_(block)
        , facts_(facts) {}

    void run() {
        facts_.enter_block(block_);
        for (number_ = 0; number_ < block_.insts.size(); ++number_) {
            one(block_.insts[number_]);
            facts_.learn(number_);
        }
    }

private:
    // Each of these turns `inst` into something else and keeps what it computes.
    static void become_move(Inst& inst, Var from) {
        inst = {.op = Op::mov, .dst = inst.dst, .a = from, .index = inst.index};
    }
    static void become_constant(Inst& inst, i64 value) {
        inst = {.op = Op::mov, .dst = inst.dst, .index = inst.index, .imm = value};
    }
    static void become_page_address(Inst& inst, i64 offset) {
        inst = {.op = Op::page_address, .dst = inst.dst, .index = inst.index, .imm = offset};
    }
    static void become_unary(Inst& inst, Op op, Var a) {
        inst = {.op = op, .dst = inst.dst, .a = a, .index = inst.index};
    }
    static void become_immediate(Inst& inst, Op op, Var a, i64 imm) {
        inst = {.op = op, .dst = inst.dst, .a = a, .index = inst.index, .imm = imm};
    }

    void one(Inst& inst) {
        follow_copies(inst);
        switch (ir::shape_of(inst.op).kind) {
        case ir::Kind::pure:
            pure(inst);
            break;
        case ir::Kind::memory:
            address(inst);
            break;
        case ir::Kind::side_exit:
            condition(inst);
            break;
        default:
            if (inst.op == Op::jump_indirect) {
                known_target(inst);
            }
            break;
        }
    }

    void follow_copies(Inst& inst) {
        for (Var* var : {&inst.a, &inst.b}) {
            if (*var != kNone && !ir::is_float(*var)) {
                *var = facts_.origin(*var);
            }
        }
    }

    void pure(Inst& inst) {
        if (inst.op == Op::mov || inst.op == Op::page_address) {
            constant_move(inst);
            return;
        }
        immediate_operand(inst);
        if (constant_result(inst) || identity(inst)) {
            return;
        }
        if (inst.b == kNone && with_immediate(inst)) {
            return;
        }
        pattern(inst);
    }

    void constant_move(Inst& inst) {
        if (inst.op != Op::mov || inst.a == kNone) {
            return;
        }
        const Fact& fact = facts_.of(inst.a);
        if (fact.kind == Fact::Kind::constant && fits(fact.value)) {
            become_constant(inst, fact.value);
        } else if (fact.kind == Fact::Kind::page) {
            become_page_address(inst, fact.value);
        }
    }

    void immediate_operand(Inst& inst) {
        if (inst.b == kNone) {
            return;
        }
        if (commutes(inst.op) && facts_.constant(inst.a) && !facts_.constant(inst.b)) {
            std::swap(inst.a, inst.b);
        }
        const auto constant = facts_.constant(inst.b);
        if (constant && fits(*constant)) {
            inst.b = kNone;
            inst.imm = *constant;
        }
    }

    bool constant_result(Inst& inst) {
        const Fact a = facts_.of(inst.a);
        const bool is_address = a.kind == Fact::Kind::page && inst.op == Op::add && inst.b == kNone
                                && !inst.word && fits(a.value + inst.imm);
        if (is_address) {
            become_page_address(inst, a.value + inst.imm);
            return true;
        }
        if (a.kind != Fact::Kind::constant) {
            return false;
        }
        const auto b = inst.b == kNone ? std::optional(inst.imm) : facts_.constant(inst.b);
        const auto value = b ? evaluate(inst, a.value, *b) : std::nullopt;
        if (value) {
            become_constant(inst, *value);
        }
        return value.has_value();
    }

    /// Operations that leave the first operand as it is, or nothing of it.
    bool identity(Inst& inst) {
        const Fact& a = facts_.of(inst.a);
        switch (inst.op) {
        case Op::sign_extend_32:
            if (a.sign_extended_32) {
                become_move(inst, inst.a);
                return true;
            }
            return false;
        case Op::zero_extend_16:
        case Op::zero_extend_32:
            if (a.bits <= (inst.op == Op::zero_extend_16 ? 16 : 32)) {
                become_move(inst, inst.a);
                return true;
            }
            return false;
        case Op::sub:
        case Op::bit_xor:
            if (inst.a == inst.b) {
                become_constant(inst, 0);
                return true;
            }
            return false;
        case Op::bit_and:
        case Op::bit_or:
            if (inst.a == inst.b
                || (inst.op == Op::bit_and && inst.b == kNone && covers(inst.imm, a.bits))) {
                become_move(inst, inst.a);
                return true;
            }
            return false;
        default:
            return false;
        }
    }

    bool with_immediate(Inst& inst) {
        const i64 imm = inst.imm;
        switch (inst.op) {
        case Op::add:
        case Op::sub:
            if (imm == 0) {
                no_change(inst);
                return true;
            }
            if (inst.op == Op::sub && fits(-imm)) {
                inst.op = Op::add;
                inst.imm = -imm;
            }
            return false;
        case Op::shl:
        case Op::shr:
        case Op::sar:
        case Op::rotate_left:
        case Op::rotate_right:
            inst.imm = imm & (inst.word ? 31 : 63);
            if (inst.imm == 0) {
                no_change(inst);
                return true;
            }
            return false;
        case Op::bit_or:
        case Op::bit_xor:
            if (imm == 0) {
                become_move(inst, inst.a);
            }
            return imm == 0;
        case Op::bit_and:
            return mask(inst);
        case Op::shift_add:
            if (imm == 0) {
                become_immediate(inst, Op::shl, inst.a, inst.scale);
                return true;
            }
            return false;
        case Op::mul:
            return multiplication(inst);
        case Op::div_unsigned:
        case Op::rem_unsigned:
            return division(inst);
        default:
            return false;
        }
    }

    /// The operation leaves its operand, apart from what `word` says.
    void no_change(Inst& inst) {
        if (inst.word && !facts_.of(inst.a).sign_extended_32) {
            become_unary(inst, Op::sign_extend_32, inst.a);
        } else {
            become_move(inst, inst.a);
        }
    }

    static bool mask(Inst& inst) {
        if (inst.imm == 0) {
            become_constant(inst, 0);
        } else if (inst.imm == 0xffff) {
            become_unary(inst, Op::zero_extend_16, inst.a);
        } else {
            return false;
        }
        return true;
    }

    bool multiplication(Inst& inst) {
        const bool word = inst.word;
        if (inst.imm == 0) {
            become_constant(inst, 0);
        } else if (inst.imm == 1) {
            no_change(inst);
        } else if (is_power_of_two(inst.imm) && !(word && inst.imm > (1 << 30))) {
            become_immediate(inst, Op::shl, inst.a, log_2(inst.imm));
            inst.word = word;
        } else if (!word && (inst.imm == 3 || inst.imm == 5 || inst.imm == 9)) {
            const Var a = inst.a;
            const auto scale = static_cast<std::uint8_t>(log_2(inst.imm - 1));
            inst = {
                .op = Op::shift_add,
                .scale = scale,
                .dst = inst.dst,
                .a = a,
                .b = a,
                .index = inst.index,
            };
        } else {
            return false;
        }
        return true;
    }

    static bool division(Inst& inst) {
        if (inst.word || !is_power_of_two(inst.imm)) {
            return false;
        }
        if (inst.imm == 1 && inst.op == Op::rem_unsigned) {
            become_constant(inst, 0);
        } else if (inst.imm == 1) {
            become_move(inst, inst.a);
        } else if (inst.op == Op::rem_unsigned) {
            become_immediate(inst, Op::bit_and, inst.a, inst.imm - 1);
        } else {
            become_immediate(inst, Op::shr, inst.a, log_2(inst.imm));
        }
        return true;
    }

    /// Two instructions that one does as well; the first may be dead then.
    void pattern(Inst& inst) {
        switch (inst.op) {
        case Op::shr:
        case Op::sar:
            if (inst.b == kNone && !inst.word) {
                extension(inst);
                shifted_extension(inst);
            }
            break;
        case Op::add:
            if (inst.b == kNone) {
                sum_of_constants(inst);
            } else if (!inst.word) {
                scaled_sum(inst);
            }
            break;
        default:
            break;
        }
    }

    /// The definition of `var`, an operand of `user` (which is pure), if it `fits` and `user` can
    /// compute from its operands instead. When that takes it away, because it changed a register
    /// that `user` overwrites and nobody saw it between, it is gone already.
    template <class Fits>
    std::optional<Inst> source(Var var, const Inst& user, const Fits& does_fit) {
        if (const Inst* definition = facts_.definition(var)) {
            return does_fit(*definition) ? std::optional(*definition) : std::nullopt;
        }
        const std::int32_t update = facts_.update(var);
        if (update < 0 || var != user.dst || user.a == user.b) {
            return {};
        }
        Inst& inst = block_.insts[static_cast<std::size_t>(update)];
        if (!does_fit(inst) || !unseen_since(static_cast<std::size_t>(update), var)) {
            return {};
        }
        const Inst taken = inst;
        inst = {.op = Op::mov, .dst = var, .a = var, .index = inst.index};
        facts_.forget(var);
        return taken;
    }

    /// Whether nobody reads or writes `var`, or can observe registers, behind an instruction up to
    /// the current one.
    bool unseen_since(std::size_t number, Var var) const {
        constexpr std::size_t kFarthest = 8;
        if (number_ - number > kFarthest) {
            return false;
        }
        for (std::size_t between = number + 1; between < number_; ++between) {
            const Inst& inst = block_.insts[between];
            if (!ir::is_pure(inst.op) || inst.dst == var || inst.a == var || inst.b == var) {
                return false;
            }
        }
        return true;
    }

    /// shl and then shr or sar: by the same number they extend.
    void extension(Inst& inst) {
        const i64 by = inst.imm;
        const bool sign = inst.op == Op::sar;
        if (by < 32 || (sign && by != 32 && by != 48 && by != 56)) {
            return;
        }
        const auto shift = source(inst.a, inst, [by](const Inst& first) {
            return first.op == Op::shl && first.b == kNone && !first.word && first.imm == by;
        });
        if (shift) {
            extend(inst, shift->a);
        }
    }

    /// Zero-extension of a word and then a smaller shift left (shl by 32, shr by less): the first
    /// instruction becomes the extension, so that the second may become part of a sum.
    void shifted_extension(Inst& inst) {
        const std::int32_t update_at = facts_.definition_number(inst.a);
        if (inst.op != Op::shr || update_at < 0 || inst.a != inst.dst || inst.imm >= 32) {
            return;
        }
        const auto number = static_cast<std::size_t>(update_at);
        Inst& first = block_.insts[number];
        if (first.op == Op::shl && first.b == kNone && !first.word && first.imm == 32
            && unseen_since(number, inst.a)) {
            become_unary(first, Op::zero_extend_32, first.a);
            become_immediate(inst, Op::shl, inst.a, 32 - inst.imm);
            facts_.forget(inst.a);
        }
    }

    static void extend(Inst& inst, Var from) {
        const bool sign = inst.op == Op::sar;
        const i64 by = inst.imm;
        if (by == 32) {
            become_unary(inst, sign ? Op::sign_extend_32 : Op::zero_extend_32, from);
        } else if (by == 48) {
            become_unary(inst, sign ? Op::sign_extend_16 : Op::zero_extend_16, from);
        } else if (sign) {
            become_unary(inst, Op::sign_extend_8, from);
        } else {
            become_immediate(inst, Op::bit_and, from, (i64{1} << (64 - by)) - 1);
        }
    }

    void sum_of_constants(Inst& inst) {
        const auto first = source(inst.a, inst, [&inst](const Inst& sum) {
            return sum.op == Op::add && sum.b == kNone && sum.word == inst.word
                   && fits(sum.imm + inst.imm);
        });
        if (first) {
            inst.a = first->a;
            inst.imm += first->imm;
        }
    }

    void scaled_sum(Inst& inst) {
        constexpr i64 kLargestScale = 3;
        const auto is_scale = [](const Inst& shift) {
            return shift.op == Op::shl && shift.b == kNone && !shift.word && shift.imm >= 1
                   && shift.imm <= kLargestScale;
        };
        Var other = inst.b;
        auto shift = source(inst.a, inst, is_scale);
        if (!shift) {
            other = inst.a;
            shift = source(inst.b, inst, is_scale);
        }
        if (shift) {
            inst = {
                .op = Op::shift_add,
                .scale = static_cast<std::uint8_t>(shift->imm),
                .dst = inst.dst,
                .a = shift->a,
                .b = other,
                .index = inst.index,
            };
        }
    }

    void address(Inst& inst) {
        const bool is_atomic = inst.op >= Op::load_reserved && inst.op <= Op::amo_max_unsigned;
        if (is_atomic) {
            return;
        }
        const Inst* sum = facts_.definition(inst.a);
        if (sum != nullptr && sum->op == Op::add && sum->b == kNone && !sum->word
            && fits(sum->imm + inst.imm)) {
            inst.a = sum->a;
            inst.imm += sum->imm;
        }
    }

    /// A branch: on the result of a comparison, or with a constant.
    void condition(Inst& inst) {
        if (inst.b == kZero) {
            compared(inst);
        }
        if (inst.b == kNone || inst.b == kZero) {
            return;
        }
        const auto constant = facts_.constant(inst.b);
        if (constant && fits(*constant)) {
            inst.b = kNone;
            inst.imm = *constant;
        }
    }

    void compared(Inst& inst) {
        const bool taken_when_true = inst.condition == ir::Condition::ne;
        if (!taken_when_true && inst.condition != ir::Condition::eq) {
            return;
        }
        const Inst* comparison = facts_.definition(inst.a);
        if (comparison == nullptr) {
            return;
        }
        const bool is_zero = comparison->op == Op::set_less_unsigned && comparison->b == kNone
                             && comparison->imm == 1;
        if (is_zero) {
            inst.condition = taken_when_true ? ir::Condition::eq : ir::Condition::ne;
        } else if (comparison->op == Op::set_less) {
            inst.condition = taken_when_true ? ir::Condition::lt : ir::Condition::ge;
        } else if (comparison->op == Op::set_less_unsigned) {
            inst.condition = taken_when_true ? ir::Condition::ltu : ir::Condition::geu;
        } else {
            return;
        }
        inst.a = comparison->a;
        inst.b = is_zero ? kZero : comparison->b;
        inst.imm = is_zero ? 0 : comparison->imm;
    }

    /// jalr behind auipc.
    void known_target(Inst& inst) {
        const Fact& base = facts_.of(inst.a);
        if (base.kind == Fact::Kind::page && fits(base.value + inst.imm)) {
            inst.op = Op::jump;
            inst.a = kNone;
            // A page begins at an even address.
            inst.target = {.internal = false, .block = 0, .offset = (base.value + inst.imm) & -2};
            inst.imm = 0;
            if (inst.hint == ir::Hint::ret) {
                inst.hint = ir::Hint::none;
            }
        }
    }

    ir::Block& block_;
    Facts& facts_;
    std::size_t number_ = 0;  ///< Of the current instruction.
};

}  // namespace

void fold(ir::Region& region) {
    Facts facts(region);
    for (ir::Block& block : region.blocks) {
        Folder(block, facts).run();
    }
}

}  // namespace vmm::dbt::opt
