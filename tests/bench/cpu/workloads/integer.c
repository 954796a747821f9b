/* SPDX-License-Identifier: Apache-2.0 */
/* Integer work: tables, bytes, words, multiplication and division. */
#include "workload.h"

/* Table-driven CRC-32 over 16 KiB. */
static uint32_t crc_table[256];
static uint8_t crc_input[16384];

static void make_crc_table(uint32_t* table) {
    for (uint32_t n = 0; n < 256; ++n) {
        uint32_t c = n;
        for (int k = 0; k < 8; ++k) {
            c = (c & 1) != 0 ? 0xedb88320u ^ c >> 1 : c >> 1;
        }
        table[n] = c;
    }
}

static void crc_setup(void) {
    uint64_t random = 0x9e3779b97f4a7c15;
    make_crc_table(crc_table);
    for (size_t n = 0; n < sizeof crc_input; ++n) {
        crc_input[n] = (uint8_t)next_random(&random);
    }
}

static uint64_t crc_run(uint64_t count) {
    uint32_t value = 0xffffffffu;
    for (; count != 0; --count) {
        for (size_t n = 0; n < sizeof crc_input; ++n) {
            value = crc_table[(value ^ crc_input[n]) & 255] ^ value >> 8;
        }
    }
    return value;
}

/* Sieve of Eratosthenes below 65536, by bytes. */
static uint8_t composite[65536];

static void sieve_setup(void) {}

