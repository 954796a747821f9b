// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

// Where tests explore interleavings, each access says who made it: tests/stress/orders.
#ifndef COPS_SITE
#define COPS_SITE
#define COPS_COMMA_SITE
#endif

/// Atomic access to the plain words of the C structures that harts, kernel and host share.
namespace executor {

template <typename T>
T load_relaxed(const T* word COPS_COMMA_SITE) {
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}
template <typename T>
T load_acquire(const T* word COPS_COMMA_SITE) {
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

template <typename T>
void store_relaxed(T* word, T value COPS_COMMA_SITE) {
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

template <typename T>
void store_release(T* word, T value COPS_COMMA_SITE) {
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

template <typename T>
T exchange(T* word, T value COPS_COMMA_SITE) {
    return __atomic_exchange_n(word, value, __ATOMIC_SEQ_CST);
}

/// On failure `expected` holds what was found.
template <typename T>
bool compare_exchange(T* word, T& expected, T desired COPS_COMMA_SITE) {
    return __atomic_compare_exchange_n(
        word, &expected, desired, /*weak=*/false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED
    );
}

inline void fence(COPS_SITE) {
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/// Orders against an interrupt handler on the same hart only: no instruction.
inline void interrupt_fence() {
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

inline void cpu_relax() {
#if defined(__riscv)
    __asm__ volatile(".word 0x0100000f");  // pause (Zihintpause; a fence hint elsewhere)
#elif defined(__x86_64__)
    __asm__ volatile("pause");
#endif
}

}  // namespace executor
