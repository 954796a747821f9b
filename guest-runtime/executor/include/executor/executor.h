/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EXECUTOR_EXECUTOR_H
#define EXECUTOR_EXECUTOR_H

/*
 * The shared coroutine executor: one source for every process and for the guest kernel.
 *
 * C ABI. No writable data, no thread-local storage, no libc: every call takes the context of the
 * hart it runs on, and all memory is the caller's. Coroutines cross as frame addresses (resume
 * function at offset 0, destroy function at 8: the Itanium layout that clang and gcc share).
 *
 * A *group* is one side: a process, or the kernel. It has one *context* per hart and a table of
 * *tasks*. A task is a spawned coroutine: its control block lives in the table, whose memory is
 * never given back, so that a stale id is told by its generation and never touches freed memory.
 *
 * Contexts of a group may run on several harts at once. One context is used by one hart at a time,
 * and its calls do not nest: in user mode the executor masks itself by a flag in its line (the
 * interrupt entry sees it and returns), in the kernel the caller keeps interrupts off.
 */

#include <virtio_cops/virtio_cops.h>

#include <kernel_abi/user_abi.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Version of this interface. A later one adds calls, and fields at the ends of structures, and
 * changes nothing that is here: so code built for an earlier version works with a later executor.
 * That is why the caller asks cops_executor_size() for the memory that its structures need.
 */
#ifdef COPS_EXECUTOR_NEXT /* What a later version could look like: for a test. */
#define COPS_EXECUTOR_ABI 2
#define COPS_EXECUTOR_ADDED uint64_t added[8];
#else
#define COPS_EXECUTOR_ABI 1
#define COPS_EXECUTOR_ADDED
#endif

#define COPS_EXECUTOR_CONTEXTS 64        /* Harts of one group. */
#define COPS_EXECUTOR_SEGMENT_TASKS 1024 /* Tasks of one table segment. */
#define COPS_EXECUTOR_SEGMENTS 1024
#define COPS_EXECUTOR_BATCH 32 /* Submissions kept back for one system call. */

/* A task id: generation << 32 | index + 1. 0 names no task. */
typedef uint64_t cops_task_id;

/* Task states: the low bits of cops_task.state. */
#define COPS_TASK_FREE 0
#define COPS_TASK_READY 1 /* In a ready queue (or on its way there). */
#define COPS_TASK_RUNNING 2
#define COPS_TASK_SUSPENDED 3 /* Until cops_executor_wake(). */
/* Until its event: a completion, a join, or cops_executor_signal(). */
#define COPS_TASK_WAITING 4
/*
 * Running-suspended: the states with this bit keep their stack, and none without it has one. Such a
 * task goes on there, on the context whose stack it is: it is never stolen and never becomes READY.
 */
#define COPS_TASK_KEEPS_STACK 0x8
/* Interrupted while it ran; in a ready queue. */
#define COPS_TASK_PREEMPTED 0x9
/* By a call that waits (cops_executor_block): until its event, and until a wake. */
#define COPS_TASK_BLOCKED (COPS_TASK_KEEPS_STACK | COPS_TASK_WAITING)
#define COPS_TASK_BLOCKED_SUSPENDED (COPS_TASK_KEEPS_STACK | COPS_TASK_SUSPENDED)
/* What it was BLOCKED for has come; in a ready queue. */
#define COPS_TASK_UNBLOCKED 0xa
#define COPS_TASK_STATE_MASK 0xf
/* A wake came while not suspended: the next suspend returns at once. */
#define COPS_TASK_TOKEN 0x10
#define COPS_TASK_EVENT 0x20 /* The event came before the wait did. */

/* Flags of spawn. */
#define COPS_SPAWN_PINNED 0x1 /* Runs only on the context it was spawned on; never stolen. */

/* Task control block. Fields are the executor's own; `result` is the runtime's to read. */
struct cops_task {
    uint64_t
        state;   /* generation << 32 | flags | state; every transition is one compare-exchange. */
    void* frame; /* Innermost suspended coroutine: what to resume. KEEPS_STACK: its stack. */
    int64_t result; /* Of the last completion; while a slot is awaited: the submission's address. */
    uint64_t
        joiners; /* generation << 32 | 1 + index of the first task that waits for this one's end. */
    uint32_t next; /* Links by 1 + index: ready queue, slot queue, joiners, free list. */
    uint32_t prev;
    uint32_t level; /* As last set; a queued task moves at once, others at their next enqueue. */
    uint32_t queue_level; /* Level of the queue it is in (under that context's lock). */
    uint32_t queued;      /* 1 + context whose ready queue holds it; 0 = none. */
    uint32_t index;
    uint32_t flags; /* COPS_SPAWN_* */
    uint32_t home;  /* Context it was spawned on; KEEPS_STACK: that of its stack. */
    COPS_EXECUTOR_ADDED
};

