/* SPDX-License-Identifier: Apache-2.0 */
/* Says that it listens, then prints each byte of its console as two hexadecimal digits; ends after
 * a 'q'. */
#include "sbi.inc"
    .globl _start
_start:
    print text, 6
1:  li a0, 1
    lla a1, byte
    li a2, 0
    sbi DBCN, 1                 /* console_read: a1 = bytes read */
    beqz a1, 1b
    lla s0, byte
    lbu s1, 0(s0)
    lla s2, digits
    srli t0, s1, 4
    add t0, t0, s2
    lbu t0, 0(t0)
    sb t0, 1(s0)
    andi t0, s1, 15
    add t0, t0, s2
    lbu t0, 0(t0)
    sb t0, 2(s0)
    print byte + 1, 3
    li t0, 'q'
    bne s1, t0, 1b
    reset 0, 0
2:  j 2b
text:
    .ascii "ready\n"
digits:
    .ascii "0123456789abcdef"
byte:
    .ascii "\0\0\0\n"
