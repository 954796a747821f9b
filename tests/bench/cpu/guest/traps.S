# SPDX-License-Identifier: Apache-2.0
# Trap entries. sscratch holds the kernel's stack while U-mode runs.
    .text
    .balign 4
    .globl unexpected_trap
unexpected_trap:
    csrr a0, scause
    csrr a1, sepc
    csrr a2, stval
    call report_trap

# uint64_t run_user(entry, a0, a1, vector)
    .globl run_user
run_user:
    addi sp, sp, -112
    sd ra, 0(sp)
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    sd s\n, 8 + 8*\n(sp)
    .endr
    csrw sscratch, sp
    csrw stvec, a3
    csrw sepc, a0
    li t0, 0x100             # SPP: to U-mode
    csrc sstatus, t0
    mv a0, a1
    mv a1, a2
    la sp, user_stack + 8192
    sret

leave_user:
    csrr sp, sscratch
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    ld s\n, 8 + 8*\n(sp)
    .endr
    ld ra, 0(sp)
    addi sp, sp, 112
    la t0, unexpected_trap
    csrw stvec, t0
    ret

# The shortest system call: a0 + 1. U-mode code gives t0 and t1 away.
    .balign 4
    .globl quick_trap
quick_trap:
    csrr t0, scause
    li t1, 8
    bne t0, t1, unexpected_trap
    li t1, 93
    beq a7, t1, leave_user
    csrr t0, sepc
    addi t0, t0, 4
    csrw sepc, t0
    addi a0, a0, 1
    sret

# A kernel's usual entry: all registers into a frame, a C function, all registers back.
    .balign 4
    .globl full_trap
full_trap:
    csrrw sp, sscratch, sp
    addi sp, sp, -272
    sd x1, 8(sp)
    .irp n, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    sd x\n, 8*\n(sp)
    .endr
    csrr t0, sscratch
    sd t0, 16(sp)
    csrr t1, sepc
    sd t1, 0(sp)
    csrr t2, sstatus
    sd t2, 256(sp)
    addi t3, sp, 272
    csrw sscratch, t3
    csrr a0, scause
    li t1, 8
    bne a0, t1, unexpected_trap
    li t1, 93
    ld a0, 80(sp)
    beq a7, t1, leave_user
    mv a0, sp
    call system_call
    ld t1, 0(sp)
    csrw sepc, t1
    ld t2, 256(sp)
    csrw sstatus, t2
    ld x1, 8(sp)
    .irp n, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    ld x\n, 8*\n(sp)
    .endr
    ld sp, 16(sp)
    sret

# A timer interrupt while S-mode works: caller-saved registers only.
    .balign 4
    .globl timer_trap
timer_trap:
    addi sp, sp, -128
    sd t0, 0(sp)
    rdtime t0
    sd ra, 8(sp)
    sd t1, 16(sp)
    sd t2, 24(sp)
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7
    sd a\n, 32 + 8*\n(sp)
    .endr
    sd t3, 96(sp)
    sd t4, 104(sp)
    sd t5, 112(sp)
    sd t6, 120(sp)
    mv a0, t0
    call timer_interrupt
    ld t0, 0(sp)
    ld ra, 8(sp)
    ld t1, 16(sp)
    ld t2, 24(sp)
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7
    ld a\n, 32 + 8*\n(sp)
    .endr
    ld t3, 96(sp)
    ld t4, 104(sp)
    ld t5, 112(sp)
    ld t6, 120(sp)
    addi sp, sp, 128
    sret
