/* SPDX-License-Identifier: Apache-2.0 */
/* Prints for ever. */
#include "sbi.inc"
    .globl _start
_start:
1:  print text, 64
    j 1b
text:
    .ascii "0123456789012345678901234567890123456789012345678901234567890ab\n"
