/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations of operations.cpp with threads, and that of preempt.cpp with signals: /init of a
 * stock Linux guest with one hart; with two, that of cross.cpp. Everything is measured under
 * SCHED_OTHER and under SCHED_FIFO, and the report takes the faster of the two: op NAME
 * policy=other|fifo ops=IN_A_BATCH batches=N p50=T p99=T most=T    (nanoseconds)
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <time.h>
#include <unistd.h>

enum { kTurns = 100, kBatches = 200, kWarmUp = 20 };
/* So long that the other hart sleeps again. */
enum { kSleeps = 100000 };

static const char* policy_name;

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void need(int good, const char* what) {
    if (!good) {
        printf("failed: %s\nend\n", what);
        fflush(stdout);
        reboot(RB_POWER_OFF);
        exit(1);
    }
}

/* ---- Samples ---- */

struct samples {
    int operations, marks, count;
    uint64_t begun;
    double times[kBatches];
};

/* Between two batches. False: there are enough. */
static int mark(struct samples* samples) {
    const uint64_t end = now();
    if (++samples->marks > kWarmUp + 1 && samples->count < kBatches) {
        samples->times[samples->count++] = (double)(end - samples->begun) / samples->operations;
    }
    samples->begun = now();
    return samples->count < kBatches;
}

static int ascending(const void* left, const void* right) {
    const double a = *(const double*)left, b = *(const double*)right;
    return (a > b) - (a < b);
}

static void print(struct samples* samples, const char* name) {
    qsort(samples->times, kBatches, sizeof samples->times[0], ascending);
    printf(
        "op %s policy=%s ops=%d batches=%d p50=%.2f p99=%.2f most=%.2f\n",
        name,
        policy_name,
        samples->operations,
        kBatches,
        samples->times[kBatches / 2],
        samples->times[kBatches * 99 / 100],
        samples->times[kBatches - 1]
    );
    fflush(stdout);
}

static pthread_t start(void* (*body)(void*), void* argument) {
    pthread_t thread;
    need(pthread_create(&thread, NULL, body, argument) == 0, "pthread_create");
    return thread;
}

/* ---- spawn, run, exit ---- */

static void* empty(void* argument) {
    return argument;
}

static void measure_spawn(void) {
    static struct samples samples;
    samples = (struct samples){.operations = kTurns};
    while (mark(&samples)) {
        for (int i = 0; i < kTurns; ++i) {
            pthread_join(start(empty, NULL), NULL);
        }
    }
    print(&samples, "spawn");
}

/* ---- yield: counted is only what passes the hart to the other thread ---- */

static struct {
    atomic_int runs, passes, stop;
    struct samples samples;
} turn;

static void* yield_turns(void* self) {
    const int id = self != NULL;
    while (!atomic_load_explicit(&turn.stop, memory_order_relaxed)) {
        if (atomic_load_explicit(&turn.runs, memory_order_relaxed) != id) {
            atomic_store_explicit(&turn.runs, id, memory_order_relaxed);
            const int passes = atomic_load_explicit(&turn.passes, memory_order_relaxed) + 1;
            atomic_store_explicit(
                &turn.passes, passes % turn.samples.operations, memory_order_relaxed
            );
            if (passes == turn.samples.operations && !mark(&turn.samples)) {
                atomic_store_explicit(&turn.stop, 1, memory_order_relaxed);
            }
        }
        sched_yield();
    }
    return NULL;
}

static void measure_yield(void) {
    memset(&turn, 0, sizeof turn);
    turn.samples.operations = 2 * kTurns;
    const pthread_t one = start(yield_turns, NULL), other = start(yield_turns, &turn);
    pthread_join(one, NULL);
    pthread_join(other, NULL);
    print(&turn.samples, "yield");
}

/* ---- wake ---- */

static struct {
    sem_t ask, answer;
    atomic_int stop;
} pair;

static void* answer(void* unused) {
    for (;;) {
        sem_wait(&pair.ask);
        if (atomic_load(&pair.stop)) {
            return unused;
        }
        sem_post(&pair.answer);
    }
}

