/* SPDX-License-Identifier: Apache-2.0 */
/* Reports "system failure", as kernels do that panic. */
#include "sbi.inc"
    .globl _start
_start:
    print text, 12
    reset 0, 1
1:  j 1b
text:
    .ascii "panic: test\n"
