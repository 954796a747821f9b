/* SPDX-License-Identifier: Apache-2.0 */
/* All that runs in U-mode. Only this file's code and data are mapped for it. */
#include "user.h"

uint8_t user_stack[8192] __attribute__((aligned(4096)));
static uint8_t buffer[256];

static uint64_t call(uint64_t number, uint64_t arg0, uint64_t arg1) {
    register uint64_t a0 __asm__("a0") = arg0;
    register uint64_t a1 __asm__("a1") = arg1;
    register uint64_t a7 __asm__("a7") = number;
    __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a7) : "t0", "t1", "memory");
    return a0;
}

void user_traps(uint64_t count, uint64_t sum) {
    for (; count != 0; --count) {
        sum = call(0, sum, count);
    }
    call(SYSTEM_EXIT, sum, 0);
}

void user_calls(uint64_t count, uint64_t sum) {
    for (; count != 0; --count) {
        sum += call(SYSTEM_ID, 0, 0);
        buffer[count & 63] = (uint8_t)sum;
        sum += call(SYSTEM_WRITE, (uint64_t)(uintptr_t)buffer, 64);
        sum = sum * 31 + call(SYSTEM_READ, (uint64_t)(uintptr_t)(buffer + 128), 64);
        sum += buffer[128 + (count & 63)];
    }
    call(SYSTEM_EXIT, sum, 0);
}
