/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <stddef.h>
#include <stdint.h>

#define NOINLINE __attribute__((noinline))

/* One benchmark. setup() puts its data into a state that depends on nothing before; run() does
 * `count` units of work and returns a checksum of all of it. The same sources are compiled for the
 * guest and for the host, so checksums must agree bit for bit. */
struct workload {
    const char* name;
    void (*setup)(void);
    uint64_t (*run)(uint64_t count);
    uint64_t count; /* units in a measured run; a warm-up does an eighth of them */
};

extern const struct workload integer_workloads[];
extern const struct workload control_workloads[];
extern const struct workload memory_workloads[];
extern const struct workload float_workloads[];

/* Integer work on its own stack only, for several harts or threads at once. */
uint64_t busy_work(uint64_t count);
#define BUSY_COUNT 20000ul

static inline uint64_t next_random(uint64_t* state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static inline uint64_t mix(uint64_t sum, uint64_t value) {
    return (sum ^ value) * 0x9e3779b97f4a7c15ul;
}

#endif
