/* SPDX-License-Identifier: Apache-2.0 */
/* Integer loops, written for this benchmark. */
#include "workloads.h"

#include <stddef.h>

#define NOINLINE __attribute__((noinline))

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint64_t next_random(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Table-driven CRC-32 over 16 KiB. */
static uint32_t crc_table[256];
static uint8_t crc_input[16384];

static uint64_t crc(void) {
    if (crc_table[1] == 0) {
        for (uint32_t n = 0; n < 256; ++n) {
            uint32_t c = n;
            for (int k = 0; k < 8; ++k) {
                c = (c & 1) != 0 ? 0xedb88320u ^ c >> 1 : c >> 1;
            }
            crc_table[n] = c;
        }
        for (size_t n = 0; n < sizeof crc_input; ++n) {
            crc_input[n] = (uint8_t)next_random();
        }
    }
    uint32_t value = 0xffffffffu;
    for (size_t n = 0; n < sizeof crc_input; ++n) {
        value = crc_table[(value ^ crc_input[n]) & 255] ^ value >> 8;
    }
    return value;
}

/* Sieve of Eratosthenes below 32768, by bytes. */
static uint8_t composite[32768];

static uint64_t sieve(void) {
    for (size_t n = 0; n < sizeof composite; ++n) {
        composite[n] = 0;
        __asm__ volatile("" ::: "memory"); /* keep it a loop of byte stores */
    }
    uint64_t primes = 0;
    for (size_t n = 2; n < sizeof composite; ++n) {
        if (composite[n] == 0) {
            ++primes;
            for (size_t m = n * 2; m < sizeof composite; m += n) {
                composite[m] = 1;
            }
        }
    }
    return primes;
}

/* Quicksort of 4096 numbers. */
static uint64_t numbers[4096];

static NOINLINE void quicksort(uint64_t* from, uint64_t* to) {
    while (to - from > 1) {
        const uint64_t pivot = from[(to - from) / 2];
        uint64_t* low = from;
        uint64_t* high = to - 1;
        while (low <= high) {
            while (*low < pivot) {
                ++low;
            }
            while (*high > pivot) {
                --high;
            }
            if (low <= high) {
                const uint64_t held = *low;
                *low++ = *high;
                *high-- = held;
            }
        }
        quicksort(from, high + 1);
        from = low;
    }
}

static uint64_t sort(void) {
    for (size_t n = 0; n < 4096; ++n) {
        numbers[n] = next_random();
    }
    quicksort(numbers, numbers + 4096);
    return numbers[2048];
}

/* Recursive calls. */
static NOINLINE uint64_t fibonacci(uint64_t n) {
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static uint64_t fib(void) {
    return fibonacci(20);
}

/* String and hash work: tokenise a text and count its words in an open hash table. */
static char text[8192];
static uint64_t counts[1024];
static uint64_t keys[1024];

static uint64_t hash(void) {
    if (text[0] == 0) {
        for (size_t n = 0; n < sizeof text; ++n) {
            const uint64_t r = next_random();
            text[n] = r % 6 == 0 ? ' ' : (char)('a' + r / 8 % 7);
        }
    }
    for (size_t n = 0; n < 1024; ++n) {
        keys[n] = 0;
        counts[n] = 0;
    }
    uint64_t distinct = 0;
    size_t at = 0;
    while (at < sizeof text) {
        uint64_t h = 0xcbf29ce484222325;
        while (at < sizeof text && text[at] != ' ') {
            h = (h ^ (uint8_t)text[at++]) * 0x100000001b3;
        }
        ++at;
        size_t slot = h >> 20 & 1023;
        size_t probes = 0;
        while (keys[slot] != 0 && keys[slot] != h && ++probes < 64) {
            slot = (slot + 1) & 1023;
        }
        distinct += keys[slot] == 0;
        keys[slot] = h;
        ++counts[slot];
    }
    return distinct;
}

/* Multiplications, divisions and remainders in one dependent chain and two independent ones. */
static uint64_t muldiv(void) {
    uint64_t a = 0x123456789abcdef, b = 0xfedcba987654321, c = 7;
    for (uint64_t n = 1; n < 2048; ++n) {
        a = a * 6364136223846793005u + n;
        b = b / (n | 3) + (a >> 7) % (n + 17);
        c += (b * c) >> 5;
        a ^= c * n;
    }
    return a + b + c;
}

/* Pointer chase through 512 KiB. */
struct link {
    struct link* next;
    uint64_t padding[7];
};
static struct link links[8192];

static uint64_t chase(void) {
    if (links[0].next == NULL) {
        /* A full-period generator visits every element once. */
        uint64_t at = 0;
        for (size_t n = 0; n < 8192; ++n) {
            const uint64_t to = (at * 4093 + 1237) & 8191;
            links[at].next = &links[to];
            at = to;
        }
    }
    const struct link* at = links;
    for (size_t n = 0; n < 8192; ++n) {
        at = at->next;
    }
    return (uint64_t)(uintptr_t)at;
}

/* An interpreter inside: indirect dispatch over a byte code. */
enum { PUSH, ADD, MUL, XOR, DUP, SWAP, DROP, LOOP };
static const uint8_t byte_code[] = {PUSH, 3,    PUSH, 5,   ADD,  DUP, MUL,  PUSH, 11,  XOR, PUSH,
                                    7,    SWAP, ADD,  DUP, PUSH, 9,   SWAP, MUL,  XOR, ADD, LOOP};

static uint64_t dispatch(void) {
    uint64_t stack[64] = {0};
    uint64_t* top = stack + 8;
    unsigned rounds = 512;
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
        case LOOP:
            if (--rounds == 0) {
                return *top;
            }
            at = byte_code;
            top = stack + 8;
            break;
        default:
            __builtin_unreachable();
        }
    }
}

const struct workload workloads[] = {
    {"crc", crc},
    {"sieve", sieve},
    {"sort", sort},
    {"fib", fib},
    {"hash", hash},
    {"muldiv", muldiv},
    {"chase", chase},
    {"dispatch", dispatch},
};
const unsigned workload_count = sizeof workloads / sizeof workloads[0];
