// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/dbt/ir/ir.hpp"

#include <cstdint>
#include <string_view>

/// What each operation looks like: for whatever treats instructions alike.
namespace vmm::dbt::ir {

/// What an operand may be.
enum class Operand : std::uint8_t {
    none,              ///< kNone
    integer,           ///< x register or temporary
    optional_integer,  ///< the same, or kNone
    floating,          ///< f register
    guest,             ///< as the guest instruction of a float_op has it
};

/// Classes of operations.
enum class Kind : std::uint8_t {
    pure,        ///< Nothing but dst depends on it.
    memory,      ///< May fault, may be a device.
    state,       ///< Changes what is not a variable.
    side_exit,   ///< branch
    terminator,  ///< Ends a block (system: unless it falls through).
};

struct Shape {
    std::string_view name;
    Kind kind = Kind::pure;
    Operand dst = Operand::none;
    Operand a = Operand::none;
    Operand b = Operand::none;
    bool has_word = false;  ///< Inst::word has a meaning.
};

const Shape& shape_of(Op op);

inline bool may_fault(Op op) {
    return shape_of(op).kind == Kind::memory || op == Op::system;
}
inline bool ends_block(const Inst& inst) {
    return shape_of(inst.op).kind == Kind::terminator
           && !(inst.op == Op::system && inst.falls_through);
}
/// Accesses that may have a probe.
inline bool is_plain_access(Op op) {
    return op >= Op::load && op <= Op::store_float;
}
inline bool is_store(Op op) {
    return op == Op::store || op == Op::store_float;
}
/// Whether the instruction does nothing but write dst.
inline bool is_pure(Op op) {
    return shape_of(op).kind == Kind::pure;
}

}  // namespace vmm::dbt::ir
