// SPDX-License-Identifier: Apache-2.0
// The F and D extensions. Arithmetic runs on the host's unit, whose sticky flags are the guest's
// until somebody reads fflags; what the host would get wrong has a path of its own:
//   - rounding modes other than the default change the host's mode around the one operation, and
//     RMM, which hosts lack, is computed by soft_float;
//   - NaN results become canonical, narrower operands are unboxed, results boxed;
//   - inf * 0 + quiet NaN raises NV; comparisons and min/max raise NV as RISC-V has it;
//   - conversions to integers saturate (soft_float).
// imm: bits 0..2 rounding mode field, bits 3..7 rs3.
#include "cpu/common/float_environment.hpp"
#include "cpu/interp/ops.hpp"
#include "cpu/riscv/float_ops.hpp"

#include <bit>
#include <cmath>
#include <type_traits>

// The compiler must neither fold nor move what changes the flags.
#pragma STDC FENV_ACCESS ON

namespace vmm::interp {
namespace {

namespace soft = riscv::soft;
using riscv::Rounding;
namespace fflag = riscv::fflag;

template <class F>
using Host = std::conditional_t<F::kBits == 32, float, double>;
template <class F>
using Bits = typename F::Bits;

template <class F>
inline Bits<F> operand(const Cpu* cpu, unsigned number) {
    return soft::unbox<F>(cpu->f[number]);
}
using soft::box;

template <class F>
inline Host<F> host(Bits<F> value) {
    return std::bit_cast<Host<F>>(value);
}
template <class F>
inline Bits<F> canonical(Host<F> value) {
    const auto result = std::bit_cast<Bits<F>>(value);
    return soft::is_nan<F>(result) ? soft::kCanonicalNan<F> : result;
}

/// Makes sstatus.FS dirty; false when it is off and the instruction illegal.
inline bool dirty_float_state(Cpu* cpu) {
    if (cpu->float_state == riscv::FloatState::dirty) [[likely]] {
        return true;
    }
    if (cpu->float_state == riscv::FloatState::off) {
        return false;
    }
    cpu->float_state = riscv::FloatState::dirty;
    cpu->hart.set_float_state(riscv::FloatState::dirty);
    return true;
}

inline unsigned rounding_of(const Insn* ip, const Cpu* cpu) {
    const auto field = static_cast<unsigned>(ip->imm) & 7;
    return field == 7 ? cpu->frm : field;
}
constexpr unsigned kNearestEven = 0;
constexpr unsigned kReservedRounding = 5;  // and above
inline unsigned rs3_of(const Insn* ip) {
    return static_cast<unsigned>(ip->imm) >> 3 & 31;
}

// The operations: `hosted` under the host's current rounding, `soft` for any mode. NaN operands
// need no care in `hosted`, the result is made canonical.
// clang-format off
#define COPS_BINARY(name, expression, function)                                                    \
    struct name {                                                                                  \
        template <class F> static Host<F> hosted(Bits<F> a, Bits<F> b, Bits<F>, unsigned&) {       \
            const Host<F> x = host<F>(a), y = host<F>(b);                                          \
            return expression;                                                                     \
        }                                                                                          \
        template <class F>                                                                         \
        static Bits<F> softly(Bits<F> a, Bits<F> b, Bits<F>, Rounding rounding, unsigned& flags) { \
            return soft::function<F>(a, b, rounding, flags);                                       \
        }                                                                                          \
    };
COPS_BINARY(Add, x + y, add)
COPS_BINARY(Mul, x * y, mul)
COPS_BINARY(Div, x / y, div)
#undef COPS_BINARY
// clang-format on

struct Sub {
    template <class F>
    static Host<F> hosted(Bits<F> a, Bits<F> b, Bits<F>, unsigned&) {
        return host<F>(a) - host<F>(b);
    }
    template <class F>
    static Bits<F> softly(Bits<F> a, Bits<F> b, Bits<F>, Rounding rounding, unsigned& flags) {
        return soft::add<F>(a, b ^ soft::kSignBit<F>, rounding, flags);
    }
};

struct Sqrt {
    template <class F>
    static Host<F> hosted(Bits<F> a, Bits<F>, Bits<F>, unsigned&) {
        return __builtin_elementwise_sqrt(host<F>(a));
    }
    template <class F>
    static Bits<F> softly(Bits<F> a, Bits<F>, Bits<F>, Rounding rounding, unsigned& flags) {
        return soft::sqrt<F>(a, rounding, flags);
    }
};

/// (negate_product ? -1 : 1) * a * b + (negate_addend ? -1 : 1) * c
template <bool negate_product, bool negate_addend>
struct Fused {
    template <class F>
    static Bits<F> flip(Bits<F> value, bool negate) {
        return negate ? value ^ soft::kSignBit<F> : value;
    }
    template <class F>
    static Host<F> hosted(Bits<F> a, Bits<F> b, Bits<F> c, unsigned& flags) {
        if (soft::is_nan<F>(c)) [[unlikely]] {
            // Hosts raise nothing for inf * 0 + quiet NaN; RISC-V raises NV.
            unsigned raised = 0;
            const Bits<F> result = soft::fma<F>(a, b, c, Rounding::nearest_even, raised);
            flags |= raised;
            return host<F>(result);
        }
        return std::fma(
            host<F>(flip<F>(a, negate_product)), host<F>(b), host<F>(flip<F>(c, negate_addend))
        );
    }
    template <class F>
    static Bits<F> softly(Bits<F> a, Bits<F> b, Bits<F> c, Rounding rounding, unsigned& flags) {
        return soft::fma<F>(
            flip<F>(a, negate_product), b, flip<F>(c, negate_addend), rounding, flags
        );
    }
};

template <class F, class Operation>
COPS_OP(arithmetic_slow) {
    const unsigned mode = rounding_of(ip, cpu);
    if (mode >= kReservedRounding || !dirty_float_state(cpu)) {
        COPS_TAIL(op_illegal);
    }
    const Bits<F> a = operand<F>(cpu, ip->rs1);
    const Bits<F> b = operand<F>(cpu, ip->rs2);
    const Bits<F> c = operand<F>(cpu, rs3_of(ip));
    unsigned flags = 0;
    Bits<F> result = 0;
    if (static_cast<Rounding>(mode) == Rounding::nearest_away) {
        result = Operation::template softly<F>(a, b, c, Rounding::nearest_away, flags);
    } else {
        set_host_rounding(static_cast<Rounding>(mode));
        result = canonical<F>(Operation::template hosted<F>(a, b, c, flags));
        set_host_rounding(Rounding::nearest_even);
    }
    cpu->hart.state.fcsr |= flags;
    cpu->f[ip->rd] = box<F>(result);
    COPS_NEXT();
}

template <class F, class Operation>
COPS_OP(arithmetic) {
    if (rounding_of(ip, cpu) != kNearestEven || cpu->float_state != riscv::FloatState::dirty)
        [[unlikely]] {
        COPS_TAIL((arithmetic_slow<F, Operation>));
    }
    const Bits<F> a = operand<F>(cpu, ip->rs1);
    const Bits<F> b = operand<F>(cpu, ip->rs2);
    cpu->f[ip->rd] = box<F>(canonical<F>(Operation::template hosted<F>(a, b, 0, cpu->fflags)));
    COPS_NEXT();
}

template <class F, class Operation>
COPS_OP(fused) {
    if (rounding_of(ip, cpu) != kNearestEven || cpu->float_state != riscv::FloatState::dirty)
        [[unlikely]] {
        COPS_TAIL((arithmetic_slow<F, Operation>));
    }
    const Bits<F> a = operand<F>(cpu, ip->rs1);
    const Bits<F> b = operand<F>(cpu, ip->rs2);
    const Bits<F> c = operand<F>(cpu, rs3_of(ip));
    cpu->f[ip->rd] = box<F>(canonical<F>(Operation::template hosted<F>(a, b, c, cpu->fflags)));
    COPS_NEXT();
}

// Operations on bits, that don't round.

struct CopySign {
    template <class F>
    static Bits<F> of(Bits<F> a, Bits<F> b, unsigned&) {
        return (a & ~soft::kSignBit<F>) | (b & soft::kSignBit<F>);
    }
};
struct CopySignNegated {
    template <class F>
    static Bits<F> of(Bits<F> a, Bits<F> b, unsigned&) {
        return (a & ~soft::kSignBit<F>) | (~b & soft::kSignBit<F>);
    }
};
struct XorSign {
    template <class F>
    static Bits<F> of(Bits<F> a, Bits<F> b, unsigned&) {
        return a ^ (b & soft::kSignBit<F>);
    }
};

template <bool maximum>
struct Choose {
    template <class F>
    static Bits<F> of(Bits<F> a, Bits<F> b, unsigned& flags) {
        return soft::choose<F>(a, b, maximum, flags);
    }
};

template <class F, class Operation>
COPS_OP(bitwise) {
    if (!dirty_float_state(cpu)) [[unlikely]] {
        COPS_TAIL(op_illegal);
    }
    cpu->f[ip->rd] = box<F>(
        Operation::template of<F>(operand<F>(cpu, ip->rs1), operand<F>(cpu, ip->rs2), cpu->fflags)
    );
    COPS_NEXT();
}

// Comparisons, by bits so that no host flag is raised.

struct Equal {
    static constexpr bool kSignals = false;
    template <class F>
    static bool of(Bits<F> a, Bits<F> b) {
        return soft::equal<F>(a, b);
    }
};
struct Less {
    static constexpr bool kSignals = true;
    template <class F>
    static bool of(Bits<F> a, Bits<F> b) {
        return soft::less<F>(a, b);
    }
};
struct LessEqual {
    static constexpr bool kSignals = true;
    template <class F>
    static bool of(Bits<F> a, Bits<F> b) {
        return soft::equal<F>(a, b) || soft::less<F>(a, b);
    }
};

template <class F, class Comparison>
COPS_OP(compare) {
    if (!dirty_float_state(cpu)) [[unlikely]] {
        COPS_TAIL(op_illegal);
    }
    const Bits<F> a = operand<F>(cpu, ip->rs1);
    const Bits<F> b = operand<F>(cpu, ip->rs2);
    bool result = false;
    if (soft::is_nan<F>(a) || soft::is_nan<F>(b)) {
        if (Comparison::kSignals || soft::is_signaling<F>(a) || soft::is_signaling<F>(b)) {
            cpu->fflags |= fflag::kInvalid;
        }
    } else {
        result = Comparison::template of<F>(a, b);
    }
    cpu->x[ip->rd] = result ? 1 : 0;
    COPS_NEXT();
}

template <class F>
COPS_OP(fclass) {
    if (cpu->float_state == riscv::FloatState::off) [[unlikely]] {
        COPS_TAIL(op_illegal);
    }
    cpu->x[ip->rd] = soft::classify<F>(operand<F>(cpu, ip->rs1));
    COPS_NEXT();
}

// Conversions. All but a few exact ones go through soft_float.

template <class F, int bits, bool is_signed>
COPS_OP(to_integer) {
    const unsigned mode = rounding_of(ip, cpu);
    if (mode >= kReservedRounding || !dirty_float_state(cpu)) [[unlikely]] {
        COPS_TAIL(op_illegal);
    }
    cpu->x[ip->rd] = soft::to_integer<F>(
        operand<F>(cpu, ip->rs1), bits, is_signed, static_cast<Rounding>(mode), cpu->fflags
    );
    COPS_NEXT();
}

template <class F, int bits, bool is_signed>
COPS_OP(from_integer) {
    const unsigned mode = rounding_of(ip, cpu);
    if (mode >= kReservedRounding || !dirty_float_state(cpu)) [[unlikely]] {
        COPS_TAIL(op_illegal);
    }
    cpu->f[ip->rd] = box<F>(soft::from_register<F>(
        cpu->x[ip->rs1], bits, is_signed, static_cast<Rounding>(mode), cpu->fflags
    ));
    COPS_NEXT();
}

}  // namespace

COPS_OP(op_fcvt_s_d) {
    const unsigned mode = rounding_of(ip, cpu);
    if (mode >= kReservedRounding || !dirty_float_state(cpu)) [[unlikely]] {
        COPS_TAIL(op_illegal);
    }
    cpu->f[ip->rd] =
        box<soft::F32>(soft::narrow(cpu->f[ip->rs1], static_cast<Rounding>(mode), cpu->fflags));
    COPS_NEXT();
}

COPS_OP(op_fcvt_d_s) {
    if (rounding_of(ip, cpu) >= kReservedRounding || !dirty_float_state(cpu)) [[unlikely]] {
        COPS_TAIL(op_illegal);
    }
    const double wide = host<soft::F32>(operand<soft::F32>(cpu, ip->rs1));
    cpu->f[ip->rd] = canonical<soft::F64>(wide);
    COPS_NEXT();
}

COPS_OP(op_fmv_x_w) {
    if (cpu->float_state == riscv::FloatState::off) [[unlikely]] {
        COPS_TAIL(op_illegal);
    }
    cpu->x[ip->rd] =
        static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(cpu->f[ip->rs1])});
    COPS_NEXT();
}

