/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs each workload for about TARGET_MS and prints one line for it:
 *   loop NAME ITERATIONS TICKS INSTRUCTIONS RESULT
 * TICKS are of `time` at TIMEBASE_HZ. INSTRUCTIONS are of instret, which counts what it says only
 * where the engine does (QEMU without -icount does not).
 */
#include "platform.h"
#include "workloads.h"

#ifndef TIMEBASE_HZ
#define TIMEBASE_HZ 10000000ul
#endif
#ifndef TARGET_MS
#define TARGET_MS 300ul
#endif

struct sample {
    uint64_t ticks;
    uint64_t instructions;
    uint64_t result;
};

static struct sample measure(workload_fn run, uint64_t iterations) {
    struct sample sample = {0, 0, 0};
    const uint64_t instructions = read_instret();
    const uint64_t start = read_time();
    for (uint64_t n = 0; n < iterations; ++n) {
        sample.result += run();
    }
    sample.ticks = read_time() - start;
    sample.instructions = read_instret() - instructions;
    return sample;
}

int main(void) {
    for (unsigned n = 0; n < workload_count; ++n) {
        const uint64_t target = TARGET_MS * TIMEBASE_HZ / 1000;
        /* The first call sets the workload's data up. */
        struct sample sample = measure(workloads[n].run, 1);
        uint64_t iterations = 1;
        do {
            iterations *= 2;
            sample = measure(workloads[n].run, iterations);
        } while (sample.ticks < target / 16);
        iterations = iterations * target / sample.ticks + 1;
        sample = measure(workloads[n].run, iterations);
        print("loop ");
        print(workloads[n].name);
        print(" ");
        print_number(iterations);
        print(" ");
        print_number(sample.ticks);
        print(" ");
        print_number(sample.instructions);
        print(" ");
        print_number(sample.result);
        print("\n");
    }
    print("end\n");
    return 0;
}
