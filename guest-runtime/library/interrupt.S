/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entry of the user interrupt handler: utvec points here, or the kernel upcalls it (user_abi.h). It runs
 * on the interrupted coroutine's stack with UIE clear. The executor is compiled without floating point,
 * so the caller-saved integer registers are all that it can change.
 */
#include <virtio_cops/user_interrupts.h>

.equ kFrame, 16 * 8

.text
.global cops_interrupt_entry
.type cops_interrupt_entry, @function
.balign 4
cops_interrupt_entry:
	addi sp, sp, -kFrame
	sd ra, 0(sp)
	sd t0, 8(sp)
	sd t1, 16(sp)
	sd t2, 24(sp)
	sd t3, 32(sp)
	sd t4, 40(sp)
	sd t5, 48(sp)
	sd t6, 56(sp)
	sd a0, 64(sp)
	sd a1, 72(sp)
	sd a2, 80(sp)
	sd a3, 88(sp)
	sd a4, 96(sp)
	sd a5, 104(sp)
	sd a6, 112(sp)
	sd a7, 120(sp)
	call cops_handle_interrupt
	ld ra, 0(sp)
	ld t0, 8(sp)
	ld t1, 16(sp)
	ld t2, 24(sp)
	ld t3, 32(sp)
	ld t4, 40(sp)
	ld t5, 48(sp)
	ld t6, 56(sp)
	ld a0, 64(sp)
	ld a1, 72(sp)
	ld a2, 80(sp)
	ld a3, 88(sp)
	ld a4, 96(sp)
	ld a5, 104(sp)
	ld a6, 112(sp)
	ld a7, 120(sp)
	addi sp, sp, kFrame
	.word COPS_INSN_URET
.size cops_interrupt_entry, . - cops_interrupt_entry
.section .note.GNU-stack, "", @progbits
