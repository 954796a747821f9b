# SPDX-License-Identifier: Apache-2.0
# A guest without a kernel: writes one line through the SBI debug console and shuts down with
# application status 7 (SRST reason 0xE0000000 | status).
    .globl _start
_start:
    lla  a1, message
    li   a2, 0
    lla  a0, message_end
    sub  a0, a0, a1
    li   a6, 0                  # console_write(length, address low, address high)
    li   a7, 0x4442434E         # "DBCN"
    ecall
    bnez a0, 1f
    li   a0, 0                  # shutdown
    li   a1, 0xE0000007
    li   a6, 0
    li   a7, 0x53525354         # "SRST"
    ecall
1:  wfi
    j    1b

message:
    .ascii "hello from an embedded guest\n"
message_end:
