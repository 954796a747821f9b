/* SPDX-License-Identifier: Apache-2.0 */
/* Harts begin here: the first with the device tree in a1, those that it starts with 0. Loaders clear
 * what an ELF file says is zero. */
    .section .text.boot, "ax"
    .globl attack_entry
attack_entry:
    lla t0, attack_trap
    csrw stvec, t0
    lla sp, attack_stacks
    addi t0, a0, 1
    slli t0, t0, 13
    add sp, sp, t0
    call attack_main
1:  wfi
    j 1b

/* Whatever it was, an interrupt is turned off and an instruction that faulted is left out: attacks
 * that fault do so on purpose. t5 and t6 are nobody's here (compiled with -ffixed-x30 -ffixed-x31). */
    .balign 4
    .globl attack_trap
attack_trap:
    csrr t5, scause
    bltz t5, 2f
    csrr t5, sepc
    lhu t6, 0(t5)
    andi t6, t6, 3
    addi t5, t5, 2
    addi t6, t6, -3
    bnez t6, 1f
    addi t5, t5, 2
1:  csrw sepc, t5
    sret
2:  csrw sie, zero
    csrci sip, 2
    sret

    .section .bss
    .balign 16
attack_stacks:
    .space 64 * 8192
