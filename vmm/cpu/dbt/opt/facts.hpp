// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/dbt/ir/ir.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace vmm::dbt::opt {

/// What is known of one variable at one point of a block.
struct Fact {
    enum class Kind : std::uint8_t {
        unknown,
        constant,  ///< `value`
        page,      ///< Address of the page + `value`
        copy,      ///< What `source` was when it had `source_version`
    };

    Kind kind = Kind::unknown;
    bool sign_extended_32 = false;  ///< Bits 63..32 equal bit 31.
    std::uint8_t bits = 64;         ///< The value is below 2^bits.
    ir::Var source = ir::kNone;
    std::uint32_t source_version = 0;
    std::int64_t value = 0;
    std::uint32_t version = 0;  ///< Counts the writes of the variable.
    std::uint32_t block = 0;    ///< Which block this was learnt in; others know nothing.
    std::int32_t definition = -1;
    std::uint32_t a_version = 0;  ///< Versions that the definition's operands had.
    std::uint32_t b_version = 0;
};

/// Facts of all variables while one walks a block from its first instruction on.
class Facts {
public:
    explicit Facts(const ir::Region& region)
        : facts_(region.next_temp) {}

    void enter_block(const ir::Block& block) {
        block_ = &block;
        ++number_;
    }

    /// What is known now.
    const Fact& of(ir::Var var) { return at(var); }
    /// The constant that a variable is, if it is one.
    std::optional<std::int64_t> constant(ir::Var var);
    /// Where its value also is: the variable itself, or the one that it is a copy of.
    ir::Var origin(ir::Var var);
    /// The pure instruction that made its value, if the operands still have those that it took.
    const ir::Inst* definition(ir::Var var);
    /// The number of the pure instruction that made its value; -1: not in this block.
    std::int32_t definition_number(ir::Var var) { return at(var).definition; }
    /// The number of the pure instruction that made its value from its own old one, if the other
    /// operand still has the value that it took: -1 otherwise.
    std::int32_t update(ir::Var var);

    /// Takes note of what `block.insts[number]` writes.
    void learn(std::size_t number);
    /// The value may be another than the one that was learnt.
    void forget(ir::Var var);

private:
    Fact& at(ir::Var var);
    bool has_version(ir::Var var, std::uint32_t version);

    std::vector<Fact> facts_;
    const ir::Block* block_ = nullptr;
    std::uint32_t number_ = 0;
};

/// What a pure operation makes of constants; nothing for those that hardly ever have two.
std::optional<std::int64_t> evaluate(const ir::Inst& inst, std::int64_t a, std::int64_t b);

}  // namespace vmm::dbt::opt