static void* ask(void* argument) {
    struct samples* const samples = argument;
    while (mark(samples)) {
        for (int i = 0; i < kTurns; ++i) {
            sem_post(&pair.ask);
            sem_wait(&pair.answer);
        }
    }
    atomic_store(&pair.stop, 1);
    sem_post(&pair.ask);
    return NULL;
}

static void measure_wake(void) {
    static struct samples samples;
    samples = (struct samples){.operations = 2 * kTurns};
    sem_init(&pair.ask, 0, 0);
    sem_init(&pair.answer, 0, 0);
    atomic_store(&pair.stop, 0);
    const pthread_t one = start(ask, &samples), other = start(answer, NULL);
    pthread_join(one, NULL);
    pthread_join(other, NULL);
    print(&samples, "wake");
}

/* ---- mutex ---- */

static void measure_mutex(void) {
    static struct samples samples;
    samples = (struct samples){.operations = kTurns};
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    while (mark(&samples)) {
        for (int i = 0; i < kTurns; ++i) {
            pthread_mutex_lock(&mutex);
            __asm__ volatile("" : : : "memory");
            pthread_mutex_unlock(&mutex);
        }
    }
    print(&samples, "mutex");
}

static struct {
    pthread_mutex_t mutex;
    int holder, handed, stop;
    struct samples samples;
} contended;

static void* contend(void* self) {
    const int id = self != NULL;
    for (int stop = 0; !stop;) {
        pthread_mutex_lock(&contended.mutex);
        contended.handed += contended.holder != id;
        contended.holder = id;
        if (id == 0 && contended.handed >= contended.samples.operations) {
            contended.handed = 0;
            contended.stop = !mark(&contended.samples);
        }
        stop = contended.stop;
        sched_yield();
        pthread_mutex_unlock(&contended.mutex);
        sched_yield();
    }
    return NULL;
}

static void measure_contended(void) {
    memset(&contended, 0, sizeof contended);
    pthread_mutex_init(&contended.mutex, NULL);
    contended.holder = -1;
    contended.samples.operations = 2 * kTurns;
    const pthread_t one = start(contend, NULL), other = start(contend, &contended);
    pthread_join(one, NULL);
    pthread_join(other, NULL);
    print(&contended.samples, "handover");
}

/* ---- channel ---- */

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t room, work;
    int items[4];
    unsigned head, tail;
    int producer_waits, consumer_waits, stop;
} channel;

static void* produce(void* unused) {
    pthread_mutex_lock(&channel.mutex);
    for (int item = 0; !channel.stop; ++item) {
        while (channel.tail - channel.head == 4 && !channel.stop) {
            channel.producer_waits = 1;
            pthread_cond_wait(&channel.room, &channel.mutex);
            channel.producer_waits = 0;
        }
        channel.items[channel.tail++ % 4] = item;
        if (channel.consumer_waits) {
            pthread_cond_signal(&channel.work);
        }
        pthread_mutex_unlock(&channel.mutex);
        pthread_mutex_lock(&channel.mutex);
    }
    pthread_mutex_unlock(&channel.mutex);
    return unused;
}

static void* consume(void* argument) {
    struct samples* const samples = argument;
    while (mark(samples)) {
        for (int i = 0; i < kTurns; ++i) {
            pthread_mutex_lock(&channel.mutex);
            while (channel.tail == channel.head) {
                channel.consumer_waits = 1;
                pthread_cond_wait(&channel.work, &channel.mutex);
                channel.consumer_waits = 0;
            }
            ++channel.head;
            if (channel.producer_waits) {
                pthread_cond_signal(&channel.room);
            }
            pthread_mutex_unlock(&channel.mutex);
        }
    }
    pthread_mutex_lock(&channel.mutex);
    channel.stop = 1;
    pthread_cond_signal(&channel.room);
    pthread_mutex_unlock(&channel.mutex);
    return NULL;
}

static void measure_channel(void) {
    static struct samples samples;
    samples = (struct samples){.operations = kTurns};
    memset(&channel, 0, sizeof channel);
    pthread_mutex_init(&channel.mutex, NULL);
    pthread_cond_init(&channel.room, NULL);
    pthread_cond_init(&channel.work, NULL);
    const pthread_t consumer = start(consume, &samples), producer = start(produce, NULL);
    pthread_join(consumer, NULL);
    pthread_join(producer, NULL);
    print(&samples, "channel");
}

