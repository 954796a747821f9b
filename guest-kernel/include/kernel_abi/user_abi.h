/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KERNEL_ABI_USER_ABI_H
#define KERNEL_ABI_USER_ABI_H

/*
 * The interface between a process and the COPS guest kernel, beside the Linux riscv64 system calls
 * that the kernel also answers. C, C++ and assembly; shared by guest-kernel and guest-runtime.
 *
 * Calls: a7 = number, arguments in a0..a6, result or -errno in a0, as Linux has it.
 */

/* COPS calls live far above Linux's numbers. */
/*
 * a0 = struct cops_attach *: maps and registers process page, heads, slots, doorbells. Each further
 * thread that runs an executor calls it too, and gets the line of its own hart.
 */
#define COPS_SYS_ATTACH 0x1000
/* a0 = const struct cops_submission *, a1 = count: returns the number accepted. */
#define COPS_SYS_SUBMIT 0x1001
#define COPS_SYS_CANCEL 0x1002 /* a0 = slot, a1 = slot generation. */
/* a0 = slot, a1 = slot generation, a2 = level: moves a request in flight. */
#define COPS_SYS_SET_LEVEL 0x1003
#define COPS_SYS_PARK 0x1004 /* Nothing is ready here; returns COPS_PARK_* when there may be. */
/* Let the kernel pick again (a more urgent process or kernel coroutine waits). */
#define COPS_SYS_YIELD 0x1005
/*
 * a0 = const char *path, a1 = argv, a2 = envp, a3 = const struct cops_process_limits * or 0: pid.
 * -EPERM when the limits are wider than the caller's own.
 */
#define COPS_SYS_SPAWN_PROCESS 0x1006
/* a0 = pid: exit status (0..255) once it has ended. Blocks the process. */
#define COPS_SYS_WAIT_PROCESS 0x1007
/* a0 = struct cops_kernel_counters *: what the kernel counted for this process. */
#define COPS_SYS_COUNTERS 0x1008
/*
 * Without user interrupts, in the handler. TAKE: the pc that was interrupted; the handler counts as
 * ended, and may be entered again. GIVE, a0 = pc: the handler counts as running, and its URET will
 * go there. So a handler can let others run before what it interrupted goes on.
 */
#define COPS_SYS_UPCALL_TAKE 0x1009 /* -EINVAL outside of the handler. */
#define COPS_SYS_UPCALL_GIVE 0x100a
/*
 * a0 = n: the process may have threads on n harts, its first one's among them; returns on how many
 * it may, which is less where the guest has fewer. clone() puts each new thread on one of them that
 * has none, and is -EAGAIN when all have. With fewer than before, threads that are there stay.
 */
#define COPS_SYS_ALLOC_CPU 0x100b
/*
 * a0 = set of harts (bit h): ends the sleep of the process's threads there (COPS_SYS_PARK and what
 * it asked for), or their next one when they do not sleep.
 */
#define COPS_SYS_KICK 0x100c

#define COPS_PARK_RETRY 0 /* Look again. */
/* Nothing else to run on this hart: `wfi` in user mode with UIE clear, then look again. */
#define COPS_PARK_WFI 1

/* Where the kernel maps what a process shares with kernel and host (user virtual addresses). */
#define COPS_PROCESS_PAGE_ADDRESS 0x3fe0000000 /* struct virtio_cops_line[], read-write. */
#define COPS_DOORBELL_ADDRESS 0x3fe0001000     /* Doorbell page, write-only in effect. */
#define COPS_HOST_PAGE_ADDRESS 0x3fe0002000    /* struct virtio_cops_host_line[], read-only. */
#define COPS_KERNEL_PAGE_ADDRESS 0x3fe0003000  /* struct cops_kernel_line[], read-only. */
#define COPS_HEADS_ADDRESS 0x3fe0010000        /* struct virtio_cops_heads[], read-write. */
#define COPS_SLOTS_ADDRESS 0x3fe0100000        /* struct virtio_cops_slot[], read-write. */

/* A request through the call door: any opcode of virtio_cops.h, on a file descriptor of the
 * process. */
/* READ, WRITE: use and advance the file position (kernel path). */
#define COPS_OFFSET_CURRENT (-1L)

#ifndef __ASSEMBLER__
#include <stdint.h>

struct cops_attach {
    uint32_t slots; /* In: wanted for each line. Out: granted in all (a multiple of 128). */
    uint32_t lines; /* Out: harts of the guest, each with a line. */
    uint32_t hart;  /* Out: the hart (line) this thread of control runs on. */
    /*
     * Out: 1 = utvec works (N extension); 0 = the kernel enters `handler` as the hardware would
     * (interrupted pc kept by the kernel, other registers untouched, no further entry until it
     * returns) and the handler returns by the same COPS_INSN_URET, which traps as an illegal
     * instruction and which the kernel carries out. It is entered for completions more urgent than
     * what runs, and at each tick of a busy hart. No CSR of N is touched then, and COPS_SYS_PARK
     * never answers COPS_PARK_WFI.
     */
    uint32_t user_interrupts;
    uint64_t
        handler; /* In: entry of the user interrupt handler, set as utvec or called by upcall. */
    uint64_t process;  /* Out: process id as the device knows it. */
    uint64_t timebase; /* Out: frequency of the time counter, Hz. */
};

struct cops_submission {
    uint32_t opcode; /* VIRTIO_COPS_OP_* */
    int32_t fd;      /* File descriptor; OPENAT: directory or AT_FDCWD. */
    uint64_t buffer; /* User address of data, path or struct virtio_cops_stat. */
    uint64_t length; /* Bytes of buffer; NANOSLEEP: unused. */
    int64_t offset;  /* READ, WRITE: file offset or COPS_OFFSET_CURRENT. NANOSLEEP: nanoseconds. */
    uint32_t level;
    uint32_t slot;
    uint32_t slot_generation;
    uint32_t open_flags;
    uint32_t mode;
    uint32_t hart;      /* Line whose list takes the completion. */
    uint64_t user_data; /* The coroutine: copied into the slot. */
};

/* What a process may have of its hart. Without: as the caller, at most weight 100 and share 5. */
struct cops_process_limits {
    uint32_t ceiling; /* More urgent claims and requests count as this level, 0..63. */
    uint32_t weight;  /* Its part of the hart among processes of one level, 1..10000. */
    uint32_t share;   /* Percent of the hart that it gets whatever others claim, 0..50. */
    uint32_t reserved;
};

/* Per hart, kernel -> executor: what else wants this hart (the guest's own global bitmap).
 * Read-only to processes. */
struct cops_kernel_line {
    uint64_t others; /* Bit l: kernel work or another process of level l waits for this hart. */
    uint64_t reserved[7];
};

struct cops_kernel_counters {
    uint64_t supervisor_traps; /* Entries into the kernel from this process. */
    uint64_t submissions;
    uint64_t completed_by_kernel; /* Slots the kernel filled. */
    uint64_t process_switches;
    uint64_t kernel_wakes; /* Times the kernel made this process runnable for a completion. */
    uint64_t reserved[3];
};
#endif /* __ASSEMBLER__ */

#endif
