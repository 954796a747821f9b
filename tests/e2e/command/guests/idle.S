/* SPDX-License-Identifier: Apache-2.0 */
/* Says that it runs, then waits for an interrupt that never comes. */
#include "sbi.inc"
    .globl _start
_start:
    print text, 6
1:  wfi
    j 1b
text:
    .ascii "ready\n"
