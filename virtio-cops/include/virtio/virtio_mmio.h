/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIRTIO_VIRTIO_MMIO_H
#define VIRTIO_VIRTIO_MMIO_H

/*
 * Registers of the virtio-mmio transport, version 2, under the names of Linux's UAPI header
 * <linux/virtio_mmio.h>. 32 bits wide, aligned, little-endian.
 */

#define VIRTIO_MMIO_MAGIC_VALUE 0x000 /* "virt", read-only. */
#define VIRTIO_MMIO_VERSION 0x004     /* 2, read-only. */
#define VIRTIO_MMIO_DEVICE_ID 0x008   /* 0 = nothing here; read-only. */
#define VIRTIO_MMIO_VENDOR_ID 0x00c   /* Read-only. */
/* 32 offered feature bits, chosen by DEVICE_FEATURES_SEL; read-only. */
#define VIRTIO_MMIO_DEVICE_FEATURES 0x010
#define VIRTIO_MMIO_DEVICE_FEATURES_SEL 0x014 /* Write-only. */
/* 32 accepted feature bits, chosen by DRIVER_FEATURES_SEL; write-only. */
#define VIRTIO_MMIO_DRIVER_FEATURES 0x020
#define VIRTIO_MMIO_DRIVER_FEATURES_SEL 0x024 /* Write-only. */
#define VIRTIO_MMIO_QUEUE_SEL 0x030     /* Which queue the queue registers are about; write-only. */
#define VIRTIO_MMIO_QUEUE_NUM_MAX 0x034 /* Largest queue size, 0 = no such queue; read-only. */
#define VIRTIO_MMIO_QUEUE_NUM 0x038     /* Queue size; write-only. */
#define VIRTIO_MMIO_QUEUE_READY 0x044   /* Read-write. */
#define VIRTIO_MMIO_QUEUE_NOTIFY 0x050  /* Number of the queue that has new buffers; write-only. */
#define VIRTIO_MMIO_INTERRUPT_STATUS 0x060 /* VIRTIO_MMIO_INT_*, read-only. */
#define VIRTIO_MMIO_INTERRUPT_ACK 0x064    /* VIRTIO_MMIO_INT_* to clear; write-only. */
#define VIRTIO_MMIO_STATUS 0x070           /* Device status; writing 0 resets. */
#define VIRTIO_MMIO_QUEUE_DESC_LOW 0x080   /* Descriptor table, 64 bits. */
#define VIRTIO_MMIO_QUEUE_DESC_HIGH 0x084
#define VIRTIO_MMIO_QUEUE_AVAIL_LOW 0x090 /* Available ring (driver area), 64 bits. */
#define VIRTIO_MMIO_QUEUE_AVAIL_HIGH 0x094
#define VIRTIO_MMIO_QUEUE_USED_LOW 0x0a0 /* Used ring (device area), 64 bits. */
#define VIRTIO_MMIO_QUEUE_USED_HIGH 0x0a4
#define VIRTIO_MMIO_SHM_SEL 0x0ac     /* Shared memory region id; write-only. */
#define VIRTIO_MMIO_SHM_LEN_LOW 0x0b0 /* Its length, all ones = no such region; read-only. */
#define VIRTIO_MMIO_SHM_LEN_HIGH 0x0b4
#define VIRTIO_MMIO_SHM_BASE_LOW 0x0b8 /* Its guest-physical address; read-only. */
#define VIRTIO_MMIO_SHM_BASE_HIGH 0x0bc
/* With VIRTIO_F_RING_RESET; virtio 1.2 names it, Linux has no name. */
#define VIRTIO_MMIO_QUEUE_RESET 0x0c0
#define VIRTIO_MMIO_CONFIG_GENERATION 0x0fc /* Changes with configuration space; read-only. */
#define VIRTIO_MMIO_CONFIG 0x100            /* Configuration space begins here. */

/* Bits of the interrupt status. */
#define VIRTIO_MMIO_INT_VRING 0x1  /* A used ring grew. */
#define VIRTIO_MMIO_INT_CONFIG 0x2 /* Configuration or status changed. */

/* What Linux has no name for. */
#define VIRTIO_MMIO_MAGIC 0x74726976  /* Value of VIRTIO_MMIO_MAGIC_VALUE. */
#define VIRTIO_MMIO_CURRENT_VERSION 2 /* Value of VIRTIO_MMIO_VERSION. */

#endif
