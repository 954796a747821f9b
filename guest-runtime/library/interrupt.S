/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entry of the user interrupt handler: utvec points here, or the kernel upcalls it (user_abi.h). It runs
 * on the interrupted coroutine's stack with UIE clear. The executor and cops_handle_interrupt() are
 * compiled without floating point, so the caller-saved integer registers are all that they can change.
 * When the coroutine loses the hart, others run before it goes on: then all the rest is saved too.
 */
#include <virtio_cops/user_interrupts.h>

.equ kFrame, 16 * 8
.equ kFloatFrame, 20 * 8

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
	beqz a0, 1f
	addi sp, sp, -kFloatFrame
	fsd ft0, 0(sp)
	fsd ft1, 8(sp)
	fsd ft2, 16(sp)
	fsd ft3, 24(sp)
	fsd ft4, 32(sp)
	fsd ft5, 40(sp)
	fsd ft6, 48(sp)
	fsd ft7, 56(sp)
	fsd ft8, 64(sp)
	fsd ft9, 72(sp)
	fsd ft10, 80(sp)
	fsd ft11, 88(sp)
	fsd fa0, 96(sp)
	fsd fa1, 104(sp)
	fsd fa2, 112(sp)
	fsd fa3, 120(sp)
	fsd fa4, 128(sp)
	fsd fa5, 136(sp)
	fsd fa6, 144(sp)
	fsd fa7, 152(sp)
	call cops_lose_hart
	fld ft0, 0(sp)
	fld ft1, 8(sp)
	fld ft2, 16(sp)
	fld ft3, 24(sp)
	fld ft4, 32(sp)
	fld ft5, 40(sp)
	fld ft6, 48(sp)
	fld ft7, 56(sp)
	fld ft8, 64(sp)
	fld ft9, 72(sp)
	fld ft10, 80(sp)
	fld ft11, 88(sp)
	fld fa0, 96(sp)
	fld fa1, 104(sp)
	fld fa2, 112(sp)
	fld fa3, 120(sp)
	fld fa4, 128(sp)
	fld fa5, 136(sp)
	fld fa6, 144(sp)
	fld fa7, 152(sp)
	addi sp, sp, kFloatFrame
1:
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
