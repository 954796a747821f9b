/* SPDX-License-Identifier: Apache-2.0 */
/* Control flow: calls, returns, indirect calls and jumps. */
#include "workload.h"

/* Without it the compiler turns the second call into a loop. */
#define REAL_CALLS __attribute__((noinline, disable_tail_calls))

static void no_setup(void) {}

/* Recursive calls. */
static REAL_CALLS uint64_t fibonacci(uint64_t n) {
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static uint64_t fib_run(uint64_t count) {
    uint64_t sum = 0;
    for (; count != 0; --count) {
        sum = mix(sum, fibonacci(20 + (count & 1)));
    }
    return sum;
}

/* Calls to a depth of 64 and all the way back, far beyond what return predictors hold; three
 * functions in turn, each with two places to call from. */
static REAL_CALLS uint64_t deep_b(uint64_t depth, uint64_t seed);
static REAL_CALLS uint64_t deep_c(uint64_t depth, uint64_t seed);

static REAL_CALLS uint64_t deep_a(uint64_t depth, uint64_t seed) {
    if (depth == 0) {
        return seed;
    }
    return (depth & 4) != 0 ? deep_b(depth - 1, seed + 1) + depth
                            : deep_c(depth - 1, seed + 3) ^ depth;
}

static REAL_CALLS uint64_t deep_b(uint64_t depth, uint64_t seed) {
    if (depth == 0) {
        return seed;
    }
    return (depth & 2) != 0 ? deep_c(depth - 1, seed * 3) - depth
                            : deep_a(depth - 1, seed + 5) + 2 * depth;
}

static REAL_CALLS uint64_t deep_c(uint64_t depth, uint64_t seed) {
    if (depth == 0) {
        return seed;
    }
    return (depth & 8) != 0 ? deep_a(depth - 1, seed >> 1) + 7
                            : deep_b(depth - 1, seed + 9) ^ (depth << 3);
}

static uint64_t deep_run(uint64_t count) {
    uint64_t sum = 0;
    for (uint64_t n = 0; n < count; ++n) {
        sum = mix(sum, deep_a(64, sum + n));
    }
    return sum;
}

/* Indirect calls: one place that calls eight functions in a random order. */
static NOINLINE uint64_t call_add(uint64_t a, uint64_t b) {
    return a + b;
}
static NOINLINE uint64_t call_sub(uint64_t a, uint64_t b) {
    return a - b;
}
static NOINLINE uint64_t call_xor(uint64_t a, uint64_t b) {
    return a ^ b;
}
static NOINLINE uint64_t call_and(uint64_t a, uint64_t b) {
    return (a & b) + 1;
}
static NOINLINE uint64_t call_or(uint64_t a, uint64_t b) {
    return a | b << 1;
}
static NOINLINE uint64_t call_left(uint64_t a, uint64_t b) {
    return a << (b & 7);
}
static NOINLINE uint64_t call_right(uint64_t a, uint64_t b) {
    return (a >> (b & 15)) + b;
}
static NOINLINE uint64_t call_mul(uint64_t a, uint64_t b) {
    return a * (b | 1);
}

typedef uint64_t (*binary_fn)(uint64_t a, uint64_t b);
static const volatile binary_fn functions[8] = {
    call_add,
    call_sub,
    call_xor,
    call_and,
    call_or,
    call_left,
    call_right,
    call_mul,
};
static uint8_t call_order[4096];

static void calls_setup(void) {
    uint64_t random = 0x853c49e6748fea9b;
    for (size_t n = 0; n < sizeof call_order; ++n) {
        call_order[n] = (uint8_t)(next_random(&random) >> 11 & 7);
    }
}

static uint64_t calls_run(uint64_t count) {
    uint64_t sum = 1;
    for (; count != 0; --count) {
        for (size_t n = 0; n < sizeof call_order; ++n) {
            sum = functions[call_order[n]](sum, n);
        }
    }
    return sum;
}

/* Callbacks: a heap sort that compares through a pointer, always to the same function. */
typedef int (*compare_fn)(const uint64_t* a, const uint64_t* b);
static uint64_t heap[1024];

static NOINLINE int compare_low_words(const uint64_t* a, const uint64_t* b) {
    return (uint32_t)*a<(uint32_t)*b ? -1 : (uint32_t)*a>(uint32_t) * b;
}

static volatile compare_fn comparison = compare_low_words;

static void sift_down(uint64_t* items, size_t at, size_t size, compare_fn compare) {
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= size) {
            return;
        }
        child += child + 1 < size && compare(&items[child], &items[child + 1]) < 0;
        if (compare(&items[at], &items[child]) >= 0) {
            return;
        }
        const uint64_t held = items[at];
        items[at] = items[child];
        items[child] = held;
        at = child;
    }
}

