/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Into user mode and out of it. The kernel runs with interrupts off and tp = its Cpu; so every trap
 * comes from user mode, or is a bug of the kernel.
 */
#include "arch/riscv64/offsets.h"

.macro each_saved op
	\op ra, 0(sp)
	\op s0, 8(sp)
	\op s1, 16(sp)
	\op s2, 24(sp)
	\op s3, 32(sp)
	\op s4, 40(sp)
	\op s5, 48(sp)
	\op s6, 56(sp)
	\op s7, 64(sp)
	\op s8, 72(sp)
	\op s9, 80(sp)
	\op s10, 88(sp)
	\op s11, 96(sp)
.endm

/* x5..x30 but for the register that holds the frame, sp. */
.macro each_user op
	\op x1, FRAME_X(1)(sp)
	\op x3, FRAME_X(3)(sp)
	\op x5, FRAME_X(5)(sp)
	\op x6, FRAME_X(6)(sp)
	\op x7, FRAME_X(7)(sp)
	\op x8, FRAME_X(8)(sp)
	\op x9, FRAME_X(9)(sp)
	\op x10, FRAME_X(10)(sp)
	\op x11, FRAME_X(11)(sp)
	\op x12, FRAME_X(12)(sp)
	\op x13, FRAME_X(13)(sp)
	\op x14, FRAME_X(14)(sp)
	\op x15, FRAME_X(15)(sp)
	\op x16, FRAME_X(16)(sp)
	\op x17, FRAME_X(17)(sp)
	\op x18, FRAME_X(18)(sp)
	\op x19, FRAME_X(19)(sp)
	\op x20, FRAME_X(20)(sp)
	\op x21, FRAME_X(21)(sp)
	\op x22, FRAME_X(22)(sp)
	\op x23, FRAME_X(23)(sp)
	\op x24, FRAME_X(24)(sp)
	\op x25, FRAME_X(25)(sp)
	\op x26, FRAME_X(26)(sp)
	\op x27, FRAME_X(27)(sp)
	\op x28, FRAME_X(28)(sp)
	\op x29, FRAME_X(29)(sp)
	\op x30, FRAME_X(30)(sp)
	\op x31, FRAME_X(31)(sp)
.endm

.text
/* void enter_user(TrapFrame* a0): returns when user mode traps, with the frame filled. */
.global enter_user
enter_user:
	addi sp, sp, -KERNEL_SAVED
	each_saved sd
	sd sp, CPU_KERNEL_SP(tp)
	sd a0, CPU_FRAME(tp)
	csrw sscratch, tp
	lla t0, user_trap
	csrw stvec, t0
	mv sp, a0
	ld t0, FRAME_PC(sp)
	csrw sepc, t0
	ld t0, FRAME_STATUS(sp)
	csrw sstatus, t0
	each_user ld
	ld x4, FRAME_X(4)(sp)
	ld sp, FRAME_X(2)(sp)
	sret

.balign 4
user_trap:
	csrrw tp, sscratch, tp
	sd sp, CPU_SCRATCH(tp)
	ld sp, CPU_FRAME(tp)
	each_user sd
	ld t0, CPU_SCRATCH(tp)
	sd t0, FRAME_X(2)(sp)
	csrr t0, sscratch
	sd t0, FRAME_X(4)(sp)
	csrr t0, sepc
	sd t0, FRAME_PC(sp)
	csrr t0, sstatus
	sd t0, FRAME_STATUS(sp)
	csrr t0, scause
	sd t0, FRAME_CAUSE(sp)
	csrr t0, stval
	sd t0, FRAME_VALUE(sp)
	lla t0, kernel_trap
	csrw stvec, t0
	ld sp, CPU_KERNEL_SP(tp)
	each_saved ld
	addi sp, sp, KERNEL_SAVED
	ret

/* A trap of the kernel itself: there is nothing to go back to. The stack may be the reason. */
.balign 4
.global kernel_trap
kernel_trap:
	csrr a0, scause
	csrr a1, sepc
	csrr a2, stval
	mv a3, ra
	mv a4, sp
	lla sp, panic_stack_top
	tail kernel_trap_panic

/* void save_float(FloatState*), void load_float(const FloatState*): the caller has turned FS on. */
.option push
.option arch, +f, +d
.macro each_float op
	\op f0, 0(a0)
	\op f1, 8(a0)
	\op f2, 16(a0)
	\op f3, 24(a0)
	\op f4, 32(a0)
	\op f5, 40(a0)
	\op f6, 48(a0)
	\op f7, 56(a0)
	\op f8, 64(a0)
	\op f9, 72(a0)
	\op f10, 80(a0)
	\op f11, 88(a0)
	\op f12, 96(a0)
	\op f13, 104(a0)
	\op f14, 112(a0)
	\op f15, 120(a0)
	\op f16, 128(a0)
	\op f17, 136(a0)
	\op f18, 144(a0)
	\op f19, 152(a0)
	\op f20, 160(a0)
	\op f21, 168(a0)
	\op f22, 176(a0)
	\op f23, 184(a0)
	\op f24, 192(a0)
	\op f25, 200(a0)
	\op f26, 208(a0)
	\op f27, 216(a0)
	\op f28, 224(a0)
	\op f29, 232(a0)
	\op f30, 240(a0)
	\op f31, 248(a0)
.endm
.global save_float
save_float:
	each_float fsd
	csrr t0, fcsr
	sd t0, 256(a0)
	ret
.global load_float
load_float:
	each_float fld
	ld t0, 256(a0)
	csrw fcsr, t0
	ret
.option pop

.section .bss
.balign 16
	.zero 4096
panic_stack_top:
