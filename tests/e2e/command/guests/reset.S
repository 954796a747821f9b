/* SPDX-License-Identifier: Apache-2.0 */
/* Asks for a cold reboot. */
#include "sbi.inc"
    .globl _start
_start:
    reset 1, 0
1:  j 1b
