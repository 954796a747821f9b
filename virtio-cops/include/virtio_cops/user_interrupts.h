/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIRTIO_COPS_USER_INTERRUPTS_H
#define VIRTIO_COPS_USER_INTERRUPTS_H

/*
 * User-level interrupts: the N extension of the RISC-V privileged specification (draft 1.12,
 * removed before ratification) as cops engines implement it. No assembler knows the names, so CSRs
 * go by number and `uret` by its encoding. Usable from C, C++ and assembly.
 */

/* Control and status registers. */
#define COPS_CSR_USTATUS 0x000 /* View of sstatus: UIE (bit 0), UPIE (bit 4). */
#define COPS_CSR_UIE 0x004     /* View of sie masked by sideleg. */
#define COPS_CSR_UTVEC 0x005   /* Handler; MODE 0 direct, 1 vectored. */
#define COPS_CSR_USCRATCH 0x040
#define COPS_CSR_UEPC 0x041
#define COPS_CSR_UCAUSE 0x042
#define COPS_CSR_UTVAL 0x043
#define COPS_CSR_UIP 0x044 /* View of sip masked by sideleg; only USIP is writable from U-mode. */
#define COPS_CSR_SEDELEG 0x102
#define COPS_CSR_SIDELEG 0x103
/* Custom: UTIP is pending while time >= utimecmp. Saved per process. */
#define COPS_CSR_UTIMECMP 0x800

/* ustatus and sstatus bits. */
#define COPS_USTATUS_UIE 0x1
#define COPS_USTATUS_UPIE 0x10

/* Interrupt numbers: bits of uip, uie and sideleg, and codes in ucause. */
#define COPS_IRQ_USER_SOFTWARE 0
#define COPS_IRQ_USER_TIMER 4
#define COPS_IRQ_USER_EXTERNAL 8

/* Return from a user trap: pc = uepc, UIE = UPIE, UPIE = 1. */
#define COPS_INSN_URET 0x00200073

/* The name under which the device tree's ISA string announces all of this. */
#define COPS_ISA_EXTENSION_NAME "xcopsn"

#endif
