// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/dbt/x64/emitter.hpp"

#include <asmjit/x86.h>

#include <cstdint>

namespace vmm::dbt {

/// Emits one integer operation that only computes, and whose result is wanted.
class IntegerEmitter {
public:
    IntegerEmitter(Emitter& emitter, const ir::Inst& inst)
        : e_(emitter)
        , a(emitter.a)
        , i_(inst) {}

    void emit();

private:
    using Gp = asmjit::x86::Gp;
    using CondCode = asmjit::x86::CondCode;

    static bool fits_32(std::int64_t value);
    /// The 32-bit register of a `word` operation.
    Gp sized(const Gp& reg) const;
    bool same(ir::Var v, const Gp& reg) const;
    asmjit::Operand source(ir::Var v) const;
    /// Keeps flags.
    void move(const Gp& to, ir::Var from);
    void move_value(const Gp& to, ir::Var v);
    /// The second operand in a register.
    Gp second(const Gp& scratch);
    void finish(const Gp& value);

    void constant_or_copy();
    void binary(std::uint32_t id, bool commutative);
    void add();
    void shift(std::uint32_t by_immediate, std::uint32_t by_register);
    void rotate(std::uint32_t id);
    void set_if(CondCode condition);
    void multiply_high(std::uint32_t id);
    void multiply_high_mixed();
    void divide(bool is_signed, bool remainder);
    void choose(CondCode take_second);
    void zero_if(CondCode condition);
    void bit_operation(std::uint32_t id);
    void bit_extract();
    void shift_add();
    void inverted(ir::Op op);
    void extend(std::uint32_t id, unsigned bytes);
    void zero_extend_32();
    void unary(std::uint32_t id);
    void or_combine_bytes();
    void page_address();

    Emitter& e_;
    asmjit::x86::Assembler& a;
    const ir::Inst& i_;
};

}  // namespace vmm::dbt