/* ---- preemption by a timer's signals ----
 * Of two stacks of one thread, as runtimes do it that have no user timer. The kernel has saved what
 * a call may change, so the handler saves the rest; it needs no system call. */

enum { kPeriod = 5000000 };

void switch_stack(void** from, void* to);
__asm__(".text\n.global switch_stack\nswitch_stack:\n"
        "  addi sp, sp, -208\n"
        "  sd ra, 0(sp)\n  sd s0, 8(sp)\n  sd s1, 16(sp)\n  sd s2, 24(sp)\n  sd s3, 32(sp)\n"
        "  sd s4, 40(sp)\n  sd s5, 48(sp)\n  sd s6, 56(sp)\n  sd s7, 64(sp)\n  sd s8, 72(sp)\n"
        "  sd s9, 80(sp)\n  sd s10, 88(sp)\n  sd s11, 96(sp)\n"
        "  fsd fs0, 104(sp)\n  fsd fs1, 112(sp)\n  fsd fs2, 120(sp)\n  fsd fs3, 128(sp)\n"
        "  fsd fs4, 136(sp)\n  fsd fs5, 144(sp)\n  fsd fs6, 152(sp)\n  fsd fs7, 160(sp)\n"
        "  fsd fs8, 168(sp)\n  fsd fs9, 176(sp)\n  fsd fs10, 184(sp)\n  fsd fs11, 192(sp)\n"
        "  sd sp, 0(a0)\n  mv sp, a1\n"
        "  ld ra, 0(sp)\n  ld s0, 8(sp)\n  ld s1, 16(sp)\n  ld s2, 24(sp)\n  ld s3, 32(sp)\n"
        "  ld s4, 40(sp)\n  ld s5, 48(sp)\n  ld s6, 56(sp)\n  ld s7, 64(sp)\n  ld s8, 72(sp)\n"
        "  ld s9, 80(sp)\n  ld s10, 88(sp)\n  ld s11, 96(sp)\n"
        "  fld fs0, 104(sp)\n  fld fs1, 112(sp)\n  fld fs2, 120(sp)\n  fld fs3, 128(sp)\n"
        "  fld fs4, 136(sp)\n  fld fs5, 144(sp)\n  fld fs6, 152(sp)\n  fld fs7, 160(sp)\n"
        "  fld fs8, 168(sp)\n  fld fs9, 176(sp)\n  fld fs10, 184(sp)\n  fld fs11, 192(sp)\n"
        "  addi sp, sp, 208\n  ret\n");

static struct {
    void* stacks[2];
    volatile int running; /* The stack that has the hart ... */
    volatile int runner;  /* ... and the one that was last seen to. */
    volatile uint64_t last[2];
    volatile int count;
    double times[kBatches + kWarmUp + 2];
} preempt;

static uint64_t ticks(void) {
    uint64_t value;
    __asm__ volatile("rdtime %0" : "=r"(value) : : "memory");
    return value;
}

static void compute(int self) {
    preempt.last[self] = ticks();
    while (preempt.count < kBatches + kWarmUp) {
        uint64_t time = ticks();
        if (preempt.runner != self) {
            time = ticks(); /* The one before may be from an earlier turn. */
            preempt.runner = self;
            preempt.times[preempt.count] = (double)(time - preempt.last[!self]);
            preempt.count = preempt.count + 1;
        }
        preempt.last[self] = time;
    }
}

static void compute_second(void) {
    compute(1);
    for (;;) { /* The first one ends this. */
    }
}

static void pass_the_hart(int signal) {
    (void)signal;
    const int self = preempt.running;
    preempt.running = !self;
    switch_stack(&preempt.stacks[self], preempt.stacks[!self]);
}

static volatile int timer_signals;

static void count_signal(int signal) {
    (void)signal;
    timer_signals = timer_signals + 1;
}

/* The program goes on afterwards. */
static void compute_alone(struct samples* samples) {
    int seen = timer_signals;
    uint64_t last = ticks();
    for (int i = -kWarmUp; i < kBatches;) {
        uint64_t time = ticks();
        if (timer_signals != seen) {
            seen = timer_signals;
            time = ticks();
            if (i >= 0) {
                samples->times[i] = (double)(time - last);
            }
            ++i;
        }
        last = time;
    }
}

