/* SPDX-License-Identifier: Apache-2.0 */
/* Says that it runs, then computes for ever. */
#include "sbi.inc"
    .globl _start
_start:
    print text, 6
1:  j 1b
text:
    .ascii "ready\n"