COPS_OP(op_fmv_x_d) {
    if (cpu->float_state == riscv::FloatState::off) [[unlikely]] {
        COPS_TAIL(op_illegal);
    }
    cpu->x[ip->rd] = cpu->f[ip->rs1];
    COPS_NEXT();
}

COPS_OP(op_fmv_w_x) {
    if (!dirty_float_state(cpu)) [[unlikely]] {
        COPS_TAIL(op_illegal);
    }
    cpu->f[ip->rd] = box<soft::F32>(static_cast<std::uint32_t>(cpu->x[ip->rs1]));
    COPS_NEXT();
}

COPS_OP(op_fmv_d_x) {
    if (!dirty_float_state(cpu)) [[unlikely]] {
        COPS_TAIL(op_illegal);
    }
    cpu->f[ip->rd] = cpu->x[ip->rs1];
    COPS_NEXT();
}

// clang-format off
#define COPS_FLOAT(suffix, F)                                                                      \
    COPS_OP(op_fadd_##suffix)    { COPS_TAIL((arithmetic<soft::F, Add>)); }                        \
    COPS_OP(op_fsub_##suffix)    { COPS_TAIL((arithmetic<soft::F, Sub>)); }                        \
    COPS_OP(op_fmul_##suffix)    { COPS_TAIL((arithmetic<soft::F, Mul>)); }                        \
    COPS_OP(op_fdiv_##suffix)    { COPS_TAIL((arithmetic<soft::F, Div>)); }                        \
    COPS_OP(op_fsqrt_##suffix)   { COPS_TAIL((arithmetic<soft::F, Sqrt>)); }                       \
    COPS_OP(op_fmadd_##suffix)   { COPS_TAIL((fused<soft::F, Fused<false, false>>)); }             \
    COPS_OP(op_fmsub_##suffix)   { COPS_TAIL((fused<soft::F, Fused<false, true>>)); }              \
    COPS_OP(op_fnmsub_##suffix)  { COPS_TAIL((fused<soft::F, Fused<true, false>>)); }              \
    COPS_OP(op_fnmadd_##suffix)  { COPS_TAIL((fused<soft::F, Fused<true, true>>)); }               \
    COPS_OP(op_fsgnj_##suffix)   { COPS_TAIL((bitwise<soft::F, CopySign>)); }                      \
    COPS_OP(op_fsgnjn_##suffix)  { COPS_TAIL((bitwise<soft::F, CopySignNegated>)); }               \
    COPS_OP(op_fsgnjx_##suffix)  { COPS_TAIL((bitwise<soft::F, XorSign>)); }                       \
    COPS_OP(op_fmin_##suffix)    { COPS_TAIL((bitwise<soft::F, Choose<false>>)); }                 \
    COPS_OP(op_fmax_##suffix)    { COPS_TAIL((bitwise<soft::F, Choose<true>>)); }                  \
    COPS_OP(op_feq_##suffix)     { COPS_TAIL((compare<soft::F, Equal>)); }                         \
    COPS_OP(op_flt_##suffix)     { COPS_TAIL((compare<soft::F, Less>)); }                          \
    COPS_OP(op_fle_##suffix)     { COPS_TAIL((compare<soft::F, LessEqual>)); }                     \
    COPS_OP(op_fclass_##suffix)  { COPS_TAIL(fclass<soft::F>); }                                   \
    COPS_OP(op_fcvt_w_##suffix)  { COPS_TAIL((to_integer<soft::F, 32, true>)); }                   \
    COPS_OP(op_fcvt_wu_##suffix) { COPS_TAIL((to_integer<soft::F, 32, false>)); }                  \
    COPS_OP(op_fcvt_l_##suffix)  { COPS_TAIL((to_integer<soft::F, 64, true>)); }                   \
    COPS_OP(op_fcvt_lu_##suffix) { COPS_TAIL((to_integer<soft::F, 64, false>)); }                  \
    COPS_OP(op_fcvt_##suffix##_w)  { COPS_TAIL((from_integer<soft::F, 32, true>)); }               \
    COPS_OP(op_fcvt_##suffix##_wu) { COPS_TAIL((from_integer<soft::F, 32, false>)); }              \
    COPS_OP(op_fcvt_##suffix##_l)  { COPS_TAIL((from_integer<soft::F, 64, true>)); }               \
    COPS_OP(op_fcvt_##suffix##_lu) { COPS_TAIL((from_integer<soft::F, 64, false>)); }

COPS_FLOAT(s, F32)
COPS_FLOAT(d, F64)
// clang-format on

}  // namespace vmm::interp