/* A completion slot as its owner sees it (the shared half is struct virtio_cops_slot). */
struct cops_slot_state {
    cops_task_id task;   /* Whose request is in flight; 0 = free. */
    uint32_t generation; /* Of the request in flight or of the last one. */
    uint32_t next;       /* Free list: 1 + slot. In flight: a mark. */
    COPS_EXECUTOR_ADDED
};

struct cops_queue {
    uint32_t head; /* 1 + task index; 0 = empty. */
    uint32_t tail;
};

/* What an executor counted. Written by its hart only. */
struct cops_executor_counters {
    uint64_t switches; /* Coroutines resumed. */
    uint64_t spawned;
    uint64_t exited;
    uint64_t wakes;  /* Wakes and signals that made a task ready. */
    uint64_t tokens; /* Wakes and signals that came first and left a token. */
    uint64_t steals;
    uint64_t preemptions;      /* Coroutines that lost the hart while they ran. */
    uint64_t blocks;           /* Coroutines that waited and kept their stack meanwhile. */
    uint64_t ring_completions; /* Host completions found by polling at a switch. */
    uint64_t
        interrupt_completions; /* Host completions drained by the user interrupt (or after wfi). */
    uint64_t kernel_completions; /* Completions that the guest kernel wrote. */
    uint64_t stale_completions;  /* Slots listed that had no request in flight: ignored. */
    uint64_t interrupts;         /* Entries of the user interrupt handler. */
    uint64_t masked_interrupts;  /* Of these, found the executor masked. */
    uint64_t claims_rung;        /* CLAIM doorbells. */
    uint64_t host_yields;
    uint64_t kernel_yields;
    uint64_t slot_waits; /* Requests that had to wait for a slot. */
};

struct cops_executor_group;

/* The context of one hart. Zero it, set the fields marked "caller", then
 * cops_executor_init_context(). */
struct cops_executor_context {
    /* Caller: what this hart shares with host and kernel. Null where there is none (kernel side,
     * tests). */
    struct virtio_cops_line* line; /* Process line of this hart. */
    uint64_t* published; /* Where ready | running is published; init sets &line->ready when there is
                            a line. */
    struct virtio_cops_heads* heads; /* Completion lists of this hart. */
    const struct virtio_cops_host_line* host_line;
    const struct cops_kernel_line* kernel_line;
    volatile uint32_t* doorbells; /* Doorbell page; null = never ring. */
    /* Called when another context does not give its lock back for long: its hart may not be
     * running. May sleep. Null = spin. */
    void (*give_way)(void);
    uint32_t line_index; /* Hart whose line `line` is: completions are listed there. */
    /* Caller, on this hart: while it is not 0 the running coroutine is not preempted. Unlike
     * masking it lets completions in, so nobody outside has to be told. */
    uint32_t kept;
    /* Caller: 1 = a lone task stays for the next turn here, see cops_executor_lone(). */
    uint32_t keeps_lone;
    /* Set by init. */
    struct cops_executor_group* group;
    uint32_t index;
    uint32_t lock;  /* Guards queues, ready, running_level, published. */
    uint64_t ready; /* Bit l: queue[l] is not empty. */
    struct cops_queue queue[VIRTIO_COPS_LEVELS];
    uint64_t stealable;                    /* Bit l: queue[l] holds a task that is not pinned. */
    uint32_t unpinned[VIRTIO_COPS_LEVELS]; /* How many of them. */
    /* What other harts read at each of their switches, so alone in its cache line: the bits of
     * `stealable`, and that of the level that runs here for as long as it does. */
    uint64_t apart_before[7];
    uint64_t offered;
    uint64_t apart_behind[7];
    uint32_t running_level; /* LEVEL_NONE = none. */
    uint32_t current;       /* 1 + index of the running task; 0 = none. */
    uint32_t action;        /* What the coroutine asked for when it suspended. */
    uint32_t masked;        /* Depth of masking. */
    uint32_t yielded;       /* Yield reported; run one task before the next report. */
    uint32_t stopped;
    cops_task_id action_task;
    uint64_t kicks;      /* Contexts (bits) that should be woken: see cops_executor_take_kicks(). */
    uint32_t free_tasks; /* Own free list, short. */
    uint32_t free_count;
    /* Requests. */
    struct cops_queue slot_queue[VIRTIO_COPS_LEVELS]; /* Tasks that wait for a slot. */
    uint64_t slot_waiting;                            /* Bit l: slot_queue[l] is not empty. */
    uint32_t free_slots;                              /* Free list of this context. */
    uint32_t in_flight; /* Slots taken: requests in the batch, in the kernel, or at the host. */
    uint32_t batch_count;
    uint32_t batch_level; /* Most urgent level in the batch. */
    uint32_t
        batch_hold; /* Caller: switches to tasks of the same level that a batch may wait for. */
    uint32_t batch_age;
    uint32_t claimed; /* Best level last published. */
    struct cops_submission batch[COPS_EXECUTOR_BATCH];
    struct cops_executor_counters counters;
    cops_task_id running_task; /* Id of the task that `current` names; 0 = none. */
    uint32_t least_is_next;    /* cops_executor_serve_least() was called. */
    uint32_t serves_least;     /* The running task has its turn for that. */
    uint32_t lone;             /* 1 + index of the lone task; 0 = none. */
    uint64_t lone_told;        /* cops_executor_lone() when sleepers were last told of one. */
    uint64_t lone_pause;       /* So many switches later they may be told again ... */
    uint64_t lone_resume;      /* ... that is, at this one; 0 = one had to wait since. */
    COPS_EXECUTOR_ADDED
};

