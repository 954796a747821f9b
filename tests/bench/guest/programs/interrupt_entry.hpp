// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <virtio_cops/user_interrupts.h>

extern "C" {
/// What BENCH_INTERRUPT_ENTRY makes.
void bench_interrupt_entry();
}

/// Instructions in front of libcops's own entry of user interrupts, which saves what it needs. They
/// may use t0 and t1.
#define BENCH_INTERRUPT_ENTRY(instructions)                                                        \
    __asm__("    .text\n"                                                                          \
            "    .balign 4\n"                                                                      \
            "    .global bench_interrupt_entry\n"                                                  \
            "bench_interrupt_entry:\n"                                                             \
            "    addi sp, sp, -16\n"                                                               \
            "    sd t0, 0(sp)\n"                                                                   \
            "    sd t1, 8(sp)\n" instructions "\n"                                                 \
            "    ld t0, 0(sp)\n"                                                                   \
            "    ld t1, 8(sp)\n"                                                                   \
            "    addi sp, sp, 16\n"                                                                \
            "    j cops_interrupt_entry\n")

/// From here on user interrupts of this hart begin there.
inline void use_bench_interrupt_entry() {
    __asm__ volatile("csrw %0, %1" : : "i"(COPS_CSR_UTVEC), "r"(&bench_interrupt_entry));
}
