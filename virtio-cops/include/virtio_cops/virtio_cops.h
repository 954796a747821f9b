/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIRTIO_COPS_VIRTIO_COPS_H
#define VIRTIO_COPS_VIRTIO_COPS_H

/*
 * Wire layouts of the virtio-cops device: configuration space, queues, and the memory that guest
 * and host share. Normative text: SPEC.md. Data only; C and C++; every integer little-endian; no
 * implicit padding; reserved fields are zero when written and ignored when read.
 */

#include <stdint.h>

typedef uint16_t virtio_cops_le16;
typedef uint32_t virtio_cops_le32;
typedef uint64_t virtio_cops_le64;

/*
 * Device identification. 65535 counting down is the experimental range of the virtio specification.
 */
#define VIRTIO_ID_COPS 65535
/* Protocol version in config space; grows only when a layout breaks. */
#define VIRTIO_COPS_VERSION 1

/* Feature bits (device specific: 0..23). */
/* Boards, process lines, host page, doorbell page: claims are exchanged. */
#define VIRTIO_COPS_F_BOARD 0
#define VIRTIO_COPS_F_USER_INTR 1 /* The host raises user interrupts for completions in slots. */
#define VIRTIO_COPS_F_POWER_OFF 2 /* The host asks by configuration space for an orderly end. */

/* Some vCPUs are the guest's while they are granted: it asks, and the host takes them back. */
#define VIRTIO_COPS_F_CORE_ALLOC 3
#define VIRTIO_COPS_F_SIBLINGS 4 /* vCPUs of the guest give way to each other. */

/* Queues. */
#define VIRTIO_COPS_QUEUE_CONTROL 0
#define VIRTIO_COPS_QUEUE_REQUEST 1
#define VIRTIO_COPS_NUM_QUEUES 2

/* Shared memory regions. */
#define VIRTIO_COPS_SHM_HOST_PAGE 0 /* struct virtio_cops_host_line[num_vcpus], read-only. */
/* MMIO page; 32-bit aligned stores only. May be mapped to user mode. */
#define VIRTIO_COPS_SHM_DOORBELL 1
#define VIRTIO_COPS_DOORBELL_CLAIM 0 /* Offset: my claim became more urgent than ring_level. */
#define VIRTIO_COPS_DOORBELL_YIELD 4 /* Offset: end my turn now. */
/* Offset: I wait for the hart of the value; run it in my place (feature SIBLINGS). */
#define VIRTIO_COPS_DOORBELL_SPIN 8
#define VIRTIO_COPS_SPIN_ANY 0xffffffffu /* Value: for any hart of this guest. */

/* Levels. */
#define VIRTIO_COPS_LEVELS 64
#define VIRTIO_COPS_LEVEL_NONE 64
#define VIRTIO_COPS_LEVEL_DEFAULT 16 /* Of work that nobody gave a level, on either side. */

struct virtio_cops_config {
    virtio_cops_le32 version;       /* VIRTIO_COPS_VERSION */
    virtio_cops_le32 num_vcpus;     /* Boards and host lines; hart h uses index h. */
    virtio_cops_le32 max_processes; /* Process indices are 0..max_processes-1. */
    virtio_cops_le32 max_slots;     /* Completion slots a process may register. */
    virtio_cops_le32 max_in_flight; /* Requests of this guest in flight; more wait in the queue. */
    virtio_cops_le32 max_segments;  /* Data descriptors a request may carry. */
    virtio_cops_le32 max_handles;   /* Open handles; a handle is index | generation << 16. */
    virtio_cops_le32 num_grants;    /* Grants that GET_GRANT can list. */
};
/*
 * Offset in configuration space, behind virtio_cops_config, of le32 power_off (feature POWER_OFF):
 * 0, or VIRTIO_COPS_POWER_OFF_ASKED from when the host wants the guest to power off.
 */
#define VIRTIO_COPS_CONFIG_POWER_OFF 32
#define VIRTIO_COPS_POWER_OFF_ASKED 1
/*
 * Offset of le32 own_vcpus (feature CORE_ALLOC): vCPUs 0..own_vcpus-1 are the guest's own, the
 * others are granted and revoked.
 */
#define VIRTIO_COPS_CONFIG_OWN_VCPUS 36

/* ---- Shared words (feature BOARD) ---- */

/*
 * The board of one vCPU: written by the guest kernel on that vCPU, read by the host. 64 bytes,
 * 64-aligned. Every field is its own relaxed atomic word.
 */
struct virtio_cops_board {
    virtio_cops_le64 ready;   /* Bit l: kernel work of level l is ready or running on this vCPU. */
    virtio_cops_le64 process; /* Current process (VIRTIO_COPS_PROCESS), 0 = none. A hint. */
    virtio_cops_le32 ceiling; /* Most urgent level the current process may claim. */
    virtio_cops_le32 timer_level; /* Level at which a timer wakes this vCPU. */
    virtio_cops_le32 irq_level;   /* Level at which a device interrupt wakes this vCPU. */
    virtio_cops_le32 flags;       /* VIRTIO_COPS_BOARD_F_* */
    virtio_cops_le64 reserved[4];
};
#define VIRTIO_COPS_BOARD_F_CRITICAL 0x1 /* The kernel is in a critical section. */
#define VIRTIO_COPS_BOARD_F_IDLE 0x2     /* The kernel has nothing of its own to do. */

