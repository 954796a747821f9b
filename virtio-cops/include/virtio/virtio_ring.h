/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIRTIO_VIRTIO_RING_H
#define VIRTIO_VIRTIO_RING_H

/*
 * Virtqueue layouts, under the names of Linux's UAPI header <linux/virtio_ring.h>. Every integer is
 * little-endian, as VIRTIO_F_VERSION_1 has it. Not to be mixed with Linux's header in one file.
 */

#include <stdint.h>

/* Flags of a split descriptor. */
#define VRING_DESC_F_NEXT 1     /* The chain goes on at `next`. */
#define VRING_DESC_F_WRITE 2    /* The device writes the buffer (else it reads it). */
#define VRING_DESC_F_INDIRECT 4 /* The buffer holds a table of descriptors. */

/* Bit numbers in a packed descriptor's flags. */
#define VRING_PACKED_DESC_F_AVAIL 7
#define VRING_PACKED_DESC_F_USED 15

#define VRING_USED_F_NO_NOTIFY 1 /* vring_used.flags: the driver need not notify. A hint. */
/* vring_avail.flags: the device need not interrupt. A hint. */
#define VRING_AVAIL_F_NO_INTERRUPT 1

/* vring_packed_desc_event.flags. */
#define VRING_PACKED_EVENT_FLAG_ENABLE 0x0
#define VRING_PACKED_EVENT_FLAG_DISABLE 0x1
#define VRING_PACKED_EVENT_FLAG_DESC 0x2
/* Bit number of the wrap counter in vring_packed_desc_event.off_wrap. */
#define VRING_PACKED_EVENT_F_WRAP_CTR 15

/* Feature bits. */
#define VIRTIO_RING_F_INDIRECT_DESC 28
#define VIRTIO_RING_F_EVENT_IDX 29

/* Alignment of the three parts of a split ring. */
#define VRING_AVAIL_ALIGN_SIZE 2
#define VRING_USED_ALIGN_SIZE 4
#define VRING_DESC_ALIGN_SIZE 16

/* C++ has flexible array members as an extension only. */
#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpedantic"
#elif defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#endif

struct vring_desc {
    uint64_t addr; /* Guest-physical. */
    uint32_t len;
    uint16_t flags; /* VRING_DESC_F_* */
    uint16_t next;
};

struct vring_avail {
    uint16_t flags;
    uint16_t idx; /* Where the driver puts the next entry, modulo 2^16. */
    uint16_t ring[];
};

struct vring_used_elem {
    uint32_t id;  /* Head of the chain. */
    uint32_t len; /* Bytes written to its device-writable part. */
};

struct vring_used {
    uint16_t flags;
    uint16_t idx; /* Where the device puts the next entry, modulo 2^16. */
    struct vring_used_elem ring[];
};

struct vring_packed_desc_event {
    uint16_t off_wrap;
    uint16_t flags;
};

struct vring_packed_desc {
    uint64_t addr;
    uint32_t len;
    uint16_t id;
    uint16_t flags;
};

#ifdef __clang__
#pragma clang diagnostic pop
#elif defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#endif
