/* SPDX-License-Identifier: Apache-2.0 */
/* The little that a bare S-mode guest needs on QEMU's `virt` and on cops alike. */
#include "platform.h"

#define PAGE 4096u
#define PTE_TABLE 1u
/* V R W X A D: global state is set so that no page walk has to store. */
#define PTE_LEAF 0xcfu
#define RAM_BASE 0x80000000ul
#define RAM_BYTES (32ul << 20)
#define UART_BASE 0x10000000ul
#define ENTRIES 512

static volatile uint8_t* const uart = (volatile uint8_t*)UART_BASE;

static uint64_t root[ENTRIES] __attribute__((aligned(4096)));
static uint64_t low_middle[ENTRIES] __attribute__((aligned(4096)));
static uint64_t low_leaves[ENTRIES] __attribute__((aligned(4096)));
static uint64_t ram_middle[ENTRIES] __attribute__((aligned(4096)));
static uint64_t ram_leaves[RAM_BYTES / PAGE] __attribute__((aligned(4096)));

static uint64_t entry(uintptr_t address, uint64_t flags) {
    return (address >> 12 << 10) | flags;
}

/* Identity mapping by 4 KiB pages; returns the value for satp. */
uint64_t make_page_tables(void);
uint64_t make_page_tables(void) {
    for (size_t n = 0; n < RAM_BYTES / PAGE; ++n) {
        ram_leaves[n] = entry(RAM_BASE + n * PAGE, PTE_LEAF);
    }
    for (size_t n = 0; n < RAM_BYTES / PAGE / ENTRIES; ++n) {
        ram_middle[n] = entry((uintptr_t)&ram_leaves[n * ENTRIES], PTE_TABLE);
    }
    low_leaves[UART_BASE >> 12 & 511] = entry(UART_BASE, PTE_LEAF);
    low_middle[UART_BASE >> 21 & 511] = entry((uintptr_t)low_leaves, PTE_TABLE);
    root[UART_BASE >> 30] = entry((uintptr_t)low_middle, PTE_TABLE);
    root[RAM_BASE >> 30] = entry((uintptr_t)ram_middle, PTE_TABLE);
    return 8ul << 60 | (uintptr_t)root >> 12;
}

static void print_char(char c) {
    while ((uart[5] & 0x20) == 0) {
    }
    uart[0] = (uint8_t)c;
}

void print(const char* text) {
    for (; *text != 0; ++text) {
        print_char(*text);
    }
}

void print_number(uint64_t value) {
    char digits[21];
    size_t n = sizeof digits;
    digits[--n] = 0;
    do {
        digits[--n] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    print(&digits[n]);
}

uint64_t read_time(void) {
    uint64_t value;
    __asm__ volatile("rdtime %0" : "=r"(value));
    return value;
}

uint64_t read_instret(void) {
    uint64_t value;
    __asm__ volatile("rdinstret %0" : "=r"(value));
    return value;
}

_Noreturn void power_off(void) {
    for (;;) {
        register uint64_t a0 __asm__("a0") = 0;
        register uint64_t a1 __asm__("a1") = 0;
        register uint64_t a6 __asm__("a6") = 0;
        register uint64_t a7 __asm__("a7") = 0x53525354; /* SRST */
        __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a6), "r"(a7) : "memory");
    }
}

void report_trap(uint64_t cause, uint64_t pc, uint64_t value);
void report_trap(uint64_t cause, uint64_t pc, uint64_t value) {
    print("trap ");
    print_number(cause);
    print(" at ");
    print_number(pc);
    print(" value ");
    print_number(value);
    print("\n");
}

/* The compiler may call these. */
void* memset(void* to, int value, size_t count) {
    uint8_t* bytes = to;
    for (size_t n = 0; n < count; ++n) {
        bytes[n] = (uint8_t)value;
    }
    return to;
}

void* memcpy(void* to, const void* from, size_t count) {
    uint8_t* target = to;
    const uint8_t* source = from;
    for (size_t n = 0; n < count; ++n) {
        target[n] = source[n];
    }
    return to;
}
