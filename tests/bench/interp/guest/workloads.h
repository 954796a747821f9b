/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WORKLOADS_H
#define WORKLOADS_H

#include <stdint.h>

/* One iteration's worth of work; the result depends on all of it. */
typedef uint64_t (*workload_fn)(void);

struct workload {
    const char* name;
    workload_fn run;
};

extern const struct workload workloads[];
extern const unsigned workload_count;

#endif
