/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PLATFORM_H
#define PLATFORM_H

#include <stddef.h>
#include <stdint.h>

#define PAGE 4096ul
/* Ticks of `time` in a second: what QEMU's virt machine has, and what cops is told. */
#define TIMEBASE_HZ 10000000ul
/* V R W X A D: state is set so that no page walk has to store. */
#define PTE_LEAF 0xcful
#define PTE_USER 0x10ul
#define SSTATUS_SIE 0x2ul
#define SSTATUS_SPP 0x100ul
#define SSTATUS_SUM 0x40000ul
#define SIE_STIE 0x20ul

#define read_csr(name)                                                                             \
    ({                                                                                             \
        uint64_t csr_value;                                                                        \
        __asm__ volatile("csrr %0, " #name : "=r"(csr_value));                                     \
        csr_value;                                                                                 \
    })
#define write_csr(name, value) __asm__ volatile("csrw " #name ", %0" ::"r"(value) : "memory")
#define set_csr(name, bits) __asm__ volatile("csrs " #name ", %0" ::"r"(bits) : "memory")
#define clear_csr(name, bits) __asm__ volatile("csrc " #name ", %0" ::"r"(bits) : "memory")

/* SBI console. */
void print(const char* text);
void print_number(uint64_t value);
/* "NAME VALUE..." */
void print_field(const char* name, uint64_t value);

struct sbi_result {
    int64_t error;
    uint64_t value;
};

#ifdef __riscv
static inline struct sbi_result
sbi_call(uint64_t extension, uint64_t function, uint64_t arg0, uint64_t arg1, uint64_t arg2) {
    register uint64_t a0 __asm__("a0") = arg0;
    register uint64_t a1 __asm__("a1") = arg1;
    register uint64_t a2 __asm__("a2") = arg2;
    register uint64_t a6 __asm__("a6") = function;
    register uint64_t a7 __asm__("a7") = extension;
    __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a6), "r"(a7) : "memory");
    return (struct sbi_result){(int64_t)a0, a1};
}
#endif
#define SBI_BASE 0x10ul
#define SBI_TIME 0x54494d45ul
#define SBI_HSM 0x48534dul
#define SBI_SRST 0x53525354ul

_Noreturn void power_off(uint64_t failed);

/* The value of `NAME=` in the command line that the device tree has, up to a blank; empty if
 * there is none. Valid until the next call. */
const char* option(const char* name);
void read_command_line(const uint8_t* device_tree);

/* The leaf entry that maps an address of the window below. */
uint64_t* window_entry(uint64_t page);
/* Virtual pages that start.S leaves unmapped, for workloads that map. */
#define WINDOW_BASE 0x40000000ul
#define WINDOW_PAGES 512ul

extern uint8_t image_end[], user_begin[], user_end[];

/* traps.S: executes `entry(a0, a1)` in U-mode with traps to `vector` until an ecall with a7 = 93;
 * returns its a0. */
uint64_t
run_user(void (*entry)(uint64_t, uint64_t), uint64_t a0, uint64_t a1, void (*vector)(void));
void quick_trap(void);
void full_trap(void);
void timer_trap(void);
void unexpected_trap(void);

#endif