/*
 * The line of one (process, hart): written by that process's executor, except wake_pending, which
 * the host (and the kernel) sets by fetch_or and the executor empties by exchange. 64 bytes; line h
 * of the process page is hart h's.
 */
struct virtio_cops_line {
    virtio_cops_le64 ready;         /* Bit l: a coroutine of level l is ready or running here. */
    virtio_cops_le64 wake_pending;  /* Bit l: completions of level l wait in the list. */
    virtio_cops_le32 running_level; /* Level of the running coroutine, LEVEL_NONE when none. */
    virtio_cops_le32 flags;         /* VIRTIO_COPS_LINE_F_* */
    virtio_cops_le64 reserved[5];
};
/* User interrupts are masked; the executor re-checks on leaving. */
#define VIRTIO_COPS_LINE_F_MASKED 0x1
/* Critical section: do not preempt if it can be helped. */
#define VIRTIO_COPS_LINE_F_CRITICAL 0x2

/* One vCPU's line in the host page: written by the host, read by kernel and executors. 64 bytes. */
struct virtio_cops_host_line {
    virtio_cops_le32 ring_level;  /* Ring CLAIM iff the claim becomes more urgent (smaller) than
                                     this. 0 = never. */
    virtio_cops_le32 yield_level; /* Yield iff the best own level is less urgent (greater) than
                                     this. 64 = don't. */
    virtio_cops_le64
        waiting; /* Levels that wait elsewhere; 0 where the tenant may not see others. */
    /* Levels at which other vCPUs of this guest wait for a worker (feature SIBLINGS). */
    virtio_cops_le64 siblings;
    virtio_cops_le64 reserved[5];
};
/* Offset in the host line of le32 core (feature CORE_ALLOC): whether the guest may run the vCPU. */
#define VIRTIO_COPS_HOST_LINE_CORE 56
#define VIRTIO_COPS_CORE_NONE 0    /* No: it cannot be started. */
#define VIRTIO_COPS_CORE_GRANTED 1 /* Yes. */
#define VIRTIO_COPS_CORE_REVOKED 2 /* No longer: stop it. */

/* ---- Processes and completions ---- */

/* A process id: index below max_processes, generation never 0, so that no valid id is 0. */
#define VIRTIO_COPS_PROCESS(index, generation) ((generation) * UINT64_C(0x100000000) + (index))

/*
 * Completion slots of a process: an array in the process's own memory, registered page by page.
 * A slot belongs to the executor while free, to the host from submission to completion.
 */
struct virtio_cops_slot {
    virtio_cops_le64 result;     /* Byte count or other result; -errno when negative. */
    virtio_cops_le64 user_data;  /* Copied from the request: the coroutine to wake. */
    virtio_cops_le32 generation; /* Copied from the request; a stale completion is told by it. */
    virtio_cops_le32 next;       /* List link: 1 + index of the next completed slot, 0 = end. */
    virtio_cops_le32 level;      /* Level the completion was listed at. */
    virtio_cops_le32 path;       /* VIRTIO_COPS_PATH_*: who completed it. */
};
#define VIRTIO_COPS_PATH_HOST 0   /* The host wrote the slot. */
#define VIRTIO_COPS_PATH_KERNEL 1 /* The guest kernel wrote the slot. */

/*
 * List heads of one (process, hart): 1 + slot index of the newest completion by level, 0 = empty.
 */
struct virtio_cops_heads {
    virtio_cops_le32 head[VIRTIO_COPS_LEVELS];
};
#define VIRTIO_COPS_HEADS_PER_PAGE 16
#define VIRTIO_COPS_SLOTS_PER_PAGE 128

/* ---- Control queue ---- */

/* Device-readable: header, then the command's payload. Device-writable: virtio_cops_ctrl_status,
 * then the reply. */
struct virtio_cops_ctrl_hdr {
    virtio_cops_le32 command;
    virtio_cops_le32 reserved;
};
struct virtio_cops_ctrl_status {
    virtio_cops_le32 status; /* 0 or a positive Linux errno value. */
    virtio_cops_le32 reserved;
};

#define VIRTIO_COPS_CTRL_SET_BOARD 1
#define VIRTIO_COPS_CTRL_ATTACH_PROCESS 2
#define VIRTIO_COPS_CTRL_DETACH_PROCESS 3
#define VIRTIO_COPS_CTRL_CANCEL 4
#define VIRTIO_COPS_CTRL_GET_GRANT 5
#define VIRTIO_COPS_CTRL_SET_LEVEL 6
#define VIRTIO_COPS_CTRL_ALLOC_CPU 7

