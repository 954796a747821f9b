# SPDX-License-Identifier: Apache-2.0
# Entry in S-mode as SBI has it: a0 = hart id, a1 = device tree. Clears bss, builds page tables,
# switches Sv39 on and calls main.
    .section .text.start, "ax"
    .globl _start
_start:
    .option push
    .option norelax
    la gp, __global_pointer$
    .option pop
    la sp, stack_top
    la t0, bss_start
    la t1, bss_end
1:  sd zero, 0(t0)
    addi t0, t0, 8
    bltu t0, t1, 1b
    la t0, unexpected_trap
    csrw stvec, t0
    call make_page_tables
    csrw satp, a0
    sfence.vma
    call main
2:  call power_off
    j 2b

    .balign 4
unexpected_trap:
    csrr a0, scause
    csrr a1, sepc
    csrr a2, stval
    call report_trap
    call power_off
    j unexpected_trap

    .bss
    .balign 16
    .space 65536
stack_top:
