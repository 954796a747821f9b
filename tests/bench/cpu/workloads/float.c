/* SPDX-License-Identifier: Apache-2.0 */
/* Floating point. Both compilations contract nothing (-ffp-contract=off), so results agree bit for
 * bit. */
#include "workload.h"

static uint64_t double_bits(double value) {
    uint64_t bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    return bits;
}

static uint32_t float_bits(float value) {
    uint32_t bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Between -1 and 1, every value exact in a float. */
static double small_random(uint64_t* random) {
    return (double)((int64_t)(next_random(random) >> 41) - (1 << 22)) / (1 << 22);
}

/* 15x15 double matrix product. */
#define SIDE 15
static double left[SIDE][SIDE], right[SIDE][SIDE], product[SIDE][SIDE];

static void matmul_setup(void) {
    uint64_t random = 0x9e3779b97f4a7c15;
    for (size_t n = 0; n < SIDE * SIDE; ++n) {
        left[n / SIDE][n % SIDE] = small_random(&random);
        right[n / SIDE][n % SIDE] = small_random(&random);
    }
}

static NOINLINE void multiply(void) {
    for (size_t row = 0; row < SIDE; ++row) {
        for (size_t column = 0; column < SIDE; ++column) {
            double sum = 0;
            for (size_t n = 0; n < SIDE; ++n) {
                sum += left[row][n] * right[n][column];
            }
            product[row][column] = sum;
        }
    }
}

static uint64_t matmul_run(uint64_t count) {
    uint64_t sum = 0;
    for (; count != 0; --count) {
        multiply();
        const size_t at = count % SIDE;
        sum = mix(sum, double_bits(product[at][SIDE - 1 - at]));
        left[at][0] = product[0][at] / SIDE;
    }
    return sum;
}

/* n-body: five bodies, symplectic Euler. */
struct body {
    double x, y, z, vx, vy, vz, mass;
};
#define BODIES 5
static struct body bodies[BODIES];

static void nbody_setup(void) {
    uint64_t random = 0xda3e39cb94b95bdb;
    for (size_t n = 0; n < BODIES; ++n) {
        bodies[n].x = 10 * (double)n + small_random(&random);
        bodies[n].y = 8 * small_random(&random);
        bodies[n].z = 3 * small_random(&random);
        bodies[n].vx = small_random(&random) / 8;
        bodies[n].vy = small_random(&random) / 8;
        bodies[n].vz = small_random(&random) / 8;
        bodies[n].mass = n == 0 ? 40 : 0.03 * (double)n;
    }
}

static void nbody_step(double dt) {
    for (size_t i = 0; i < BODIES; ++i) {
        struct body* a = &bodies[i];
        for (size_t j = i + 1; j < BODIES; ++j) {
            struct body* b = &bodies[j];
            const double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
            const double square = dx * dx + dy * dy + dz * dz + 0.001;
            const double scale = dt / (square * __builtin_sqrt(square));
            a->vx -= dx * b->mass * scale;
            a->vy -= dy * b->mass * scale;
            a->vz -= dz * b->mass * scale;
            b->vx += dx * a->mass * scale;
            b->vy += dy * a->mass * scale;
            b->vz += dz * a->mass * scale;
        }
    }
    for (size_t i = 0; i < BODIES; ++i) {
        bodies[i].x += dt * bodies[i].vx;
        bodies[i].y += dt * bodies[i].vy;
        bodies[i].z += dt * bodies[i].vz;
    }
}

static uint64_t nbody_run(uint64_t count) {
    for (uint64_t n = 0; n < count * 16; ++n) {
        nbody_step(0.001);
    }
    uint64_t sum = 0;
    for (size_t n = 0; n < BODIES; ++n) {
        sum = mix(mix(sum, double_bits(bodies[n].x)), double_bits(bodies[n].vz));
    }
    return sum;
}

/* Single precision: a filter of 16 taps and a resonator behind it. */
#define SAMPLES 1024
#define TAPS 16
static float samples[SAMPLES + TAPS], taps[TAPS], filtered[SAMPLES];

static void filter_setup(void) {
    uint64_t random = 0x853c49e6748fea9b;
    for (size_t n = 0; n < SAMPLES + TAPS; ++n) {
        samples[n] = (float)small_random(&random);
    }
    for (size_t n = 0; n < TAPS; ++n) {
        taps[n] = (float)small_random(&random) / TAPS;
    }
}

static uint64_t filter_run(uint64_t count) {
    uint64_t sum = 0;
    float y1 = 0, y2 = 0;
    for (; count != 0; --count) {
        for (size_t n = 0; n < SAMPLES; ++n) {
            float value = 0;
            for (size_t k = 0; k < TAPS; ++k) {
                value += taps[k] * samples[n + k];
            }
            const float y = value + 1.2f * y1 - 0.5f * y2;
            y2 = y1;
            y1 = y;
            filtered[n] = y;
        }
        samples[count % SAMPLES] = filtered[count * 7 % SAMPLES] / 16;
        sum = mix(sum, float_bits(y1));
    }
    return sum;
}

/* Mandelbrot set: short dependent chains, a comparison and a branch in each step. */
static uint64_t mandelbrot_run(uint64_t count) {
    uint64_t sum = 0;
    for (uint64_t line = 0; line < count; ++line) {
        for (unsigned column = 0; column < 64; ++column) {
            const double cx = -2 + column * (3.0 / 64),
                         cy = -1.1 + (double)(line & 63) * (2.2 / 64);
            double x = 0, y = 0;
            unsigned n = 0;
            for (; n < 128 && x * x + y * y < 4; ++n) {
                const double next = x * x - y * y + cx;
                y = 2 * x * y + cy;
                x = next;
            }
            sum += n;
        }
        sum = mix(sum, line);
    }
    return sum;
}

/* Conversions between integers, floats and doubles, sign operations, minimum and maximum. */
#define VALUES 512
static double values[VALUES];

static void convert_setup(void) {
    uint64_t random = 0x2545f4914f6cdd1d;
    for (size_t n = 0; n < VALUES; ++n) {
        values[n] = small_random(&random) * (double)(1ul << (n & 30));
    }
}

static uint64_t convert_run(uint64_t count) {
    uint64_t sum = 0;
    for (; count != 0; --count) {
        double low = 0, high = 0;
        for (size_t n = 0; n < VALUES; ++n) {
            const double value = values[n];
            const int32_t word = (int32_t)value;
            const int64_t doubled = (int64_t)(value * 1024);
            const uint32_t natural = (uint32_t)__builtin_fabs(value);
            const float narrow = (float)value;
            const double back = (double)narrow + (double)word + (float)doubled + (double)natural;
            low = back < low ? back : low;
            high = back > high ? back : high;
            sum += (uint64_t)doubled ^ (uint64_t)(int64_t)word ^ float_bits(-narrow) ^ natural;
        }
        sum = mix(sum, double_bits(low) ^ double_bits(high));
        values[count % VALUES] = (double)(int64_t)(sum >> 32) / 4;
    }
    return sum;
}

static void no_setup(void) {}

const struct workload float_workloads[] = {
    {"matmul", matmul_setup, matmul_run, 9000},
    {"nbody", nbody_setup, nbody_run, 8000},
    {"filter", filter_setup, filter_run, 600},
    {"mandelbrot", no_setup, mandelbrot_run, 1600},
    {"convert", convert_setup, convert_run, 3600},
    {NULL, NULL, NULL, 0},
};
