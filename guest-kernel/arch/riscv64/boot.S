/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First instructions of the boot hart (a0 = hart id, a1 = device tree) and of the others (a0 = hart id,
 * a1 = physical address of their struct HartStart). All run at physical addresses with the MMU off.
 */
#include "arch/riscv64/offsets.h"

.equ kDirectMap, 0xffffffc000000000
.equ kSatpSv39, 8 << 60

.section .text.boot, "ax"
.global boot_entry
boot_entry:
	csrw sie, zero
	csrw sip, zero
	lla t0, bss_start
	lla t1, bss_end
1:	sd zero, 0(t0)
	addi t0, t0, 8
	bltu t0, t1, 1b
	lla sp, boot_stack_top
	/* Early root: identity and direct map by 1 GiB leaves; page_table.cpp makes the final one. */
	lla t0, early_root
	li t1, 0
	li t2, 256
	li t3, 0xcf                   /* V R W X A D */
2:	slli t4, t1, 28
	or t4, t4, t3
	slli t5, t1, 3
	add t5, t5, t0
	sd t4, 0(t5)
	addi t5, t5, 1024
	sd t4, 1024(t5)
	addi t1, t1, 1
	bne t1, t2, 2b
	srli t0, t0, 12
	li t1, kSatpSv39
	or t0, t0, t1
	li t1, kDirectMap
	add sp, sp, t1
	lla t2, 3f
	add t2, t2, t1
	sfence.vma
	csrw satp, t0
	sfence.vma
	jr t2
3:	li tp, 0
	tail boot_main

.balign 4
.global secondary_entry
secondary_entry:
	csrw sie, zero
	ld t0, START_SATP(a1)
	ld sp, START_SP(a1)
	ld tp, START_CPU(a1)
	/* The final root has no identity map: the first fetch after satp faults to the high address. */
	lla t2, 4f
	li t1, kDirectMap
	add t2, t2, t1
	csrw stvec, t2
	sfence.vma
	csrw satp, t0
	nop
.balign 4
4:	sfence.vma
	fence.i                       /* It may come again: fences from others have passed it by. */
	mv a0, tp
	tail secondary_main

/* void on_stack(void* stack_top, void (*function)()): leaves the boot stack for good. */
.global leave_boot_stack
leave_boot_stack:
	mv sp, a0
	jr a1

.section .bss
.balign 4096
.global early_root
early_root:
	.zero 4096
.balign 16
boot_stack:
	.zero BOOT_STACK_BYTES
boot_stack_top:
