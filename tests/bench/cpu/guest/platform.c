/* SPDX-License-Identifier: Apache-2.0 */
/* The little that a bare S-mode guest needs on QEMU's `virt` with OpenSBI and on cops alike. */
#include "platform.h"

#define PTE_TABLE 1u
#define RAM_BASE 0x80000000ul
#define RAM_BYTES (64ul << 20)
#define ENTRIES 512

static uint64_t root[ENTRIES] __attribute__((aligned(4096)));
static uint64_t ram_middle[ENTRIES] __attribute__((aligned(4096)));
static uint64_t ram_leaves[RAM_BYTES / PAGE] __attribute__((aligned(4096)));
static uint64_t window_middle[ENTRIES] __attribute__((aligned(4096)));
static uint64_t window_leaves[WINDOW_PAGES] __attribute__((aligned(4096)));

static uint64_t entry(uintptr_t address, uint64_t flags) {
    return (address >> 12 << 10) | flags;
}

/* Identity mapping of RAM by 4 KiB pages; returns the value for satp. */
uint64_t make_page_tables(void);
uint64_t make_page_tables(void) {
    for (size_t n = 0; n < RAM_BYTES / PAGE; ++n) {
        const uintptr_t address = RAM_BASE + n * PAGE;
        const int user = address >= (uintptr_t)user_begin && address < (uintptr_t)user_end;
        ram_leaves[n] = entry(address, user ? PTE_LEAF | PTE_USER : PTE_LEAF);
    }
    for (size_t n = 0; n < RAM_BYTES / PAGE / ENTRIES; ++n) {
        ram_middle[n] = entry((uintptr_t)&ram_leaves[n * ENTRIES], PTE_TABLE);
    }
    window_middle[0] = entry((uintptr_t)window_leaves, PTE_TABLE);
    root[WINDOW_BASE >> 30] = entry((uintptr_t)window_middle, PTE_TABLE);
    root[RAM_BASE >> 30] = entry((uintptr_t)ram_middle, PTE_TABLE);
    return 8ul << 60 | (uintptr_t)root >> 12;
}

uint64_t* window_entry(uint64_t page) {
    return &window_leaves[page];
}

static void print_char(char c) {
    sbi_call(1, 0, (uint8_t)c, 0, 0); /* legacy: what every firmware has */
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

void print_field(const char* name, uint64_t value) {
    print(" ");
    print(name);
    print("=");
    print_number(value);
}

_Noreturn void power_off(uint64_t failed) {
    for (;;) {
        sbi_call(SBI_SRST, 0, 0, failed, 0);
    }
}

void report_trap(uint64_t cause, uint64_t pc, uint64_t value);
void report_trap(uint64_t cause, uint64_t pc, uint64_t value) {
    print("unexpected trap");
    print_field("cause", cause);
    print_field("pc", pc);
    print_field("value", value);
    print("\n");
    power_off(1);
}

static char command_line[512];

static int same(const char* a, const char* b) {
    while (*a != 0 && *a == *b) {
        ++a;
        ++b;
    }
    return *a == *b;
}

static uint32_t big_endian(const uint8_t* bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Finds the one property `bootargs`, whatever node it is in. */
void read_command_line(const uint8_t* device_tree) {
    const uint8_t* at = device_tree + big_endian(device_tree + 8);
    const char* strings = (const char*)device_tree + big_endian(device_tree + 12);
    for (;;) {
        const uint32_t token = big_endian(at);
        at += 4;
        if (token == 1) { /* begin of a node: its name */
            size_t length = 0;
            while (at[length] != 0) {
                ++length;
            }
            at += (length + 4) & ~3ul;
        } else if (token == 3) { /* property */
            const uint32_t length = big_endian(at);
            const char* name = strings + big_endian(at + 4);
            at += 8;
            if (same(name, "bootargs")) {
                for (size_t n = 0; n < length && n < sizeof command_line - 1; ++n) {
                    command_line[n] = (char)at[n];
                }
                return;
            }
            at += (length + 3) & ~3u;
        } else if (token == 9) { /* end */
            return;
        }
    }
}

const char* option(const char* name) {
    static char value[256];
    value[0] = 0;
    for (const char* at = command_line; *at != 0;) {
        size_t n = 0;
        while (name[n] != 0 && at[n] == name[n]) {
            ++n;
        }
        if (name[n] == 0 && at[n] == '=') {
            at += n + 1;
            for (n = 0; at[n] != 0 && at[n] != ' ' && n < sizeof value - 1; ++n) {
                value[n] = at[n];
            }
            value[n] = 0;
            return value;
        }
        while (*at != 0 && *at++ != ' ') {
        }
    }
    return value;
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