struct virtio_cops_ctrl_set_board { /* address 0 withdraws the board. */
    virtio_cops_le32 vcpu;
    virtio_cops_le32 size; /* sizeof(struct virtio_cops_board) */
    virtio_cops_le64 address;
};

/* Followed by (heads_pages + slot_pages) le64 guest-physical page addresses: heads first, then
 * slots. */
struct virtio_cops_ctrl_attach_process {
    virtio_cops_le64 process;
    virtio_cops_le64 page;        /* Guest-physical address of the process page. */
    virtio_cops_le32 lines;       /* Harts this process may use: lines 0..lines-1. */
    virtio_cops_le32 heads_pages; /* ceil(lines / 16) */
    virtio_cops_le32 slot_pages;  /* 128 slots each */
    virtio_cops_le32 reserved;
};

struct virtio_cops_ctrl_detach_process { /* Completes after every request of the process has. */
    virtio_cops_le64 process;
};

struct virtio_cops_ctrl_cancel { /* The request itself completes too, once: with -ECANCELED or its
                                    result. */
    virtio_cops_le64 request_id;
};

struct virtio_cops_ctrl_set_level { /* Moves a request in flight to another level. */
    virtio_cops_le64 request_id;
    virtio_cops_le32 level;
    virtio_cops_le32 reserved;
};

struct virtio_cops_ctrl_alloc_cpu { /* The answers are the core words of the host lines. */
    virtio_cops_le32 vcpus;         /* Wanted in all, the guest's own among them. */
    virtio_cops_le32 reserved;
};

struct virtio_cops_ctrl_get_grant {
    virtio_cops_le32 index;
    virtio_cops_le32 reserved;
};
#define VIRTIO_COPS_GRANT_NAME_BYTES 64
struct virtio_cops_ctrl_grant {                 /* Reply to GET_GRANT. */
    virtio_cops_le32 kind;                      /* VIRTIO_COPS_GRANT_* */
    virtio_cops_le32 flags;                     /* VIRTIO_COPS_GRANT_F_* */
    uint8_t name[VIRTIO_COPS_GRANT_NAME_BYTES]; /* NUL-padded, at least one NUL. */
};
#define VIRTIO_COPS_GRANT_FILE 1
#define VIRTIO_COPS_GRANT_DIR 2
#define VIRTIO_COPS_GRANT_F_WRITE 0x1

/* ---- Request queue ---- */

/*
 * Device-readable: this header (then data to write, or the path). Device-writable: (data read, or
 * the stat buffer, then) virtio_cops_req_status as the last 16 bytes of the last descriptor, a
 * descriptor of its own.
 */
struct virtio_cops_req {
    virtio_cops_le16 opcode; /* VIRTIO_COPS_OP_* */
    virtio_cops_le16 flags;  /* VIRTIO_COPS_REQ_F_* */
    virtio_cops_le32 level;
    virtio_cops_le64 request_id; /* Chosen by the driver, unique among requests in flight. */
    virtio_cops_le64 process;    /* Owner; 0 = the kernel itself (then no slot). */
    virtio_cops_le32 handle;     /* Or the grant index of OPENAT. */
    virtio_cops_le32 open_flags; /* OPENAT: Linux (asm-generic) O_* subset. */
    virtio_cops_le64 offset;     /* READ, WRITE: file offset. NANOSLEEP: nanoseconds. */
    virtio_cops_le32 hart;       /* With F_SLOT: whose line and list. */
    virtio_cops_le32 slot;
    virtio_cops_le32 slot_generation;
    virtio_cops_le32 mode;      /* OPENAT with O_CREAT. */
    virtio_cops_le64 user_data; /* Copied into the slot. */
};
/* Complete into the slot (and wake its executor) as well as into the used ring. */
#define VIRTIO_COPS_REQ_F_SLOT 0x1

struct virtio_cops_req_status {
    virtio_cops_le64 result; /* As in the slot. */
    virtio_cops_le64 reserved;
};

#define VIRTIO_COPS_OP_NOP 0
#define VIRTIO_COPS_OP_READ 1
#define VIRTIO_COPS_OP_WRITE 2
#define VIRTIO_COPS_OP_OPENAT 3
#define VIRTIO_COPS_OP_CLOSE 4
#define VIRTIO_COPS_OP_FSTAT 5
#define VIRTIO_COPS_OP_NANOSLEEP 6
#define VIRTIO_COPS_OP_FSYNC 7
#define VIRTIO_COPS_OP_GETDENTS 8

/* Reply of FSTAT. */
struct virtio_cops_stat {
    virtio_cops_le64 size;
    virtio_cops_le32 mode; /* Linux st_mode. */
    virtio_cops_le32 blksize;
    virtio_cops_le64 blocks; /* 512-byte units. */
    virtio_cops_le64 mtime_ns;
    virtio_cops_le64 inode;
    virtio_cops_le32 nlink;
    virtio_cops_le32 reserved;
};

#endif
