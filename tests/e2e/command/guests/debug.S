/* SPDX-License-Identifier: Apache-2.0 */
/* For debuggers: hart 0 calls `work` until `finish` isn't zero, then shuts down with that status;
 * hart 1, if there is one, counts in `count`. `fault` traps to `handler`. */
#include "sbi.inc"
    .globl _start
_start:
    lla t0, handler
    csrw stvec, t0
    li s0, 0
    li a0, 1
    lla a1, second
    li a2, 7
    sbi HSM, 0
first:
    call work
    lla t0, finish
    lw t1, 0(t0)
    beqz t1, first
    li t2, 0xE0000000
    add a1, t1, t2
    li a0, 0
    sbi SRST, 0
1:  j 1b

    .type work, @function
work:
    addi s0, s0, 1
    csrw sscratch, s0
    ret
    .size work, . - work

    .type second, @function
second:
    li s1, 0
again:
    addi s1, s1, 1
    lla t0, count
    sd s1, 0(t0)
    j again
    .size second, . - second

    .balign 4
fault:
    .word 0
    nop
    .balign 4
    .type handler, @function
handler:
    csrr t0, sepc
    addi t0, t0, 4
    csrw sepc, t0
    sret
    .size handler, . - handler

    .balign 8
    .globl finish, count
finish:
    .word 0
    .balign 8
count:
    .dword 0
