# SPDX-License-Identifier: Apache-2.0
# A trap whose handler cannot be fetched: nothing retires any more.
    .globl _start
_start:
    csrw stvec, zero
    ebreak
