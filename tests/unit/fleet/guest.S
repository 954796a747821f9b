# SPDX-License-Identifier: Apache-2.0
# Guests without a kernel, in S-mode above SBI.
    .equ SBI_SRST, 0x53525354
    .equ SBI_HSM, 0x48534D
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
#elif defined(IDLE)
1:  wfi
    j    1b
#endif
2:  j    2b
