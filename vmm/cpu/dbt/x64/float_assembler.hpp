// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <asmjit/x86.h>

#include <cstdint>

namespace vmm::dbt {

/// Names of host instructions.
namespace host = asmjit::x86::Inst;

/// Scalar floating-point instructions in a three-operand form, written as AVX where the host has
/// it and as SSE2 with moves around them elsewhere.
///
/// Bits above a scalar result come from the first source, as AVX has it: a single computed from a
/// NaN-boxed first source is NaN-boxed.
class FloatAssembler {
public:
    using Xmm = asmjit::x86::Xmm;
    using Operand = asmjit::Operand_;
    /// An instruction in both encodings.
    struct Instruction {
        std::uint32_t avx, sse;
    };

    FloatAssembler(asmjit::x86::Assembler& assembler, bool avx)
        : a_(assembler)
        , avx_(avx) {}

    /// to = left op right. `right` may be memory. `spare` is used without AVX, when `to` is `right`
    /// and not `left`.
    void operate(
        Instruction instruction,
        const Xmm& to,
        const Xmm& left,
        const Operand& right,
        const Xmm& spare = asmjit::x86::xmm2
    ) {
        if (avx_) {
            a_.emit(instruction.avx, to, left, right);
        } else if (to == left) {
            a_.emit(instruction.sse, to, right);
        } else if (right == to) {
            a_.movaps(spare, to);
            a_.movaps(to, left);
            a_.emit(instruction.sse, to, spare);
        } else {
            a_.movaps(to, left);
            a_.emit(instruction.sse, to, right);
        }
    }
    /// An instruction with two operands in both encodings.
    void operate(Instruction instruction, const Operand& to, const Operand& from) {
        a_.emit(avx_ ? instruction.avx : instruction.sse, to, from);
    }

    void move(const Xmm& to, const Xmm& from) {
        if (to != from) {
            operate({host::kIdVmovaps, host::kIdMovaps}, to, from);
        }
    }
    /// Loads 8 bytes and clears what is above them.
    void load(const Xmm& to, const asmjit::x86::Mem& from) {
        operate({host::kIdVmovsd, host::kIdMovsd}, to, from);
    }
    void move_bits(const asmjit::x86::Gp& to, const Xmm& from) {
        to.isGpq() ? operate({host::kIdVmovq, host::kIdMovq}, to, from)
                   : operate({host::kIdVmovd, host::kIdMovd}, to, from);
    }
    void move_bits(const Xmm& to, const asmjit::x86::Gp& from) {
        from.isGpq() ? operate({host::kIdVmovq, host::kIdMovq}, to, from)
                     : operate({host::kIdVmovd, host::kIdMovd}, to, from);
    }
    // Neither waits for an earlier value of `to`.
    void clear(const Xmm& to) { operate({host::kIdVxorps, host::kIdXorps}, to, to, to); }
    void fill(const Xmm& to) { operate({host::kIdVpcmpeqd, host::kIdPcmpeqd}, to, to, to); }

private:
    asmjit::x86::Assembler& a_;
    bool avx_;
};

}  // namespace vmm::dbt
