/* SPDX-License-Identifier: Apache-2.0 */
/* Stops the one hart there is, so that nothing can ever happen again. */
#include "sbi.inc"
    .globl _start
_start:
    sbi HSM, 1
1:  j 1b
