// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

// In place of the guest kernel's header of this name: instructions of the harts of a KernelMachine.
namespace kernel {

struct Cpu;

Cpu* this_cpu_or_null();
void set_this_cpu(Cpu& cpu);
inline void cpu_relax() {}
inline void flush_translations() {}

namespace csr {

std::uint64_t read_csr(unsigned number);
void set_csr(unsigned number, std::uint64_t bits);
void clear_csr(unsigned number, std::uint64_t bits);

template <unsigned Csr>
std::uint64_t read() {
    return read_csr(Csr);
}
template <unsigned Csr>
void write(std::uint64_t value) {
    clear_csr(Csr, ~value);
    set_csr(Csr, value);
}
template <unsigned Csr>
void set(std::uint64_t bits) {
    set_csr(Csr, bits);
}
template <unsigned Csr>
void clear(std::uint64_t bits) {
    clear_csr(Csr, bits);
}

void wait_for_interrupt();
inline void fence_instructions() {}

}  // namespace csr

}  // namespace kernel
