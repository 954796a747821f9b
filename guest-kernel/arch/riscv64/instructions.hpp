// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

/// What C++ cannot say: the instructions of a hart. Tests that run the kernel's sources on the host
/// have these functions of their own (tests/stress/orders/kernel).
namespace kernel {

struct Cpu;

/// tp; null early at boot.
inline Cpu* this_cpu_or_null() {
    Cpu* cpu;
    __asm__ volatile("mv %0, tp" : "=r"(cpu));
    return cpu;
}
inline void set_this_cpu(Cpu& cpu) {
    __asm__ volatile("mv tp, %0" : : "r"(&cpu));
}

inline void cpu_relax() {
    __asm__ volatile(".word 0x0100000f");  // pause
}
/// Forgets all translations of this hart.
inline void flush_translations() {
    __asm__ volatile("sfence.vma" : : : "memory");
}

namespace csr {

template <unsigned Csr>
std::uint64_t read() {
    std::uint64_t value;
    __asm__ volatile("csrr %0, %1" : "=r"(value) : "i"(Csr) : "memory");
    return value;
}
template <unsigned Csr>
void write(std::uint64_t value) {
    __asm__ volatile("csrw %0, %1" : : "i"(Csr), "r"(value) : "memory");
}
template <unsigned Csr>
void set(std::uint64_t bits) {
    __asm__ volatile("csrs %0, %1" : : "i"(Csr), "r"(bits) : "memory");
}
template <unsigned Csr>
void clear(std::uint64_t bits) {
    __asm__ volatile("csrc %0, %1" : : "i"(Csr), "r"(bits) : "memory");
}

inline void wait_for_interrupt() {
    __asm__ volatile("wfi" : : : "memory");
}
inline void fence_instructions() {
    __asm__ volatile("fence.i" : : : "memory");
}

}  // namespace csr

}  // namespace kernel
