# SPDX-License-Identifier: Apache-2.0
# Entry in S-mode as SBI has it: a0 = hart id, a1 = device tree. The first hart clears bss, reads the
# command line, builds the page tables, switches Sv39 on and calls main(hart).
    .section .text.start, "ax"
    .globl _start
_start:
    .option push
    .option norelax
    la gp, __global_pointer$
    .option pop
    la sp, stack_top
    mv s0, a0
    mv s1, a1
    la t0, bss_start
    la t1, bss_end
1:  sd zero, 0(t0)
    addi t0, t0, 8
    bltu t0, t1, 1b
    mv a0, s1
    call read_command_line
    call make_page_tables
    la t0, satp_value
    sd a0, 0(t0)
    call enter_supervisor
    mv a0, s0
    call main
2:  li a0, 0
    call power_off

# A second hart, by HSM: a1 = the function to call.
    .globl second_start
second_start:
    .option push
    .option norelax
    la gp, __global_pointer$
    .option pop
    la sp, second_stack_top
    mv s0, a1
    call enter_supervisor
    jalr s0
3:  wfi
    j 3b

enter_supervisor:
    la t0, unexpected_trap
    csrw stvec, t0
    csrw sie, zero
    li t0, 0x6000            # FS
    csrs sstatus, t0
    fscsr zero
    la t0, satp_value
    ld t0, 0(t0)
    csrw satp, t0
    sfence.vma
    ret

    .bss
    .balign 16
satp_value:
    .space 16
    .space 65536
stack_top:
    .space 65536
second_stack_top:
