/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the guest does is said by its command line:
 *   only=A,B     run these workloads (default: all) and print for each
 *                  result NAME class=C ticks=T instructions=I checksum=X
 *   mode=timer   busy work under a periodic timer; prints how late interrupts came
 *   mode=pair    busy work on one hart, then on two at once
 *   mode=spin    endless busy work of the kind `spin=` says
 *   hold=1       in the end wait instead of powering off
 * Ticks are of `time`. Instructions are of instret, which is right where the engine counts.
 */
#include "platform.h"
#include "system.h"

static int equal(const char* a, const char* b) {
    while (*a != 0 && *a == *b) {
        ++a;
        ++b;
    }
    return *a == *b;
}

/* Is `name` one of the comma-separated words in `list`? */
static int listed(const char* list, const char* name) {
    while (*list != 0) {
        size_t n = 0;
        while (name[n] != 0 && list[n] == name[n]) {
            ++n;
        }
        if (name[n] == 0 && (list[n] == ',' || list[n] == 0)) {
            return 1;
        }
        while (*list != 0 && *list++ != ',') {
        }
    }
    return 0;
}

static uint64_t now(void) {
    return read_csr(time);
}

static void measure(const char* group, const struct workload* workload) {
    workload->setup();
    workload->run(workload->count / 8 + 1);
    workload->setup();
    const uint64_t instructions = read_csr(instret);
    const uint64_t start = now();
    const uint64_t checksum = workload->run(workload->count);
    const uint64_t ticks = now() - start;
    const uint64_t retired = read_csr(instret) - instructions;
    print("result ");
    print(workload->name);
    print(" class=");
    print(group);
    print_field("ticks", ticks);
    print_field("instructions", retired);
    print_field("checksum", checksum);
    print("\n");
}

static void measure_all(const char* group, const struct workload* workload) {
    for (; workload->name != NULL; ++workload) {
        const char* only = option("only");
        if (*only == 0 || listed(only, workload->name)) {
            measure(group, workload);
        }
    }
}

/* How late timer interrupts come while work goes on: a deadline after another, 200 us and some. */
#define LATENESSES 2000
static uint32_t lateness[LATENESSES];
static volatile uint64_t timer_count;
static uint64_t timer_next;

void timer_interrupt(uint64_t arrived);
void timer_interrupt(uint64_t arrived) {
    const uint64_t n = timer_count;
    if (n < LATENESSES) {
        lateness[n] = (uint32_t)(arrived - timer_next);
    }
    timer_count = n + 1;
    timer_next = n + 1 < LATENESSES ? now() + 2000 + n * 7919 % 997 : ~0ul;
    sbi_call(SBI_TIME, 0, timer_next, 0, 0);
}

static void sort_latenesses(void) {
    for (size_t at = 1; at < LATENESSES; ++at) {
        const uint32_t held = lateness[at];
        size_t hole = at;
        for (; hole > 0 && lateness[hole - 1] > held; --hole) {
            lateness[hole] = lateness[hole - 1];
        }
        lateness[hole] = held;
    }
}

static void timer_mode(void) {
    write_csr(stvec, timer_trap);
    timer_next = now() + 10000;
    sbi_call(SBI_TIME, 0, timer_next, 0, 0);
    set_csr(sie, SIE_STIE);
    set_csr(sstatus, SSTATUS_SIE);
    uint64_t sum = 0;
    while (timer_count < LATENESSES) {
        sum += busy_work(1);
    }
    clear_csr(sstatus, SSTATUS_SIE);
    sort_latenesses();
    print("timer");
    print_field("p50", lateness[LATENESSES / 2]);
    print_field("p99", lateness[LATENESSES * 99 / 100]);
    print_field("max", lateness[LATENESSES - 1]);
    print_field("checksum", sum != 0);
    print("\n");
}

/* One hart, then two. */
extern void second_start(void);
static volatile uint64_t second_go, second_done, second_sum;

static void second_main(void) {
    busy_work(BUSY_COUNT / 8);
    second_done = 1;
    while (second_go == 0) {
    }
    second_sum = busy_work(BUSY_COUNT);
    __asm__ volatile("fence rw, w" ::: "memory");
    second_done = 2;
}

static void pair_mode(uint64_t hart) {
    busy_work(BUSY_COUNT / 8);
    uint64_t start = now();
    const uint64_t alone_sum = busy_work(BUSY_COUNT);
    const uint64_t alone = now() - start;
    /* OpenSBI refuses until the other hart has come through its own start. */
    const uint64_t patience = now() + 10 * TIMEBASE_HZ;
    while (sbi_call(SBI_HSM, 0, 1 - hart, (uintptr_t)second_start, (uintptr_t)second_main).error
           != 0) {
        if (now() > patience) {
            print("no second hart\n");
            power_off(1);
        }
    }
    while (second_done != 1) {
    }
    start = now();
    second_go = 1;
    const uint64_t first_sum = busy_work(BUSY_COUNT);
    while (second_done != 2) {
    }
    const uint64_t both = now() - start;
    __asm__ volatile("fence r, rw" ::: "memory");
    print("pair");
    print_field("alone", alone);
    print_field("both", both);
    print_field("checksum", alone_sum == first_sum && first_sum == second_sum ? first_sum : 0);
    print("\n");
}

/* Work that never ends and never lets the host in by itself. */
static void spin_mode(void) {
    print("spinning\n");
    const char* kind = option("spin");
    if (equal(kind, "jump")) {
        for (;;) {
            __asm__ volatile("" ::: "memory");
        }
    }
    const struct workload* workload = integer_workloads;
    if (equal(kind, "calls")) {
        workload = control_workloads;
    } else if (equal(kind, "chase")) {
        workload = memory_workloads;
    } else if (equal(kind, "float")) {
        workload = float_workloads;
    }
    workload->setup();
    for (;;) {
        workload->run(1ul << 40);
    }
}

int main(uint64_t hart);
int main(uint64_t hart) {
    if (equal(option("mode"), "timer")) {
        timer_mode();
    } else if (equal(option("mode"), "pair")) {
        pair_mode(hart);
    } else if (equal(option("mode"), "spin")) {
        spin_mode();
    } else {
        measure_all("integer", integer_workloads);
        measure_all("control", control_workloads);
        measure_all("memory", memory_workloads);
        measure_all("memory", page_workloads);
        measure_all("float", float_workloads);
        measure_all("system", system_workloads);
    }
    print("end\n");
    while (*option("hold") != 0) {
        __asm__ volatile("wfi");
    }
    return 0;
}