static uint64_t callback_run(uint64_t count) {
    uint64_t sum = 0, random = 0xda3e39cb94b95bdb;
    const compare_fn compare = comparison;
    for (; count != 0; --count) {
        for (size_t n = 0; n < 1024; ++n) {
            heap[n] = next_random(&random);
        }
        for (size_t n = 512; n-- > 0;) {
            sift_down(heap, n, 1024, compare);
        }
        for (size_t n = 1023; n > 0; --n) {
            const uint64_t held = heap[0];
            heap[0] = heap[n];
            heap[n] = held;
            sift_down(heap, 0, n, compare);
        }
        sum = mix(sum, heap[count & 1023]);
    }
    return sum;
}

/* An interpreter with one switch: a single indirect jump that goes everywhere. */
enum { PUSH, ADD, MUL, XOR, DUP, SWAP, DROP, OVER, SHIFT, LOOP };
static const uint8_t byte_code[] = {
    DUP,  SHIFT, PUSH, 5,    ADD, DUP,   MUL, PUSH, 11,   XOR, PUSH, 7,   SWAP, ADD,  DUP,  PUSH, 9,
    SWAP, MUL,   XOR,  OVER, ADD, SHIFT, DUP, DROP, PUSH, 2,   OVER, XOR, ADD,  SWAP, DROP, LOOP,
};

static uint64_t switch_run(uint64_t count) {
    uint64_t stack[64] = {1, 2, 3, 4, 5, 6, 7, 8};
    uint64_t* top = stack + 8;
    const uint8_t* at = byte_code;
    for (;;) {
        switch (*at++) {
        case PUSH:
            *++top = *at++;
            break;
        case ADD:
            top[-1] += top[0];
            --top;
            break;
        case MUL:
            top[-1] *= top[0];
            --top;
            break;
        case XOR:
            top[-1] ^= top[0];
            --top;
            break;
        case DUP:
            top[1] = top[0];
            ++top;
            break;
        case SWAP: {
            const uint64_t held = top[0];
            top[0] = top[-1];
            top[-1] = held;
            break;
        }
        case DROP:
            --top;
            break;
        case OVER:
            top[1] = top[-1];
            ++top;
            break;
        case SHIFT:
            top[0] = top[0] >> 3 | top[0] << 61;
            break;
        default:
            stack[8] += top[0];
            top = stack + 8;
            at = byte_code;
            if (--count == 0) {
                return stack[8];
            }
        }
    }
}

/* The same machine threaded: an indirect jump at the end of each operation. */
static uint64_t threaded_run(uint64_t count) {
    static const void* const labels[] = {
        &&push,
        &&add,
        &&mul,
        &&xor,
        &&dup,
        &&swap,
        &&drop,
        &&over,
        &&shift,
        &&loop,
    };
    uint64_t stack[64] = {1, 2, 3, 4, 5, 6, 7, 8};
    uint64_t* top = stack + 8;
    uint64_t held;
    const uint8_t* at = byte_code;
#define NEXT goto* labels[*at++]
    NEXT;
push:
    *++top = *at++;
    NEXT;
add:
    top[-1] += top[0];
    --top;
    NEXT;
mul:
    top[-1] *= top[0];
    --top;
    NEXT;
    xor : top[-1] ^= top[0];
    --top;
    NEXT;
dup:
    top[1] = top[0];
    ++top;
    NEXT;
swap:
    held = top[0];
    top[0] = top[-1];
    top[-1] = held;
    NEXT;
drop:
    --top;
    NEXT;
over:
    top[1] = top[-1];
    ++top;
    NEXT;
shift:
    top[0] = top[0] >> 3 | top[0] << 61;
    NEXT;
loop:
    stack[8] += top[0];
    top = stack + 8;
    at = byte_code;
    if (--count == 0) {
        return stack[8];
    }
    NEXT;
#undef NEXT
}

const struct workload control_workloads[] = {
    {"fib", no_setup, fib_run, 500},
    {"deep", no_setup, deep_run, 160000},
    {"calls", calls_setup, calls_run, 1500},
    {"callback", no_setup, callback_run, 360},
    {"switch", no_setup, switch_run, 400000},
    {"threaded", no_setup, threaded_run, 400000},
    {NULL, NULL, NULL, 0},
};
