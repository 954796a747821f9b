/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /init of a stock Linux guest: what load-compute and the urgent coroutine of load-mixed are in a
 * COPS guest.
 *   busy                         says so, and computes for ever
 *   periodic ROUNDS PERIOD WORK  has WORK units to do each PERIOD us, whether the last has been
 * done or not. For each round, in nanoseconds from when it was due: sample began=T done=T
 */
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <time.h>
#include <unistd.h>

enum { kStepsOfUnit = 512 }; /* as in guest-runtime/apps/load/work.hpp */

struct sample {
    uint64_t began, done;
};

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void end(const char* why) {
    puts(why);
    fflush(stdout);
    reboot(RB_POWER_OFF);
    exit(1);
}

static uint64_t work(uint64_t value, uint64_t units) {
    for (uint64_t step = 0; step < units * kStepsOfUnit; ++step) {
        value = value * 6364136223846793005u + 1442695040888963407u;
        __asm__ volatile("" : "+r"(value));
    }
    return value;
}

static void compute_for_ever(void) {
    puts("busy");
    fflush(stdout);
    for (uint64_t value = 1;;) {
        value = work(value, 1);
    }
}

static void work_each_period(uint64_t rounds, uint64_t period, uint64_t units) {
    struct sample* const samples = calloc(rounds, sizeof *samples);
    /* Ahead of everything else in the guest, with no page left to fault in. */
    const struct sched_param parameters = {.sched_priority = 50};
    if (samples == NULL || sched_setscheduler(0, SCHED_FIFO, &parameters) != 0
        || mlockall(MCL_CURRENT) != 0) {
        end("failed: SCHED_FIFO and locked memory");
    }
    uint64_t due = now() + period;
    uint64_t value = 1;
    for (uint64_t round = 0; round < rounds; ++round, due += period) {
        const struct timespec time = {(time_t)(due / 1000000000), (long)(due % 1000000000)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
        samples[round].began = now() - due;
        value = work(value, units);
        samples[round].done = now() - due;
    }
    for (uint64_t round = 0; round < rounds; ++round) {
        printf(
            "sample began=%llu done=%llu\n",
            (unsigned long long)samples[round].began,
            (unsigned long long)samples[round].done
        );
    }
    end("end");
}

int main(int argc, char** argv) {
    if (argc == 2 && strcmp(argv[1], "busy") == 0) {
        compute_for_ever();
    }
    if (argc == 5 && strcmp(argv[1], "periodic") == 0) {
        work_each_period(
            strtoul(argv[2], NULL, 10),
            strtoul(argv[3], NULL, 10) * 1000,
            strtoul(argv[4], NULL, 10)
        );
    }
    end("failed: wrong arguments");
}