/* One side. Zero it, set the fields marked "caller", then cops_executor_init_group(). */
struct cops_executor_group {
    uint32_t abi;          /* Caller: COPS_EXECUTOR_ABI. */
    uint32_t num_contexts; /* Caller: 1..COPS_EXECUTOR_CONTEXTS; more by init_context(). */
    struct cops_executor_context**
        contexts;                /* Caller: array of as many pointers as there will be contexts. */
    struct cops_task** segments; /* Caller: array of COPS_EXECUTOR_SEGMENTS pointers, zeroed. */
    struct virtio_cops_slot* slots; /* Caller: may be null. */
    struct cops_slot_state*
        slot_states; /* Caller: num_slots of COPS_SIZE_SLOT_STATE bytes, zeroed. */
    uint32_t num_slots;
    uint32_t num_segments;
    uint64_t free_tasks; /* tag << 32 | 1 + index: shared free list. */
    uint64_t parked;     /* Bit c: context c sleeps or is about to. */
    uint64_t closed;     /* Bit c: context c takes no new work: cops_executor_close(). */
    COPS_EXECUTOR_ADDED
};

/* ---- Set-up ---- */

/* ABI version of the executor code that is linked or mapped. */
uint32_t cops_executor_abi(void);
/* Bytes that this executor needs for one structure (COPS_SIZE_*); 0 = it has no such structure. */
#define COPS_SIZE_GROUP 0
#define COPS_SIZE_CONTEXT 1
#define COPS_SIZE_TASK 2
#define COPS_SIZE_SLOT_STATE 3
uint32_t cops_executor_size(uint32_t structure);
/* 0, or -EINVAL when the group was made for a later ABI or a field is out of range. */
int cops_executor_init_group(struct cops_executor_group* group);
/*
 * Context `index` of its group; its slots are [first_slot, first_slot + slot_count). With index =
 * num_contexts it becomes one more: then calls must not overlap, and others may run. 0 or -EINVAL.
 */
int cops_executor_init_context(
    struct cops_executor_group* group, uint32_t index, uint32_t first_slot, uint32_t slot_count
);
/*
 * A closed context takes no work from others; its own coroutines go on there until they suspend or
 * yield, and then on an open one. Its completions are found there as ever. Context 0 stays open.
 * `ctx` is the caller's. 0 or -EINVAL.
 */
int cops_executor_close(struct cops_executor_context* ctx, uint32_t index, uint32_t closed);
/*
 * Adds COPS_EXECUTOR_SEGMENT_TASKS tasks: `segment` points at that many zeroed control blocks of
 * COPS_SIZE_TASK bytes, which stay the executor's for ever. Calls must not overlap. 0 or -ENOMEM
 * when the table is full.
 */
int cops_executor_add_tasks(struct cops_executor_group* group, struct cops_task* segment);

/* ---- From anywhere on the context's hart ---- */

/*
 * Makes a ready task of the coroutine suspended at `frame`. Returns its id; 0 when the task table
 * is full (add a segment and try again) or level is not below 64.
 */
cops_task_id
cops_executor_spawn(struct cops_executor_context* ctx, void* frame, uint32_t level, uint32_t flags);
/*
 * Lossless wake: makes a suspended task ready, or leaves a token for its next suspend. 0 or -ESRCH.
 */
