/* SPDX-License-Identifier: Apache-2.0 */
/* A fixed piece of work, then shuts down: ROUNDS calls of a function that reads and writes memory. */
#include "sbi.inc"
    .equ ROUNDS, 50000000
    .globl _start
_start:
    li s0, ROUNDS
1:  call count
    addi s0, s0, -1
    bnez s0, 1b
    reset 0, 0
2:  j 2b
count:
    lla t0, counters
    andi t1, s0, 63
    slli t1, t1, 3
    add t0, t0, t1
    ld t2, 0(t0)
    addi t2, t2, 1
    sd t2, 0(t0)
    ret
    .balign 8
counters:
    .zero 512