static uint64_t sieve_run(uint64_t count) {
    uint64_t sum = 0;
    for (; count != 0; --count) {
        for (size_t n = 0; n < sizeof composite; ++n) {
            composite[n] = 0;
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
        sum = mix(sum, primes);
    }
    return sum;
}

/* Quicksort of 4096 random numbers, with insertion sort for the last few. */
static uint64_t numbers[4096];
static uint64_t sort_random;

static void sort_setup(void) {
    sort_random = 88172645463325252;
}

static void insertion_sort(uint64_t* from, uint64_t* to) {
    for (uint64_t* at = from + 1; at < to; ++at) {
        const uint64_t held = *at;
        uint64_t* hole = at;
        for (; hole > from && hole[-1] > held; --hole) {
            *hole = hole[-1];
        }
        *hole = held;
    }
}

static NOINLINE void quicksort(uint64_t* from, uint64_t* to) {
    while (to - from > 12) {
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
    insertion_sort(from, to);
}

static uint64_t sort_run(uint64_t count) {
    uint64_t sum = 0;
    for (; count != 0; --count) {
        for (size_t n = 0; n < 4096; ++n) {
            numbers[n] = next_random(&sort_random);
        }
        quicksort(numbers, numbers + 4096);
        for (size_t n = 0; n < 4096; n += 256) {
            sum = mix(sum, numbers[n]);
        }
    }
    return sum;
}

/* Multiplications of all kinds, with one division and one remainder in each round. */
static void muldiv_setup(void) {}

static uint64_t muldiv_run(uint64_t count) {
    uint64_t a = 0x123456789abcdef, b = 0xfedcba987654321, c = 7;
    int32_t d = 0x7654321;
    for (uint64_t n = 1; n < count * 1024; ++n) {
        a = a * 6364136223846793005u + n;
        b = b * 31 + a / (c | 0xfffff);
        c += (uint64_t)((unsigned __int128)a * b >> 64) + b * n;
        c ^= (uint64_t)((__int128)(int64_t)b * (int64_t)c >> 64);
        d = d * 1103515245 + (int32_t)a % (int32_t)(n | 0x401);
        a ^= c * (uint64_t)(int64_t)d + b / 10;
    }
    return a + b + c + (uint64_t)d;
}

/* Splits a text into words and counts them in an open hash table. */
static char text[16384];
static uint64_t keys[1024];
static uint64_t word_counts[1024];

static void text_setup(void) {
    uint64_t random = 0x2545f4914f6cdd1d;
    for (size_t n = 0; n < sizeof text - 1; ++n) {
        const uint64_t r = next_random(&random);
        text[n] = r % 6 == 0 ? ' ' : (char)('a' + r / 8 % 7);
    }
    text[sizeof text - 1] = 0;
}

static uint64_t hash_run(uint64_t count) {
    uint64_t sum = 0;
    for (; count != 0; --count) {
        for (size_t n = 0; n < 1024; ++n) {
            keys[n] = 0;
            word_counts[n] = 0;
        }
        for (const char* at = text; *at != 0; ++at) {
            uint64_t h = 0xcbf29ce484222325;
            while (*at != ' ' && at[1] != 0) {
                h = (h ^ (uint8_t)*at++) * 0x100000001b3;
            }
            size_t slot = h >> 20 & 1023;
            for (size_t probes = 0; keys[slot] != 0 && keys[slot] != h && probes < 64; ++probes) {
                slot = (slot + 1) & 1023;
            }
            keys[slot] = h;
            ++word_counts[slot];
        }
        sum = mix(sum, keys[count & 1023] + word_counts[count * 7 & 1023]);
    }
    return sum;
}

/* C strings: length, comparison, search, numbers to text and back. */
static size_t string_length(const char* s) {
    const char* at = s;
    while (*at != 0) {
        ++at;
    }
    return (size_t)(at - s);
}

static const char* string_find(const char* in, const char* what) {
    for (; *in != 0; ++in) {
        size_t n = 0;
        while (what[n] != 0 && in[n] == what[n]) {
            ++n;
        }
        if (what[n] == 0) {
            return in;
        }
    }
    return NULL;
}

static size_t print_decimal(char* to, uint64_t value) {
    char digits[20];
    size_t n = 0;
    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    for (size_t k = 0; k < n; ++k) {
        to[k] = digits[n - 1 - k];
    }
    to[n] = 0;
    return n;
}

static uint64_t parse_decimal(const char* from) {
    uint64_t value = 0;
    for (; *from >= '0' && *from <= '9'; ++from) {
        value = value * 10 + (uint64_t)(*from - '0');
    }
    return value;
}

static uint64_t string_run(uint64_t count) {
    uint64_t sum = string_length(text);
    char number[24];
    for (; count != 0; --count) {
        for (const char* at = text; (at = string_find(at, "bad")) != NULL; ++at) {
            sum += (uint64_t)(at - text);
        }
        for (unsigned n = 0; n < 32; ++n) {
            sum = mix(sum, print_decimal(number, sum) + string_length(number));
            sum += parse_decimal(number);
        }
    }
    return sum;
}

/* SHA-256 of one buffer after another; rotations, additions, a schedule in memory. */
static const uint32_t sha_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t value, unsigned by) {
    return value >> by | value << (32 - by);
}

static void sha_block(uint32_t state[8], const uint8_t* bytes) {
    uint32_t w[64];
    for (size_t n = 0; n < 16; ++n) {
        w[n] = (uint32_t)bytes[4 * n] << 24 | (uint32_t)bytes[4 * n + 1] << 16
               | (uint32_t)bytes[4 * n + 2] << 8 | bytes[4 * n + 3];
    }
    for (size_t n = 16; n < 64; ++n) {
        const uint32_t s0 = rotate(w[n - 15], 7) ^ rotate(w[n - 15], 18) ^ w[n - 15] >> 3;
        const uint32_t s1 = rotate(w[n - 2], 17) ^ rotate(w[n - 2], 19) ^ w[n - 2] >> 10;
        w[n] = w[n - 16] + s0 + w[n - 7] + s1;
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (size_t n = 0; n < 64; ++n) {
        const uint32_t s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
        const uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + sha_constants[n] + w[n];
        const uint32_t s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
        const uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

static uint64_t sha_run(uint64_t count) {
    uint32_t state[8] = {
        0x6a09e667,
        0xbb67ae85,
        0x3c6ef372,
        0xa54ff53a,
        0x510e527f,
        0x9b05688c,
        0x1f83d9ab,
        0x5be0cd19
    };
    for (; count != 0; --count) {
        for (size_t at = 0; at < sizeof crc_input; at += 64) {
            sha_block(state, &crc_input[at]);
        }
    }
    return (uint64_t)state[0] << 32 | state[7];
}

uint64_t busy_work(uint64_t count) {
    uint32_t table[256];
    uint64_t values[256];
    uint64_t sum = 0, random = 0x9e3779b97f4a7c15;
    make_crc_table(table);
    for (; count != 0; --count) {
        for (size_t n = 0; n < 256; ++n) {
            values[n] = next_random(&random);
        }
        insertion_sort(values, values + 64);
        for (size_t n = 0; n < 256; ++n) {
            sum = table[(sum ^ values[n]) & 255] ^ sum >> 8;
            sum = sum * 31 + values[n] / (sum | 1);
        }
    }
    return sum;
}

const struct workload integer_workloads[] = {
    {"crc", crc_setup, crc_run, 1600},
    {"sieve", sieve_setup, sieve_run, 250},
    {"sort", sort_setup, sort_run, 360},
    {"muldiv", muldiv_setup, muldiv_run, 8000},
    {"hash", text_setup, hash_run, 900},
    {"string", text_setup, string_run, 3600},
    {"sha256", crc_setup, sha_run, 600},
    {NULL, NULL, NULL, 0},
};