int cops_executor_wake(struct cops_executor_context* ctx, cops_task_id id);
/* The same for the event of a waiting task; `result` is stored first. One signal per wait. 0 or
 * -ESRCH. */
int cops_executor_signal(struct cops_executor_context* ctx, cops_task_id id, int64_t result);
/* Moves a ready task to another level now, any other at its next enqueue. 0, -ESRCH or -EINVAL. */
int cops_executor_set_level(struct cops_executor_context* ctx, cops_task_id id, uint32_t level);
/* Level as last set, or -ESRCH. */
int cops_executor_level(struct cops_executor_context* ctx, cops_task_id id);
/* COPS_TASK_* state of this moment, without flags, or -ESRCH. */
int cops_executor_state(struct cops_executor_context* ctx, cops_task_id id);
/* 1 while the task has not ended. */
int cops_executor_alive(struct cops_executor_context* ctx, cops_task_id id);
/* The running task, 0 outside of one. */
cops_task_id cops_executor_current(const struct cops_executor_context* ctx);
/* Most urgent level that is ready here; LEVEL_NONE when none. */
uint32_t cops_executor_best(const struct cops_executor_context* ctx);
/* 1 when something more urgent than the running coroutine waits: here, in the kernel, or at the
 * host. */
int cops_executor_should_yield(const struct cops_executor_context* ctx);

/*
 * Takes the hart from the running coroutine, which must be the caller's or the interrupted one,
 * when something more urgent is ready here, or (`slice_over`) something as urgent. 1 = it is
 * PREEMPTED now: save what it needs to go on, then run the loop on another stack; `stack` is what
 * cops_executor_resumed() gives when its turn comes. 0 = it goes on: nothing better is ready, no
 * coroutine runs, it has just asked for something, it is kept, or the executor is masked.
 */
int cops_executor_preempt(struct cops_executor_context* ctx, void* stack, int slice_over);
/* 1 when cops_executor_preempt() would find something better. */
int cops_executor_should_preempt(const struct cops_executor_context* ctx, int slice_over);
/*
 * The next turn is that of the least urgent task that is ready here, whatever else is: until it
 * suspends, or until cops_executor_preempt() is called for it with `slice_over`. The running task
 * can be preempted for it.
 */
void cops_executor_serve_least(struct cops_executor_context* ctx);
/*
 * From below the coroutine: a plain function has called an awaiter's await_suspend, or resumed a
 * coroutine that suspended, so one of the calls below has been made with a frame that is not the
 * running coroutine's. What it asks for is carried out at once, and the task keeps its stack while
 * it waits. `*frame` is what that call named: the function goes on with it.
 *
 * 1 = it waits: save what it needs to go on, then run the loop on another stack; `stack` is what
 * cops_executor_resumed() gives when its turn comes. 0 = it goes on: what it waits for came first.
 * -EINVAL: nothing has been asked for, or exit.
 */
int cops_executor_block(struct cops_executor_context* ctx, void* stack, void** frame);
/* After COPS_RUN_RESUME: the stack of the task that runs again. */
void* cops_executor_resumed(const struct cops_executor_context* ctx);

/* Masking (nests): no interrupt entry runs executor code between the two; leaving re-checks. */
void cops_executor_enter(struct cops_executor_context* ctx);
void cops_executor_leave(struct cops_executor_context* ctx);

/*
 * Contexts that should be woken because work for them, or work that they could steal, appeared
 * while they were parked. The kernel sends each hart an IPI. Clears the set.
 */
uint64_t cops_executor_take_kicks(struct cops_executor_context* ctx);

/*
 * A lone task is the only one that is ready on its context, whose coroutine is about to suspend or
 * so one may hope: those that wake each other in turn stay together for that. Others may have it
 * once it has waited. 0 = context `index` has none; else a number that changes with each turn
 * there. Sleepers are told of one, but less often the more often they came for nothing: so who
 * sets `keeps_lone` looks at its own lone task now and then, and at others' before it sleeps.
 */
uint64_t cops_executor_lone(const struct cops_executor_context* ctx, uint32_t index);
/* 1 = that task, if it is still what `lone` was, is anyone's now. */
int cops_executor_share_lone(struct cops_executor_context* ctx, uint32_t index, uint64_t lone);

/* ---- From the running coroutine, as the last thing in await_suspend ---- */

/*
 * Each names the frame to resume and what the task waits for; the coroutine must then suspend, and
 * the executor acts after it has left the stack. So nothing can resume a coroutine that still runs.
 */
