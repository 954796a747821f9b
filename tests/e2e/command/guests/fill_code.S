/* SPDX-License-Identifier: Apache-2.0 */
/* Fills the code cache on purpose: 64 Ki functions of two instructions, all called in turn, so many
 * times over that it outlives `work`. */
#include "sbi.inc"
    .equ FUNCTIONS, 65536
    .equ FUNCTION_BYTES, 8
    .equ PASSES, 8
    .globl _start
_start:
    li s0, 0x81000000           /* where the functions are */
    li s1, FUNCTIONS * FUNCTION_BYTES
    add s1, s1, s0
    lla t0, function
    ld t1, 0(t0)
    mv t2, s0
1:  sd t1, 0(t2)
    addi t2, t2, FUNCTION_BYTES
    bltu t2, s1, 1b
    fence.i
    li s2, PASSES
2:  mv s3, s0
3:  jalr s3
    addi s3, s3, FUNCTION_BYTES
    bltu s3, s1, 3b
    addi s2, s2, -1
    bnez s2, 2b
    reset 0, 0
4:  j 4b
    .option push
    .option norvc
    .balign 8
function:
    addi a0, a0, 1
    ret
    .option pop
