// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/dbt/runtime/float_constants.hpp"
#include "cpu/dbt/x64/emitter.hpp"
#include "cpu/dbt/x64/float_assembler.hpp"

#include <cstdint>

namespace vmm::dbt {

/// Emits one floating-point instruction.
///
/// A sequence gives the result and the flags of the specification by itself, flags in MXCSR. What
/// host instructions do not give, it leaves to out-of-line code that executes the instruction in
/// C++ and joins again behind the sequence. Up to such a side exit a sequence has changed nothing
/// but scratch registers and flags that the instruction raises in any case.
class FloatEmitter {
public:
    FloatEmitter(Emitter& emitter, const ir::Inst& inst)
        : e_(emitter)
        , a_(emitter.a)
        , inst_(inst)
        , f_(emitter.a, emitter.features.avx) {}

    void emit();

private:
    using Gp = Emitter::Gp;
    using Xmm = Emitter::Xmm;
    using Mem = Emitter::Mem;
    using Operand = asmjit::Operand;
    using Label = asmjit::Label;
    /// A host instruction for singles and for doubles.
    struct Scalar {
        FloatAssembler::Instruction single, wide;
    };
    enum class SignRule : std::uint8_t { copy, negate, exclusive };
    static constexpr Scalar kCompareQuiet{
        {host::kIdVucomiss, host::kIdUcomiss}, {host::kIdVucomisd, host::kIdUcomisd}
    };
    static constexpr Scalar kCompareSignaling{
        {host::kIdVcomiss, host::kIdComiss}, {host::kIdVcomisd, host::kIdComisd}
    };
    static constexpr FloatAssembler::Instruction kAnd{host::kIdVandps, host::kIdAndps};
    static constexpr FloatAssembler::Instruction kAndNot{host::kIdVandnps, host::kIdAndnps};
    static constexpr FloatAssembler::Instruction kOr{host::kIdVorps, host::kIdOrps};
    static constexpr FloatAssembler::Instruction kXor{host::kIdVxorps, host::kIdXorps};

    // Which sequence (emit_float.cpp). False: not of the kind.
    bool emit_arithmetic();
    bool emit_bits();
    bool emit_conversion();

    // Arithmetic (emit_float.cpp).
    void binary(const Scalar& operation, ir::Var left, ir::Var right);
    void commutative(const Scalar& operation);
    /// Of a and b, only the second may be a memory operand.
    bool in_memory_first() const { return !e_.resident(inst_.a) && e_.resident(inst_.b); }
    void square_root();
    void fused(std::uint32_t single, std::uint32_t wide);
    void narrow();
    void widen();

    // What compares or looks at bits (emit_float_bits.cpp).
    void inject_sign(SignRule rule);
    void choose(const Scalar& operation, FloatAssembler::Instruction combine);
    void compare_equal();
    void compare_less(bool or_equal);
    void classify();
    void move_to_integer();
    void move_from_integer();

    // Conversions from and to integers (emit_float_convert.cpp).
    void to_integer(unsigned bits, bool is_signed);
    void limit_unsigned(unsigned bits, const Xmm& from);
    void convert(const Gp& to, const Xmm& from, bool truncate);
    void from_integer(unsigned bits, bool is_signed);
    void from_unsigned(const Gp& value, const Xmm& to, const FloatAssembler::Instruction& convert);

    // Shared (emit_float.cpp).
    const FloatAssembler::Instruction& of(const Scalar& scalar) const {
        return single_ ? scalar.single : scalar.wide;
    }
    /// The operand, a number: a single that is not NaN-boxed takes the side exit.
    Xmm number(ir::Var v, const Xmm& scratch);
    Operand number_or_memory(ir::Var v);
    void need_boxed(ir::Var v);
    bool is_boxed(ir::Var v) const { return (e_.boxed >> (v - ir::kFirstFloat) & 1) != 0; }
    /// Replaces a NaN in `value` by the canonical one.
    void canonicalise(const Xmm& value);
    /// The same for `value` = x * y + something; raises NV when the product is infinity * 0.
    void canonicalise_fused(const Xmm& value);
    /// No sequence: executes the instruction in C++.
    void slow();
    /// The side exit.
    const Label& slow_exit();
    /// The result is in the register that define() or define_float() gave: what side exits join.
    void finish(const Gp& result);
    void finish(const Xmm& result);
    Mem constant(const FloatConstant FloatConstants::Format::* which) const;
    Mem shared_constant(const FloatConstant FloatConstants::* which) const;
    /// Around an operation that rounds otherwise than MXCSR has it. Clobbers ecx.
    void begin_rounding();
    void end_rounding();
    void set_rounding(unsigned rounding);
    /// MXCSR.RC for a riscv::Rounding; nearest even for those that hosts lack.
    static unsigned rounding_control(unsigned rounding);
    /// Whether the instruction rounds otherwise than MXCSR has it.
    bool has_own_rounding() const {
        return rounding_control(inst_.rm) != rounding_control(e_.mode.frm);
    }

    Emitter& e_;
    asmjit::x86::Assembler& a_;
    const ir::Inst& inst_;
    FloatAssembler f_;
    bool single_ = false;  ///< F operands are singles, and so is an f result.
    Label slow_;           ///< Valid when there is a side exit.
};

}  // namespace vmm::dbt