void cops_executor_yield(
    struct cops_executor_context* ctx, void* frame
); /* Tail of its own level. */
/*
 * As yield, and hands the turn to `id`: if that task is ready, and may run here, it runs next in
 * the caller's place, for this turn at the more urgent of the two levels. Otherwise a yield.
 */
void cops_executor_yield_to(struct cops_executor_context* ctx, void* frame, cops_task_id id);
void cops_executor_suspend(
    struct cops_executor_context* ctx, void* frame
); /* Until a wake; consumes a token. */
void cops_executor_wait(struct cops_executor_context* ctx, void* frame); /* Until its event. */
void cops_executor_join(
    struct cops_executor_context* ctx, void* frame, cops_task_id id
); /* Until `id` has ended. */
/* The coroutine is at its final suspend point. `frame` is destroyed by the executor; null = by its
 * owner. */
void cops_executor_exit(struct cops_executor_context* ctx, void* frame);
/*
 * Hands a request to the kernel and waits for its completion. `submission` lies in the coroutine's
 * frame; the executor fills level, slot, slot_generation, hart and user_data. With no slot free the
 * task waits for one, most urgent first. The result is cops_executor_result() after resumption.
 */
void cops_executor_submit(
    struct cops_executor_context* ctx, void* frame, struct cops_submission* submission
);
/*
 * A task got another level while it waits for its request. In this context's batch the request gets
 * it at once: then 0. Already on its way: 1 + its slot, and its generation, for COPS_SYS_SET_LEVEL.
 * 0 too when the task has no request.
 */
uint32_t cops_executor_move_request(
    struct cops_executor_context* ctx, cops_task_id id, uint32_t level, uint32_t* generation
);
/* Result of the running task's last event. */
int64_t cops_executor_result(const struct cops_executor_context* ctx);

/* ---- The loop ---- */

/* Nothing is ready; running_level is NONE and wake_pending was re-checked. */
#define COPS_RUN_IDLE 0
#define COPS_RUN_BUDGET 1 /* `budget` coroutines ran. */
/* ctx->batch[0..batch_count) must go to the kernel now: then cops_executor_submitted(). */
#define COPS_RUN_SUBMIT 2
/* Store to the YIELD doorbell: another guest's work is more urgent. */
#define COPS_RUN_YIELD_HOST 3
/* COPS_SYS_YIELD: another process's or the kernel's work is more urgent. */
#define COPS_RUN_YIELD_KERNEL 4
#define COPS_RUN_STOPPED 5 /* cops_executor_stop() was called. */
#define COPS_RUN_LIMIT 6   /* What is ready is less urgent than `limit`. */
/* A task that keeps its stack has its turn: go on with it on its stack, cops_executor_resumed(). */
#define COPS_RUN_RESUME 7
#define COPS_RUN_KICK 8 /* Another hart can help: cops_executor_take_kicks(). */

/* Runs ready coroutines, most urgent first and none less urgent than `limit` (63 = all), until a
 * reason to return. */
int cops_executor_run(struct cops_executor_context* ctx, uint32_t budget, uint32_t limit);
/* Makes run() return STOPPED at the next switch, until cleared by another call with 0. */
void cops_executor_stop(struct cops_executor_context* ctx, uint32_t stop);
/*
 * The first `accepted` submissions of the batch went out; the rest is kept. With error < 0 (a
 * -errno that concerns the submission after the accepted ones) that one completes at once with it.
 */
void cops_executor_submitted(struct cops_executor_context* ctx, uint32_t accepted, int error);

/* ---- Sleeping ---- */

/* 1 when cops_executor_run() would find something to do. */
int cops_executor_has_work(const struct cops_executor_context* ctx);
/* Announces sleep, then looks again: 1 = sleep, 0 = there is work. Follow either by park_end(). */
int cops_executor_park_begin(struct cops_executor_context* ctx);
void cops_executor_park_end(struct cops_executor_context* ctx);
/*
 * 1 = every context sleeps, nothing is ready and no request is in flight: nothing can wake anybody.
 * Between park_begin() and park_end().
 */
int cops_executor_asleep(const struct cops_executor_context* ctx);

/* ---- Completions ---- */

#define COPS_DRAIN_POLL 0
#define COPS_DRAIN_INTERRUPT 1
/* Empties the completion lists into the ready queues. `how` says what to count it as. Returns how
 * many. */
uint32_t cops_executor_drain(struct cops_executor_context* ctx, int how);
/* Body of the user interrupt handler. Spurious entries do no harm. */
void cops_executor_interrupt(struct cops_executor_context* ctx);

#ifdef __cplusplus
}
#endif

#endif
