/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCH_RISCV64_OFFSETS_H
#define ARCH_RISCV64_OFFSETS_H

/* Offsets that assembly needs; cpu.hpp asserts each. */
#define CPU_FRAME 0
#define CPU_KERNEL_SP 8
#define CPU_SCRATCH 16

#define FRAME_X(n) (((n) - 1) * 8)
#define FRAME_PC (31 * 8)
#define FRAME_STATUS (32 * 8)
#define FRAME_CAUSE (33 * 8)
#define FRAME_VALUE (34 * 8)

#define START_SATP 0
#define START_SP 8
#define START_CPU 16

#define KERNEL_SAVED (14 * 8)
#define BOOT_STACK_BYTES 16384

#endif