static timer_t start_timer(void (*handler)(int)) {
    /* SA_NODEFER: whoever comes next is not in a handler, and must get signals. */
    const struct sigaction action = {.sa_handler = handler, .sa_flags = SA_NODEFER};
    need(sigaction(SIGALRM, &action, NULL) == 0, "sigaction");
    timer_t timer;
    need(timer_create(CLOCK_MONOTONIC, NULL, &timer) == 0, "timer_create");
    const struct itimerspec period = {.it_interval.tv_nsec = kPeriod, .it_value.tv_nsec = kPeriod};
    need(timer_settime(timer, 0, &period, NULL) == 0, "timer_settime");
    return timer;
}

static void measure_tick(void) {
    static struct samples samples;
    samples = (struct samples){.operations = 1};
    const timer_t timer = start_timer(count_signal);
    compute_alone(&samples);
    timer_delete(timer);
    print(&samples, "tick");
}

static void measure_preempt(void) {
    static struct samples samples;
    static _Alignas(16) char stack[65536];
    samples = (struct samples){.operations = 1};
    memset(&preempt, 0, sizeof preempt);
    void** const frame = (void**)(stack + sizeof stack - 208);
    frame[0] = (void*)&compute_second;
    preempt.stacks[1] = frame;
    const timer_t timer = start_timer(pass_the_hart);
    compute(0);
    timer_delete(timer);
    memcpy(samples.times, preempt.times + kWarmUp, sizeof samples.times);
    print(&samples, "preempt");
}

/* ---- a wake to another hart, which sleeps: until the woken thread runs ---- */

static struct {
    sem_t asked;
    atomic_int answers, stop;
} cross;

static void* answer_asked(void* nothing) {
    while (sem_wait(&cross.asked), !atomic_load(&cross.stop)) {
        atomic_fetch_add(&cross.answers, 1);
    }
    return nothing;
}

static void stay_on(pthread_t thread, int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    need(pthread_setaffinity_np(thread, sizeof set, &set) == 0, "pthread_setaffinity_np");
}

static void wait_ns(uint64_t nanoseconds) {
    const uint64_t begun = now();
    while (now() - begun < nanoseconds) {
    }
}

static void measure_cross(void) {
    static struct samples samples;
    samples = (struct samples){.operations = 1};
    atomic_store(&cross.stop, 0);
    atomic_store(&cross.answers, 0);
    need(sem_init(&cross.asked, 0, 0) == 0, "sem_init");
    const pthread_t other = start(answer_asked, NULL);
    stay_on(pthread_self(), 0);
    stay_on(other, 1);
    for (int i = -kWarmUp; i < kBatches; ++i) {
        wait_ns(kSleeps);
        const int before = atomic_load(&cross.answers);
        const uint64_t begun = now();
        sem_post(&cross.asked);
        while (atomic_load(&cross.answers) == before) {
        }
        if (i >= 0) {
            samples.times[i] = (double)(now() - begun);
        }
    }
    atomic_store(&cross.stop, 1);
    sem_post(&cross.asked);
    pthread_join(other, NULL);
    cpu_set_t both;
    CPU_ZERO(&both);
    CPU_SET(0, &both);
    CPU_SET(1, &both);
    need(pthread_setaffinity_np(pthread_self(), sizeof both, &both) == 0, "pthread_setaffinity_np");
    print(&samples, "cross");
}

static void measure_all(const char* name, int policy) {
    policy_name = name;
    const struct sched_param parameters = {.sched_priority = policy == SCHED_FIFO ? 10 : 0};
    need(sched_setscheduler(0, policy, &parameters) == 0, "sched_setscheduler");
    cpu_set_t cpus; /* not sysconf(), which asks a /sys that is not there */
    if (sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) > 1) {
        measure_cross();
        return;
    }
    measure_spawn();
    measure_yield();
    measure_wake();
    measure_mutex();
    measure_contended();
    measure_channel();
    measure_preempt();
    measure_tick();
}

int main(void) {
    measure_all("other", SCHED_OTHER);
    measure_all("fifo", SCHED_FIFO);
    puts("end");
    fflush(stdout);
    if (getpid() == 1) {
        reboot(RB_POWER_OFF);
    }
    return 0;
}
