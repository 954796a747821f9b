# SPDX-License-Identifier: Apache-2.0
# Guests without a kernel, in S-mode above SBI.
    .equ SBI_SRST, 0x53525354
    .equ SBI_HSM, 0x48534D
    .equ SBI_STA, 0x535441
    .equ UART, 0x10000000

    .globl _start
_start:
#if defined(POWEROFF)
    li   a0, 0                  # shutdown, no reason
    li   a1, 0
    li   a6, 0
    li   a7, SBI_SRST
    ecall
#elif defined(STATUS)
    li   a0, 0                  # shutdown with application status 7
    li   a1, 0xE0000007
    li   a6, 0
    li   a7, SBI_SRST
    ecall
#elif defined(RESET)
    li   t0, UART
    li   t1, 'r'
    sb   t1, 0(t0)
    li   a0, 1                  # cold reboot
    li   a1, 0
    li   a6, 0
    li   a7, SBI_SRST
    ecall
#elif defined(STOP_HART)
    li   a6, 1
    li   a7, SBI_HSM
    ecall
#elif defined(ECHO)
    # Sends back each byte that comes, power off after '.'.
    li   t0, UART
1:  lbu  t1, 5(t0)              # LSR: data ready
    andi t1, t1, 1
    beqz t1, 1b
    lbu  t1, 0(t0)
    sb   t1, 0(t0)
    li   t2, '.'
    bne  t1, t2, 1b
    li   a0, 0
    li   a1, 0
    li   a6, 0
    li   a7, SBI_SRST
    ecall
#elif defined(TIME)
    # Answers each byte by the 8 bytes of its time.
    li   t0, UART
1:  lbu  t1, 5(t0)              # LSR: data ready
    andi t1, t1, 1
    beqz t1, 1b
    lbu  t1, 0(t0)
    rdtime t2
    li   t3, 8
3:  sb   t2, 0(t0)
    srli t2, t2, 8
    addi t3, t3, -1
    bnez t3, 3b
    j    1b
#elif defined(STEAL)
    # Computes until 2 ms were stolen, answers by the 8 bytes of what was, and powers off.
    li   s0, 0x80400000
    mv   a0, s0
    li   a1, 0
    li   a2, 0
    li   a6, 0
    li   a7, SBI_STA
    ecall
    bnez a0, 2f
    li   t0, UART
    li   t1, 2000000
1:  lw   t3, 0(s0)              # sequence: odd while it is written
    fence r, r
    ld   t2, 8(s0)
    fence r, r
    lw   t4, 0(s0)
    bne  t3, t4, 1b
    andi t3, t3, 1
    bnez t3, 1b
    bltu t2, t1, 1b
    li   t3, 8
3:  sb   t2, 0(t0)
    srli t2, t2, 8
    addi t3, t3, -1
    bnez t3, 3b
    li   a0, 0
    li   a1, 0
    li   a6, 0
    li   a7, SBI_SRST
    ecall
#elif defined(CLOCKS)
    # Two harts. Each 24 times: a loop, a timer, a sleep until it fires; then it prints a letter that
    # depends on every bit of the time and of the instructions retired. The later one powers off.
    li   s0, 24
    mv   s1, a0
    bnez a0, 1f
    li   a0, 1                  # hart 1 as well
    la   a1, _start
    li   a2, 0
    li   a6, 0
    li   a7, SBI_HSM
    ecall
1:  li   t0, 32                 # only supervisor timer interrupts
    csrw sie, t0
3:  li   t0, 60000
    slli t1, s1, 14
    add  t0, t0, t1
4:  addi t0, t0, -1
    bnez t0, 4b
    rdtime t0
    li   t1, 150000
    add  a0, t0, t1
    csrw 0x14d, a0              # stimecmp
    wfi
    rdtime t0
    rdinstret t1
    slli t1, t1, 7
    xor  t0, t0, t1
    srli t1, t0, 11
    xor  t0, t0, t1
    srli t1, t0, 5
    xor  t0, t0, t1
    andi t0, t0, 31
    addi t0, t0, '@'
    li   t1, UART
    sb   t0, 0(t1)
    addi s0, s0, -1
    bnez s0, 3b
    la   t0, done
    li   t1, 1
    amoadd.w t1, t1, (t0)
    bnez t1, 5f
1:  wfi
    j    1b
5:  li   a0, 0
    li   a1, 0
    li   a6, 0
    li   a7, SBI_SRST
    ecall
    .balign 4
done: .word 0
#elif defined(IDLE)
1:  wfi
    j    1b
#endif
2:  j    2b
