// SPDX-License-Identifier: Apache-2.0
#include "cpu/riscv/soft_float.hpp"

#include <bit>

namespace vmm::riscv::soft {
namespace {

__extension__ using Wide = unsigned __int128;

/// A finite, non-zero magnitude: significand * 2^exponent. Bit 0 of a significand that lost bits is
/// 1 ("sticky"), which is all that rounding needs to know of them.
struct Unpacked {
    bool negative;
    int exponent;
    Wide significand;
};

int top_bit(Wide value) {
    const auto high = static_cast<std::uint64_t>(value >> 64);
    return high != 0 ? 127 - std::countl_zero(high)
                     : 63 - std::countl_zero(static_cast<std::uint64_t>(value));
}

/// Shifts right (or left, when negative) and keeps lost bits as a sticky bit.
Wide shift_jam(Wide value, int by) {
    if (by <= 0) {
        return value << -by;
    }
    if (by > 127) {
        return value != 0 ? 1 : 0;
    }
    return value >> by | static_cast<Wide>((value & ((Wide{1} << by) - 1)) != 0);
}

bool round_up(Rounding rounding, bool negative, bool odd, int remainder_vs_half, bool exact) {
    if (exact) {
        return false;
    }
    switch (rounding) {
    case Rounding::nearest_even:
        return remainder_vs_half > 0 || (remainder_vs_half == 0 && odd);
    case Rounding::nearest_away:
        return remainder_vs_half >= 0;
    case Rounding::down:
        return negative;
    case Rounding::up:
        return !negative;
    default:
        return false;
    }
}

/// value / 2^drop rounded to an integer.
Wide round_at(Wide value, int drop, Rounding rounding, bool negative, bool& inexact) {
    if (drop <= 0) {
        inexact = false;
        return value << -drop;
    }
    const Wide kept = drop > 127 ? 0 : value >> drop;
    const Wide rest = drop > 127 ? value : value & ((Wide{1} << drop) - 1);
    // With more than 127 bits dropped, what is left is far below half a unit.
    const Wide half = drop > 127 ? ~Wide{0} : Wide{1} << (drop - 1);
    const int versus = rest > half ? 1 : rest == half ? 0 : -1;
    inexact = rest != 0;
    return kept + (round_up(rounding, negative, (kept & 1) != 0, versus, rest == 0) ? 1 : 0);
}

template <class F>
typename F::Bits signed_zero(bool negative) {
    return negative ? kSignBit<F> : 0;
}

template <class F>
typename F::Bits overflow(bool negative, Rounding rounding, unsigned& flags) {
    flags |= fflag::kOverflow | fflag::kInexact;
    const bool to_infinity =
        rounding == Rounding::nearest_even || rounding == Rounding::nearest_away
        || (rounding == Rounding::up && !negative) || (rounding == Rounding::down && negative);
    return signed_zero<F>(negative) | (kInfinity<F> - (to_infinity ? 0 : 1));
}

template <class F>
typename F::Bits round_pack(const Unpacked& value, Rounding rounding, unsigned& flags) {
    using Bits = typename F::Bits;
    const int top = top_bit(value.significand);
    int exponent = top + value.exponent;  // of the leading bit
    const int normal_drop = top - (F::kPrecision - 1);
    const bool subnormal = exponent < F::kMinExponent;
    const int drop =
        subnormal ? F::kMinExponent - (F::kPrecision - 1) - value.exponent : normal_drop;
    bool inexact = false;
    const Wide rounded = round_at(value.significand, drop, rounding, value.negative, inexact);
    const Bits sign = signed_zero<F>(value.negative);
    if (inexact) {
        flags |= fflag::kInexact;
    }
    if (subnormal) {
        // Tiny after rounding: with an unbounded exponent the result would be below 2^kMinExponent.
        bool unused = false;
        const Wide unbounded =
            round_at(value.significand, normal_drop, rounding, value.negative, unused);
        const bool carried = (unbounded >> F::kPrecision) != 0;
        if (inexact && !(carried && exponent == F::kMinExponent - 1)) {
            flags |= fflag::kUnderflow;
        }
        return sign | static_cast<Bits>(rounded);  // a carry makes the smallest normal number
    }
    Wide significand = rounded;
    if ((significand >> F::kPrecision) != 0) {
        significand >>= 1;
        ++exponent;
    }
    if (exponent > F::kMaxExponent) {
        return overflow<F>(value.negative, rounding, flags);
    }
    const int biased_exponent = exponent + F::kMaxExponent;
    const auto biased = static_cast<Bits>(biased_exponent);
    return sign | biased << (F::kPrecision - 1)
           | (static_cast<Bits>(significand) & kFractionMask<F>);
}

template <class F>
bool is_infinite(typename F::Bits a) {
    return (a & ~kSignBit<F>) == kInfinity<F>;
}
template <class F>
bool is_zero(typename F::Bits a) {
    return (a & ~kSignBit<F>) == 0;
}
template <class F>
bool is_negative(typename F::Bits a) {
    return (a & kSignBit<F>) != 0;
}

/// Takes a finite number apart.
template <class F>
Unpacked unpack(typename F::Bits a) {
    const auto fraction = a & kFractionMask<F>;
    const int biased = static_cast<int>((a & kInfinity<F>) >> (F::kPrecision - 1));
    const auto hidden = biased != 0 ? kFractionMask<F> + 1 : 0;
    return {
        is_negative<F>(a),
        (biased != 0 ? biased : 1) - F::kMaxExponent - (F::kPrecision - 1),
        Wide{fraction | hidden},
    };
}

/// Left-aligns so that the leading bit is `top`.
void align(Unpacked& value, int top) {
    const int by = top - top_bit(value.significand);
    value.significand = shift_jam(value.significand, -by);
    value.exponent -= by;
}

template <class F>
typename F::Bits invalid(unsigned& flags) {
    flags |= fflag::kInvalid;
    return kCanonicalNan<F>;
}

/// Sum of two non-zero numbers; the products that fma() passes are exact.
template <class F>
typename F::Bits sum(Unpacked a, Unpacked b, Rounding rounding, unsigned& flags) {
    align(a, 125);
    align(b, 125);
    if (a.exponent < b.exponent) {
        const Unpacked larger = b;
        b = a;
        a = larger;
    }
    b.significand = shift_jam(b.significand, a.exponent - b.exponent);
    b.exponent = a.exponent;
    if (a.negative == b.negative) {
        a.significand += b.significand;
    } else if (a.significand > b.significand) {
        a.significand -= b.significand;
    } else {
        a.significand = b.significand - a.significand;
        a.negative = b.negative;
    }
    if (a.significand == 0) {
        return signed_zero<F>(rounding == Rounding::down);
    }
    return round_pack<F>(a, rounding, flags);
}

template <class F>
unsigned signaling_flags(typename F::Bits a, typename F::Bits b) {
    return is_signaling<F>(a) || is_signaling<F>(b) ? fflag::kInvalid : 0;
}

}  // namespace

template <class F>
typename F::Bits
fma(typename F::Bits a, typename F::Bits b, typename F::Bits c, Rounding rounding, unsigned& flags
) {
    flags |= signaling_flags<F>(a, b) | signaling_flags<F>(c, c);
    const bool invalid_product =
        (is_infinite<F>(a) && is_zero<F>(b)) || (is_zero<F>(a) && is_infinite<F>(b));
    if (invalid_product) {
        return invalid<F>(flags);  // also with a quiet NaN as c
    }
    if (is_nan<F>(a) || is_nan<F>(b) || is_nan<F>(c)) {
        return kCanonicalNan<F>;
    }
    const bool negative = is_negative<F>(a) != is_negative<F>(b);
    if (is_infinite<F>(a) || is_infinite<F>(b)) {
        if (is_infinite<F>(c) && is_negative<F>(c) != negative) {
            return invalid<F>(flags);
        }
        return signed_zero<F>(negative) | kInfinity<F>;
    }
    if (is_infinite<F>(c)) {
        return c;
    }
    if (is_zero<F>(a) || is_zero<F>(b)) {
        if (is_zero<F>(c)) {
            return is_negative<F>(c) == negative ? c : signed_zero<F>(rounding == Rounding::down);
        }
        return c;
    }
    const Unpacked x = unpack<F>(a);
    const Unpacked y = unpack<F>(b);
    const Unpacked product{negative, x.exponent + y.exponent, x.significand * y.significand};
    return is_zero<F>(c) ? round_pack<F>(product, rounding, flags)
                         : sum<F>(product, unpack<F>(c), rounding, flags);
}

template <class F>
typename F::Bits add(typename F::Bits a, typename F::Bits b, Rounding rounding, unsigned& flags) {
    constexpr auto one = static_cast<typename F::Bits>(F::kMaxExponent) << (F::kPrecision - 1);
    return fma<F>(a, one, b, rounding, flags);
}

template <class F>
typename F::Bits mul(typename F::Bits a, typename F::Bits b, Rounding rounding, unsigned& flags) {
    const bool negative = is_negative<F>(a) != is_negative<F>(b);
    // Adding a zero of the product's own sign changes neither a zero product nor any other.
    return fma<F>(a, b, signed_zero<F>(negative), rounding, flags);
}

template <class F>
typename F::Bits div(typename F::Bits a, typename F::Bits b, Rounding rounding, unsigned& flags) {
    flags |= signaling_flags<F>(a, b);
    if (is_nan<F>(a) || is_nan<F>(b)) {
        return kCanonicalNan<F>;
    }
    const bool negative = is_negative<F>(a) != is_negative<F>(b);
    if (is_infinite<F>(a)) {
        return is_infinite<F>(b) ? invalid<F>(flags) : signed_zero<F>(negative) | kInfinity<F>;
    }
    if (is_infinite<F>(b)) {
        return signed_zero<F>(negative);
    }
    if (is_zero<F>(b)) {
        if (is_zero<F>(a)) {
            return invalid<F>(flags);
        }
        flags |= fflag::kDivideByZero;
        return signed_zero<F>(negative) | kInfinity<F>;
    }
    if (is_zero<F>(a)) {
        return signed_zero<F>(negative);
    }
    Unpacked x = unpack<F>(a);
    Unpacked y = unpack<F>(b);
    align(x, 126);
    align(y, 60);
    const Wide quotient = x.significand / y.significand;
    const Wide remainder = x.significand % y.significand;
    return round_pack<F>(
        {negative, x.exponent - y.exponent, quotient | static_cast<Wide>(remainder != 0)},
        rounding,
        flags
    );
}

template <class F>
typename F::Bits sqrt(typename F::Bits a, Rounding rounding, unsigned& flags) {
    if (is_nan<F>(a)) {
        flags |= signaling_flags<F>(a, a);
        return kCanonicalNan<F>;
    }
    if (is_zero<F>(a)) {
        return a;
    }
    if (is_negative<F>(a)) {
        return invalid<F>(flags);
    }
    if (is_infinite<F>(a)) {
        return a;
    }
    Unpacked x = unpack<F>(a);
    align(x, 126);
    if ((x.exponent & 1) != 0) {
        x.significand >>= 1;  // exact: the low bits are zero
        ++x.exponent;
    }
    Wide root = 0;
    for (int at = 63; at >= 0; --at) {
        const Wide candidate = root | Wide{1} << at;
        if (candidate * candidate <= x.significand) {
            root = candidate;
        }
    }
    const bool exact = root * root == x.significand;
    return round_pack<F>(
        {false, x.exponent / 2 - 1, root << 1 | static_cast<Wide>(!exact)}, rounding, flags
    );
}

std::uint32_t narrow(std::uint64_t a, Rounding rounding, unsigned& flags) {
    if (is_nan<F64>(a)) {
        flags |= signaling_flags<F64>(a, a);
        return kCanonicalNan<F32>;
    }
    const bool negative = is_negative<F64>(a);
    if (is_infinite<F64>(a)) {
        return signed_zero<F32>(negative) | kInfinity<F32>;
    }
    if (is_zero<F64>(a)) {
        return signed_zero<F32>(negative);
    }
    return round_pack<F32>(unpack<F64>(a), rounding, flags);
}

template <class F>
typename F::Bits
from_integer(bool negative, std::uint64_t magnitude, Rounding rounding, unsigned& flags) {
    if (magnitude == 0) {
        return 0;
    }
    return round_pack<F>({negative, 0, Wide{magnitude}}, rounding, flags);
}

namespace {

struct IntegerRange {
    std::uint64_t most;   ///< Largest magnitude of a positive result.
    std::uint64_t least;  ///< Largest magnitude of a negative one.
};

IntegerRange range_of(int bits, bool is_signed) {
    const std::uint64_t all = ~std::uint64_t{0} >> (64 - bits);
    return is_signed ? IntegerRange{all >> 1, (all >> 1) + 1} : IntegerRange{all, 0};
}

std::uint64_t extend_result(std::uint64_t value, int bits) {
    return bits == 32 ? static_cast<std::uint64_t>(
                            static_cast<std::int64_t>(static_cast<std::int32_t>(value))
                        )
                      : value;
}

}  // namespace

template <class F>
std::uint64_t
to_integer(typename F::Bits a, int bits, bool is_signed, Rounding rounding, unsigned& flags) {
    const IntegerRange range = range_of(bits, is_signed);
    const bool negative = is_negative<F>(a) && !is_nan<F>(a);
    const std::uint64_t saturated =
        extend_result(negative ? std::uint64_t{0} - range.least : range.most, bits);
    if (is_nan<F>(a) || is_infinite<F>(a)) {
        flags |= fflag::kInvalid;
        return saturated;
    }
    if (is_zero<F>(a)) {
        return 0;
    }
    const Unpacked x = unpack<F>(a);
    if (x.exponent > 64) {
        flags |= fflag::kInvalid;
        return saturated;
    }
    bool inexact = false;
    const Wide magnitude = round_at(x.significand, -x.exponent, rounding, negative, inexact);
    if (magnitude > (negative ? range.least : range.most)) {
        flags |= fflag::kInvalid;
        return saturated;
    }
    if (inexact) {
        flags |= fflag::kInexact;
    }
    const auto value = static_cast<std::uint64_t>(magnitude);
    return extend_result(negative ? std::uint64_t{0} - value : value, bits);
}

// clang-format off
template std::uint32_t fma<F32>(std::uint32_t, std::uint32_t, std::uint32_t, Rounding, unsigned&);
template std::uint64_t fma<F64>(std::uint64_t, std::uint64_t, std::uint64_t, Rounding, unsigned&);
template std::uint32_t add<F32>(std::uint32_t, std::uint32_t, Rounding, unsigned&);
template std::uint64_t add<F64>(std::uint64_t, std::uint64_t, Rounding, unsigned&);
template std::uint32_t mul<F32>(std::uint32_t, std::uint32_t, Rounding, unsigned&);
template std::uint64_t mul<F64>(std::uint64_t, std::uint64_t, Rounding, unsigned&);
template std::uint32_t div<F32>(std::uint32_t, std::uint32_t, Rounding, unsigned&);
template std::uint64_t div<F64>(std::uint64_t, std::uint64_t, Rounding, unsigned&);
template std::uint32_t sqrt<F32>(std::uint32_t, Rounding, unsigned&);
template std::uint64_t sqrt<F64>(std::uint64_t, Rounding, unsigned&);
template std::uint32_t from_integer<F32>(bool, std::uint64_t, Rounding, unsigned&);
template std::uint64_t from_integer<F64>(bool, std::uint64_t, Rounding, unsigned&);
template std::uint64_t to_integer<F32>(std::uint32_t, int, bool, Rounding, unsigned&);
template std::uint64_t to_integer<F64>(std::uint64_t, int, bool, Rounding, unsigned&);
// clang-format on

}  // namespace vmm::riscv::soft
