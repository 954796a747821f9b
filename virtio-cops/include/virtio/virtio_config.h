/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIRTIO_VIRTIO_CONFIG_H
#define VIRTIO_VIRTIO_CONFIG_H

/* Device status and reserved feature bits, under the names of Linux's UAPI header
 * <linux/virtio_config.h>. */

/* Bits of the device status. */
#define VIRTIO_CONFIG_S_ACKNOWLEDGE 1    /* The guest has found the device. */
#define VIRTIO_CONFIG_S_DRIVER 2         /* It has a driver for it. */
#define VIRTIO_CONFIG_S_DRIVER_OK 4      /* The driver is ready; the device is live. */
#define VIRTIO_CONFIG_S_FEATURES_OK 8    /* Features are settled. */
#define VIRTIO_CONFIG_S_NEEDS_RESET 0x40 /* The device gave up until it is reset. */
#define VIRTIO_CONFIG_S_FAILED 0x80      /* The driver gave up. */

/* Feature bits: device types own 0..23, transports and rings the rest from 28. */
#define VIRTIO_TRANSPORT_F_START 28
#define VIRTIO_F_NOTIFY_ON_EMPTY 24 /* Legacy. */
#define VIRTIO_F_ANY_LAYOUT 27      /* Legacy. */
#define VIRTIO_F_VERSION_1 32       /* Virtio 1.0 or later. */
#define VIRTIO_F_ACCESS_PLATFORM                                                                   \
    33                             /* Device accesses are limited or translated by the platform.   \
                                    */
#define VIRTIO_F_IOMMU_PLATFORM 33 /* Old name of ACCESS_PLATFORM. */
#define VIRTIO_F_RING_PACKED 34    /* Packed ring layout. */
#define VIRTIO_F_IN_ORDER 35       /* Buffers are used in the order they were made available. */
#define VIRTIO_F_ORDER_PLATFORM 36 /* Memory accesses are ordered as the platform orders them. */
#define VIRTIO_F_SR_IOV 37         /* Single root I/O virtualisation. */
#define VIRTIO_F_NOTIFICATION_DATA 38 /* The driver passes extra data in notifications. */
#define VIRTIO_F_NOTIF_CONFIG_DATA 39 /* Notification data is given by the device. */
#define VIRTIO_F_RING_RESET 40        /* Queues can be reset one by one. */
#define VIRTIO_F_ADMIN_VQ 41          /* There is an administration queue. */

#endif
