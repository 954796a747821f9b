/* SPDX-License-Identifier: Apache-2.0 */
/* Memory: a chase that misses caches and TLBs, and streams. */
#include "workload.h"

/* One area of 8 MiB and a bit, so that workloads do not add up to a large image. */
#define AREA_WORDS ((8ul << 20) / 8)
static uint64_t area[AREA_WORDS + 65536] __attribute__((aligned(4096)));

/* Pointer chase through 8 MiB in a random order: one cache line and mostly another page a step. */
struct link {
    struct link* next;
    uint64_t value;
    uint64_t padding[6];
};
#define LINKS (AREA_WORDS / 8)

static void chase_setup(void) {
    struct link* links = (struct link*)area;
    uint64_t random = 0x2545f4914f6cdd1d;
    for (size_t n = 0; n < LINKS; ++n) {
        links[n].value = n;
    }
    /* Sattolo's shuffle makes one cycle of all. */
    for (size_t n = LINKS - 1; n > 0; --n) {
        const size_t other = next_random(&random) % n;
        const uint64_t held = links[n].value;
        links[n].value = links[other].value;
        links[other].value = held;
    }
    for (size_t n = 0; n < LINKS; ++n) {
        links[n].next = &links[links[n].value];
    }
}

static uint64_t chase_run(uint64_t count) {
    const struct link* at = (const struct link*)area;
    uint64_t sum = 0;
    for (uint64_t n = 0; n < count * 1024; ++n) {
        sum += at->value;
        at = at->next;
    }
    return mix(sum, at->value);
}

/* Word copies of 256 KiB. */
#define COPY_WORDS ((256ul << 10) / 8)

static void copy_setup(void) {
    uint64_t random = 0x853c49e6748fea9b;
    for (size_t n = 0; n < AREA_WORDS + 65536; ++n) {
        area[n] = next_random(&random);
    }
}

static NOINLINE void
copy_words(volatile uint64_t* restrict to, const volatile uint64_t* restrict from) {
    for (size_t n = 0; n < COPY_WORDS; ++n) {
        to[n] = from[n];
    }
}

static uint64_t copies(uint64_t count, uint64_t* to, uint64_t* from) {
    uint64_t sum = 0;
    for (; count != 0; --count) {
        copy_words(to, from);
        from[count % COPY_WORDS] += count;
        sum = mix(sum, to[count * 513 % COPY_WORDS]);
    }
    return sum;
}

/* 1 MiB and 68 pages apart: no two pages of source and target meet in an index of some bits. */
static uint64_t copy_run(uint64_t count) {
    return copies(count, area + (1ul << 20) / 8 + 68 * 512, area);
}

/* 4 MiB apart: page by page they meet in every table that has no ways. */
static uint64_t alias_run(uint64_t count) {
    return copies(count, area + (4ul << 20) / 8, area);
}

/* One word of each of 1024 pages, again and again. */
static uint64_t stride_run(uint64_t count) {
    uint64_t sum = 0;
    for (; count != 0; --count) {
        for (size_t n = 0; n < 1024; ++n) {
            volatile uint64_t* word = &area[n * 512 + (n * 8 & 511)];
            sum += *word;
            *word = sum;
        }
    }
    return sum;
}

const struct workload memory_workloads[] = {
    {"chase", chase_setup, chase_run, 1000},
    {"copy", copy_setup, copy_run, 2500},
    {"alias", copy_setup, alias_run, 250},
    {"stride", copy_setup, stride_run, 1500},
    {NULL, NULL, NULL, 0},
};
