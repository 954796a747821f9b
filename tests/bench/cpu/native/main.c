/* SPDX-License-Identifier: Apache-2.0 */
/* The host's side of ../guest/main.c: the same workloads, measured the same way.
 *   native [WORKLOAD...]   run these (default: all)
 *   native --pair          busy work on one thread, then on two at once */
#include "../workloads/workload.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* In ticks of 100 ns, as the guests count. */
static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 10000000 + (uint64_t)time.tv_nsec / 100;
}

static void measure(const char* group, const struct workload* workload) {
    workload->setup();
    workload->run(workload->count / 8 + 1);
    workload->setup();
    const uint64_t start = now();
    const uint64_t checksum = workload->run(workload->count);
    const uint64_t ticks = now() - start;
    printf(
        "result %s class=%s ticks=%" PRIu64 " instructions=0 checksum=%" PRIu64 "\n",
        workload->name,
        group,
        ticks,
        checksum
    );
}

static void measure_all(const char* group, const struct workload* workload, char** names) {
    for (; workload->name != NULL; ++workload) {
        int wanted = *names == NULL;
        for (char** name = names; *name != NULL; ++name) {
            wanted |= strcmp(*name, workload->name) == 0;
        }
        if (wanted) {
            measure(group, workload);
        }
    }
}

static atomic_int second_ready, second_go;
static uint64_t second_sum;

static void* second_main(void* unused) {
    busy_work(BUSY_COUNT / 8);
    atomic_store(&second_ready, 1);
    while (atomic_load(&second_go) == 0) {
    }
    second_sum = busy_work(BUSY_COUNT);
    return unused;
}

static void pair(void) {
    busy_work(BUSY_COUNT / 8);
    uint64_t start = now();
    const uint64_t alone_sum = busy_work(BUSY_COUNT);
    const uint64_t alone = now() - start;
    pthread_t thread;
    if (pthread_create(&thread, NULL, second_main, NULL) != 0) {
        exit(1);
    }
    while (atomic_load(&second_ready) == 0) {
    }
    start = now();
    atomic_store(&second_go, 1);
    const uint64_t first_sum = busy_work(BUSY_COUNT);
    pthread_join(thread, NULL);
    const uint64_t both = now() - start;
    printf(
        "pair alone=%" PRIu64 " both=%" PRIu64 " checksum=%" PRIu64 "\n",
        alone,
        both,
        alone_sum == first_sum && first_sum == second_sum ? first_sum : 0
    );
}

int main(int argc, char** argv) {
    if (argc == 2 && strcmp(argv[1], "--pair") == 0) {
        pair();
    } else {
        measure_all("integer", integer_workloads, argv + 1);
        measure_all("control", control_workloads, argv + 1);
        measure_all("memory", memory_workloads, argv + 1);
        measure_all("float", float_workloads, argv + 1);
    }
    printf("end\n");
    return 0;
}
