// SPDX-License-Identifier: Apache-2.0
#include "cpu/dbt/ir/print.hpp"

#include "cpu/dbt/ir/shape.hpp"

#include <array>
#include <string_view>

namespace vmm::dbt::ir {
namespace {

std::string hex(std::uint64_t value) {
    std::string digits;
    do {
        digits.insert(digits.begin(), "0123456789abcdef"[value & 15]);
        value >>= 4;
    } while (value != 0);
    return "0x" + digits;
}

std::string_view word_for(Condition condition) {
    constexpr std::array<std::string_view, 6> kNames = {"eq", "ne", "lt", "ge", "ltu", "geu"};
    return kNames[static_cast<std::size_t>(condition)];
}

std::string_view word_for(Hint hint) {
    constexpr std::array<std::string_view, 6> kNames = {
        "", "call", "ret", "poll", "counted", "breakpoint"
    };
    return kNames[static_cast<std::size_t>(hint)];
}

std::string_view mnemonic_of(riscv::Op op) {
    if (op == riscv::Op::illegal) {
        return "illegal";
    }
    return riscv::instruction_table()[static_cast<std::size_t>(op) - 1].mnemonic;
}

std::string word_for(const Target& target) {
    if (target.internal) {
        return "block " + std::to_string(target.block);
    }
    return "page " + std::string(target.offset < 0 ? "-" : "+")
           + hex(static_cast<std::uint64_t>(target.offset < 0 ? -target.offset : target.offset));
}

/// What stands behind the operation's name.
std::string suffix(const Inst& inst) {
    std::string text;
    const auto dot = [&text](std::string_view part) { (text += '.') += part; };
    if (inst.word) {
        dot("w");
    }
    if (inst.op == Op::shift_add) {
        dot(std::to_string(inst.scale));
    }
    if (inst.op == Op::branch) {
        dot(word_for(inst.condition));
    }
    if (inst.op == Op::float_op || inst.op == Op::system) {
        dot(mnemonic_of(inst.guest));
    }
    if (inst.hint != Hint::none) {
        dot(word_for(inst.hint));
    }
    if (shape_of(inst.op).kind == Kind::memory) {
        dot((inst.op == Op::load ? inst.sign ? "s" : "u" : "") + std::to_string(inst.size * 8));
    }
    if (inst.op == Op::probe) {
        dot((inst.store ? "store" : "load") + std::to_string(inst.span));
        if (inst.by_address) {
            dot("by_address");
        }
    }
    if (inst.aq) {
        dot("aq");
    }
    if (inst.rl) {
        dot("rl");
    }
    return text;
}

void append_operand(std::string& list, const std::string& operand) {
    if (!list.empty()) {
        list += ", ";
    }
    list += operand;
}

std::string operands(const Inst& inst) {
    const Shape& shape = shape_of(inst.op);
    std::string list;
    const bool is_address = shape.kind == Kind::memory || inst.op == Op::probe;
    if (is_address) {
        list = "[" + name_of(inst.a);
        if (inst.imm != 0) {
            list += (inst.imm < 0 ? " - " : " + ")
                    + std::to_string(inst.imm < 0 ? -inst.imm : inst.imm);
        }
        list += "]";
    } else if (inst.a != kNone) {
        list = name_of(inst.a);
    }
    if (inst.b != kNone) {
        append_operand(list, name_of(inst.b));
    }
    if (inst.c != kNone) {
        append_operand(list, name_of(inst.c));
        if (is_address) {
            list += inst.by_address ? " by address" : " + " + std::to_string(inst.within);
        }
    }
    const bool has_immediate = (shape.b == Operand::optional_integer && inst.b == kNone)
                               || (inst.op == Op::mov && inst.a == kNone)
                               || inst.op == Op::page_address || inst.op == Op::push_return
                               || inst.op == Op::fence
                               || (inst.op == Op::jump_indirect && inst.imm != 0);
    if (has_immediate) {
        append_operand(list, std::to_string(inst.imm));
    }
    if (inst.op == Op::float_op) {
        append_operand(list, "rm " + std::to_string(inst.rm));
    }
    if (inst.op == Op::system) {
        append_operand(list, hex(inst.word_bits));
    }
    if (inst.op == Op::branch || inst.op == Op::jump || inst.op == Op::leave) {
        append_operand(list, word_for(inst.target));
    }
    return list;
}

}  // namespace

std::string name_of(Var var) {
    if (var == kNone) {
        return "-";
    }
    if (is_temp(var)) {
        return "t" + std::to_string(var - kFirstTemp);
    }
    return is_float(var) ? "f" + std::to_string(var - kFirstFloat) : "x" + std::to_string(var);
}

std::string print(const Inst& inst) {
    std::string line;
    if (inst.dst != kNone) {
        line = name_of(inst.dst) + " = ";
    }
    (line += shape_of(inst.op).name) += suffix(inst);
    const std::string list = operands(inst);
    return list.empty() ? line : line + " " + list;
}

std::string print(const Region& region) {
    std::string text;
    for (std::size_t number = 0; number < region.blocks.size(); ++number) {
        const Block& block = region.blocks[number];
        text += "block " + std::to_string(number) + ": " + hex(block.offsets.front()) + ", "
                + std::to_string(block.count()) + " instructions\n";
        for (const Inst& inst : block.insts) {
            text += "  " + std::to_string(inst.index) + ": " + print(inst) + "\n";
        }
    }
    return text;
}

}  // namespace vmm::dbt::ir
