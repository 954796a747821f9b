/* SPDX-License-Identifier: Apache-2.0 */
/* Workloads that need a supervisor: page tables, traps, SBI, sfence.vma, system calls. */
#include "system.h"

#include "platform.h"
#include "user.h"

static void no_setup(void) {}

/* Page tables: maps 64 pages of the window to frames in changing order, uses each, unmaps all. */
#define FRAMES 128
static uint64_t frames[FRAMES][PAGE / 8] __attribute__((aligned(4096)));

static void pages_setup(void) {
    for (size_t n = 0; n < FRAMES; ++n) {
        frames[n][0] = n * 77;
        frames[n][511] = n;
    }
}

static void flush_page(uint64_t address) {
    __asm__ volatile("sfence.vma %0, zero" ::"r"(address) : "memory");
}

static uint64_t pages_run(uint64_t count) {
    uint64_t sum = 0;
    for (uint64_t round = 0; round < count; ++round) {
        const uint64_t first = (round & 7) * 64;
        for (uint64_t n = 0; n < 64; ++n) {
            const uint64_t frame = (n * 5 + round * 3) % FRAMES;
            *window_entry(first + n) = (uintptr_t)frames[frame] >> 12 << 10 | PTE_LEAF;
        }
        __asm__ volatile("sfence.vma" ::: "memory");
        for (uint64_t n = 0; n < 64; ++n) {
            volatile uint64_t* page = (volatile uint64_t*)(WINDOW_BASE + (first + n) * PAGE);
            sum = sum * 3 + page[0] + page[511];
            page[0] = sum;
            page[256] = n;
        }
        for (uint64_t n = 0; n < 64; ++n) {
            *window_entry(first + n) = 0;
            flush_page(WINDOW_BASE + (first + n) * PAGE);
        }
    }
    return sum;
}

/* Traps: U to S and back, nothing else. */
static uint64_t traps_run(uint64_t count) {
    return run_user(user_traps, count * 1024, 1, quick_trap);
}

/* SBI calls that do nothing. */
static uint64_t sbi_run(uint64_t count) {
    uint64_t failures = 0;
    for (uint64_t n = 0; n < count * 1024; ++n) {
        failures += sbi_call(SBI_BASE, 3, SBI_BASE, 0, 0).value != 1; /* probe_extension */
    }
    return failures;
}

/* Address-translation fences, of all and of one page, each followed by use of eight pages. */
static uint64_t fence_run(uint64_t count) {
    uint64_t sum = 0;
    for (uint64_t round = 0; round < count * 64; ++round) {
        if ((round & 1) != 0) {
            __asm__ volatile("sfence.vma" ::: "memory");
        } else {
            flush_page((uintptr_t)frames[round % FRAMES]);
        }
        for (uint64_t n = 0; n < 8; ++n) {
            volatile uint64_t* word = &frames[(round + n * 3) % FRAMES][round & 511];
            sum += *word;
            *word = sum + n;
        }
    }
    return sum;
}

/* System calls as kernels do them: full frame, dispatch by table, copies from and to user memory.
 */
static uint8_t pipe[64];

static uint64_t system_id(const uint64_t* args) {
    (void)args;
    return 42;
}

static uint64_t system_write(const uint64_t* args) {
    const volatile uint8_t* from = (const volatile uint8_t*)args[0];
    set_csr(sstatus, SSTATUS_SUM);
    for (size_t n = 0; n < sizeof pipe && n < args[1]; ++n) {
        pipe[n] = from[n];
    }
    clear_csr(sstatus, SSTATUS_SUM);
    return args[1];
}

static uint64_t system_read(const uint64_t* args) {
    volatile uint8_t* to = (volatile uint8_t*)args[0];
    set_csr(sstatus, SSTATUS_SUM);
    for (size_t n = 0; n < sizeof pipe && n < args[1]; ++n) {
        to[n] = pipe[n];
    }
    clear_csr(sstatus, SSTATUS_SUM);
    return args[1];
}

static uint64_t (*const volatile system_calls[4])(const uint64_t* args) = {
    system_id,
    system_id,
    system_write,
    system_read,
};

/* Frame: 0 pc, 1..31 registers, 32 sstatus. */
void system_call(uint64_t* frame);
void system_call(uint64_t* frame) {
    frame[10] = system_calls[frame[17] & 3](&frame[10]);
    frame[0] += 4;
}

static uint64_t calls_run(uint64_t count) {
    return run_user(user_calls, count * 64, 1, full_trap);
}

const struct workload page_workloads[] = {
    {"pagetable", pages_setup, pages_run, 1000},
    {NULL, NULL, NULL, 0},
};
const struct workload system_workloads[] = {
    {"trap", no_setup, traps_run, 1500},
    {"sbi", no_setup, sbi_run, 500},
    {"sfence", pages_setup, fence_run, 1000},
    {"syscall", no_setup, calls_run, 250},
    {NULL, NULL, NULL, 0},
};
