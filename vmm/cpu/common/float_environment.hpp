// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/riscv/encoding.hpp"

#include <cfenv>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

/// The host's floating-point unit while guest code runs: it rounds to nearest even, traps nothing,
/// and its sticky flags are the guest's fflags that have not been collected yet.
namespace vmm {

#if defined(__x86_64__)
// Reading the control register is far cheaper than what <cfenv> does for the x87 as well.
using FloatEnvironment = unsigned;
inline constexpr unsigned kMxcsrGuest = 0x1f80;  // all exceptions masked, no flag set
inline constexpr unsigned kMxcsrFlags = 0x3f;

inline FloatEnvironment read_float_environment() {
    return _mm_getcsr();
}
inline void write_float_environment(FloatEnvironment to) {
    _mm_setcsr(to);
}
inline void enter_guest_float() {
    _mm_setcsr(kMxcsrGuest);
}

/// The guest's view of the flags raised since the last call.
inline unsigned take_float_flags() {
    const unsigned mxcsr = _mm_getcsr();
    if ((mxcsr & kMxcsrFlags) == 0) {
        return 0;
    }
    _mm_setcsr(mxcsr & ~kMxcsrFlags);
    return (mxcsr & 1 ? riscv::fflag::kInvalid : 0) | (mxcsr & 4 ? riscv::fflag::kDivideByZero : 0)
           | (mxcsr & 8 ? riscv::fflag::kOverflow : 0) | (mxcsr & 16 ? riscv::fflag::kUnderflow : 0)
           | (mxcsr & 32 ? riscv::fflag::kInexact : 0);
}

inline void set_host_rounding(riscv::Rounding to) {
    // RC field, bits 13..14: nearest, down, up, toward zero.
    unsigned rc = 0;
    switch (to) {
    case riscv::Rounding::down:
        rc = 1;
        break;
    case riscv::Rounding::up:
        rc = 2;
        break;
    case riscv::Rounding::toward_zero:
        rc = 3;
        break;
    default:
        break;
    }
    _mm_setcsr((_mm_getcsr() & ~0x6000U) | rc << 13);
}
#else
using FloatEnvironment = std::fenv_t;

inline FloatEnvironment read_float_environment() {
    FloatEnvironment environment;
    std::fegetenv(&environment);
    return environment;
}
inline void write_float_environment(const FloatEnvironment& to) {
    std::fesetenv(&to);
}
inline void enter_guest_float() {
    std::fesetenv(FE_DFL_ENV);
}

inline unsigned take_float_flags() {
    const int raised = std::fetestexcept(FE_ALL_EXCEPT);
    std::feclearexcept(FE_ALL_EXCEPT);
    return (raised & FE_INVALID ? riscv::fflag::kInvalid : 0)
           | (raised & FE_DIVBYZERO ? riscv::fflag::kDivideByZero : 0)
           | (raised & FE_OVERFLOW ? riscv::fflag::kOverflow : 0)
           | (raised & FE_UNDERFLOW ? riscv::fflag::kUnderflow : 0)
           | (raised & FE_INEXACT ? riscv::fflag::kInexact : 0);
}

inline void set_host_rounding(riscv::Rounding to) {
    switch (to) {
    case riscv::Rounding::down:
        std::fesetround(FE_DOWNWARD);
        break;
    case riscv::Rounding::up:
        std::fesetround(FE_UPWARD);
        break;
    case riscv::Rounding::toward_zero:
        std::fesetround(FE_TOWARDZERO);
        break;
    default:
        std::fesetround(FE_TONEAREST);
        break;
    }
}
#endif

/// Guest code runs inside; the host's environment is back afterwards.
class GuestFloatScope {
public:
    GuestFloatScope()
        : host_(read_float_environment()) {
        enter_guest_float();
    }
    ~GuestFloatScope() { write_float_environment(host_); }
    GuestFloatScope(const GuestFloatScope&) = delete;
    GuestFloatScope& operator=(const GuestFloatScope&) = delete;

private:
    FloatEnvironment host_;
};

/// Calls into the rest of the VMM stand inside, so that floating point there raises no guest flag
/// and rounds as the host does.
class HostFloatScope {
public:
    HostFloatScope()
        : guest_(read_float_environment()) {
        enter_guest_float();  // the host's defaults too
    }
    ~HostFloatScope() { write_float_environment(guest_); }
    HostFloatScope(const HostFloatScope&) = delete;
    HostFloatScope& operator=(const HostFloatScope&) = delete;

private:
    FloatEnvironment guest_;
};

}  // namespace vmm
