// SPDX-License-Identifier: Apache-2.0
// The A extension, on the host's atomics. imm: bit 0 is rl, bit 1 is aq.
//
// Read-modify-writes are seq_cst whatever aq and rl ask for: on x86 every locked instruction is,
// and elsewhere it is never weaker than what was asked.
#include "cpu/interp/alu.hpp"
#include "cpu/interp/ops.hpp"

#include <algorithm>
#include <type_traits>

namespace vmm::interp {
namespace {

constexpr std::int32_t kRelease = 1;
constexpr std::int32_t kAcquire = 2;

template <class T>
std::uint64_t extend(T value) {
    return static_cast<std::uint64_t>(std::int64_t{static_cast<std::make_signed_t<T>>(value)});
}

template <class T>
COPS_OP(load_reserved) {
    std::byte* host = cpu->atomic_word(cpu->x[ip->rs1], sizeof(T), false);
    if (host == nullptr) {
        COPS_TAIL(op_fault);
    }
    if ((ip->imm & kRelease) != 0) {
        std::atomic_thread_fence(std::memory_order_seq_cst);
    }
    const auto* word = reinterpret_cast<const T*>(host);
    const T value = (ip->imm & kAcquire) != 0 ? __atomic_load_n(word, __ATOMIC_ACQUIRE)
                                              : __atomic_load_n(word, __ATOMIC_RELAXED);
    cpu->reservation = {host, value, sizeof(T)};
    cpu->x[ip->rd] = extend(value);
    COPS_NEXT();
}

template <class T>
COPS_OP(store_conditional) {
    std::byte* host = cpu->atomic_word(cpu->x[ip->rs1], sizeof(T), true);
    if (host == nullptr) {
        COPS_TAIL(op_fault);
    }
    // The reservation holds while the bytes have the value that lr saw. Others may have written
    // the same value meanwhile; to the guest that order is as if they had not.
    const Reservation held = cpu->reservation;
    cpu->reservation = {};
    bool stored = false;
    if (held.host == host && held.size == sizeof(T)) {
        T expected = static_cast<T>(held.value);
        stored = __atomic_compare_exchange_n(
            reinterpret_cast<T*>(host),
            &expected,
            static_cast<T>(cpu->x[ip->rs2]),
            false,
            __ATOMIC_SEQ_CST,
            __ATOMIC_RELAXED
        );
    }
    cpu->x[ip->rd] = stored ? 0 : 1;
    COPS_NEXT();
}

struct Swap {
    template <class T>
    static T apply(T* at, T operand) {
        return __atomic_exchange_n(at, operand, __ATOMIC_SEQ_CST);
    }
};
struct FetchAdd {
    template <class T>
    static T apply(T* at, T operand) {
        return __atomic_fetch_add(at, operand, __ATOMIC_SEQ_CST);
    }
};
struct FetchXor {
    template <class T>
    static T apply(T* at, T operand) {
        return __atomic_fetch_xor(at, operand, __ATOMIC_SEQ_CST);
    }
};
struct FetchAnd {
    template <class T>
    static T apply(T* at, T operand) {
        return __atomic_fetch_and(at, operand, __ATOMIC_SEQ_CST);
    }
};
struct FetchOr {
    template <class T>
    static T apply(T* at, T operand) {
        return __atomic_fetch_or(at, operand, __ATOMIC_SEQ_CST);
    }
};

/// Minimum and maximum have no host instruction.
template <bool maximum, bool is_signed>
struct Choose {
    template <class T>
    static T apply(T* at, T operand) {
        using Compared = std::conditional_t<is_signed, std::make_signed_t<T>, T>;
        T old = __atomic_load_n(at, __ATOMIC_RELAXED);
        for (;;) {
            const auto a = static_cast<Compared>(old);
            const auto b = static_cast<Compared>(operand);
            const T wanted = static_cast<T>(maximum ? std::max(a, b) : std::min(a, b));
            if (__atomic_compare_exchange_n(
                    at, &old, wanted, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED
                )) {
                return old;
            }
        }
    }
};

template <class T, class Operation>
COPS_OP(amo) {
    std::byte* host = cpu->atomic_word(cpu->x[ip->rs1], sizeof(T), true);
    if (host == nullptr) {
        COPS_TAIL(op_fault);
    }
    const T old = Operation::apply(reinterpret_cast<T*>(host), static_cast<T>(cpu->x[ip->rs2]));
    cpu->x[ip->rd] = extend(old);
    COPS_NEXT();
}

}  // namespace

COPS_OP(op_lr_w) {
    COPS_TAIL(load_reserved<std::uint32_t>);
}
COPS_OP(op_lr_d) {
    COPS_TAIL(load_reserved<std::uint64_t>);
}
COPS_OP(op_sc_w) {
    COPS_TAIL(store_conditional<std::uint32_t>);
}
COPS_OP(op_sc_d) {
    COPS_TAIL(store_conditional<std::uint64_t>);
}

// clang-format off
#define COPS_AMO(op, ...)                                                                          \
    COPS_OP(op_##op##_w) { COPS_TAIL((amo<std::uint32_t, __VA_ARGS__>)); }                         \
    COPS_OP(op_##op##_d) { COPS_TAIL((amo<std::uint64_t, __VA_ARGS__>)); }

COPS_AMO(amoswap, Swap)
COPS_AMO(amoadd, FetchAdd)
COPS_AMO(amoxor, FetchXor)
COPS_AMO(amoand, FetchAnd)
COPS_AMO(amoor, FetchOr)
COPS_AMO(amomin, Choose<false, true>)
COPS_AMO(amomax, Choose<true, true>)
COPS_AMO(amominu, Choose<false, false>)
COPS_AMO(amomaxu, Choose<true, false>)
// clang-format on

}  // namespace vmm::interp
