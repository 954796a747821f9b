// SPDX-License-Identifier: Apache-2.0
// A guest without a kernel that drives the virtio-cops device properly up to DRIVER_OK, then
// breaks QUEUE by CASE. It ends well when the device asked for a reset, and came out of it clean.
#include <virtio/virtio_config.h>
#include <virtio/virtio_mmio.h>
#include <virtio/virtio_ring.h>
#include <virtio_cops/virtio_cops.h>

#include <stdint.h>

#define DEVICE 0x10001000UL
#define SIZE 8
#define INDEX_RUNS_AHEAD 1
#define DESCRIPTOR_BEYOND_THE_QUEUE 2
#define CHAIN_LEAVES_ITS_TABLE 3
#define CHAIN_IS_A_LOOP 4

struct available {
    uint16_t flags;
    uint16_t index;
    uint16_t ring[SIZE];
};
static struct vring_desc table[SIZE] __attribute__((aligned(16)));
static struct available available __attribute__((aligned(2)));
static unsigned char used[4 + SIZE * 8] __attribute__((aligned(4)));
static unsigned char data[64];

__asm__(".section .text.start\n.globl _start\n_start: la sp, stack_top\nj main\n"
        ".section .bss\n.balign 16\n.space 4096\nstack_top:\n.text\n");

static volatile uint32_t* reg(unsigned offset) {
    return (volatile uint32_t*)(DEVICE + offset);
}

static void set_address(unsigned low, const volatile void* memory) {
    *reg(low) = (uint32_t)(uintptr_t)memory;
    *reg(low + 4) = (uint32_t)((uintptr_t)memory >> 32);
}

static void shut_down(unsigned long status) {
    register unsigned long a0 __asm__("a0") = 0;
    register unsigned long a1 __asm__("a1") = status == 0 ? 0 : 0xe0000000UL | status;
    register unsigned long a6 __asm__("a6") = 0;
    register unsigned long a7 __asm__("a7") = 0x53525354;
    __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a6), "r"(a7) : "memory");
    for (;;) {
    }
}

static void expect(int condition, unsigned long status) {
    if (!condition) {
        shut_down(status);
    }
}

static uint32_t status_after(uint32_t bits) {
    *reg(VIRTIO_MMIO_STATUS) = bits;
    return *reg(VIRTIO_MMIO_STATUS);
}

static void open_device(void) {
    const uint32_t found = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
    expect(*reg(VIRTIO_MMIO_MAGIC_VALUE) == VIRTIO_MMIO_MAGIC, 2);
    expect(*reg(VIRTIO_MMIO_DEVICE_ID) == 65535, 3);
    status_after(found);
    *reg(VIRTIO_MMIO_DRIVER_FEATURES_SEL) = 1;
    *reg(VIRTIO_MMIO_DRIVER_FEATURES) = 1u << (VIRTIO_F_VERSION_1 - 32);
    expect(status_after(found | VIRTIO_CONFIG_S_FEATURES_OK) & VIRTIO_CONFIG_S_FEATURES_OK, 4);
    *reg(VIRTIO_MMIO_QUEUE_SEL) = QUEUE;
    *reg(VIRTIO_MMIO_QUEUE_NUM) = SIZE;
    set_address(VIRTIO_MMIO_QUEUE_DESC_LOW, table);
    set_address(VIRTIO_MMIO_QUEUE_AVAIL_LOW, &available);
    set_address(VIRTIO_MMIO_QUEUE_USED_LOW, used);
    *reg(VIRTIO_MMIO_QUEUE_READY) = 1;
    status_after(found | VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
    expect((*reg(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET) == 0, 5);
}

void main(void) {
    open_device();
    for (unsigned i = 0; i < SIZE; ++i) {
        table[i] = (struct vring_desc){(uintptr_t)data, sizeof data, VRING_DESC_F_NEXT, 0};
    }
    uint16_t index = 1;
#if CASE == INDEX_RUNS_AHEAD
    index = 40000;
#elif CASE == DESCRIPTOR_BEYOND_THE_QUEUE
    available.ring[0] = 0xfff0;
#elif CASE == CHAIN_LEAVES_ITS_TABLE
    table[0].next = 0x7fff;
#elif CASE == CHAIN_IS_A_LOOP
    table[0].next = 1;  // whose next is 0
#endif
    __atomic_store_n(&available.index, index, __ATOMIC_RELEASE);
    *reg(VIRTIO_MMIO_QUEUE_NOTIFY) = QUEUE;
    while ((*reg(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET) == 0) {
    }
    expect(*(volatile uint16_t*)(used + 2) == 0, 6);  // nothing was answered
    *reg(VIRTIO_MMIO_QUEUE_NOTIFY) = QUEUE;           // a broken device stays quiet
    *reg(VIRTIO_MMIO_STATUS) = 0;
    while (*reg(VIRTIO_MMIO_STATUS) != 0) {
    }
    available.index = 0;
    open_device();
    shut_down(0);
}
