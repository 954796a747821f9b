// SPDX-License-Identifier: Apache-2.0
// Every system call number with addresses that are not ours: an error or a harmless success each
// time, and the process and the kernel go on.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const unsigned long wild[] = {
    0,
    1,
    16,
    0xfff,
    0x3ffffff000,
    0x4000000000,
    0x3fe0000000,
    0x8000000000000000,
    0xffffffc080200000,
    ~0ul - 7,
    ~0ul,
};
#define WILD (sizeof wild / sizeof wild[0])

// Calls that would do what they are asked: end us, wait for ever, or take our memory away.
static int is_dangerous(long number) {
    return number == SYS_exit || number == SYS_exit_group || number == SYS_nanosleep
           || number == SYS_clock_nanosleep || number == SYS_munmap || number == SYS_brk
           || number == SYS_mmap || number == SYS_mprotect || number == SYS_kill
           || number == SYS_tkill || number == SYS_tgkill || number == SYS_read
           || number == SYS_readv || number == SYS_close || number == SYS_dup3
           || number == SYS_write || number == SYS_writev;
}

int main(void) {
    long calls = 0;
    for (long number = 0; number < 470; ++number) {
        for (unsigned i = 0; !is_dangerous(number) && i < WILD; ++i) {
            syscall(
                number,
                wild[i],
                wild[(i + 1) % WILD],
                wild[(i + 2) % WILD],
                wild[(i + 3) % WILD],
                0,
                0
            );
            syscall(number, 1, wild[i], 64, wild[i], wild[i], wild[i]);
            syscall(number, -100, wild[i], 0, wild[i], 0, 0);
            calls += 3;
        }
    }
    for (unsigned i = 0; i < WILD; ++i) {
        const int in_user_half = wild[i] >= 0x3fe0000000 && wild[i] < 0x3ffffff000;
        if (!in_user_half && syscall(SYS_write, 1, wild[i], 64) != -1) {
            printf("write from %#lx succeeded\n", wild[i]);
            return 1;
        }
        for (long number = 0x1000; number < 0x1010; ++number) {
            if (number != 0x1004 && number != 0x1005) {
                syscall(number, wild[i], wild[i], wild[i]);
            }
        }
    }
    if (mmap(NULL, 1ul << 45, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED
        || mmap(NULL, 1ul << 36, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
               != MAP_FAILED) {
        printf("a mapping that should fail succeeded\n");
        return 1;
    }
    struct timespec moment = {0, 1000000};
    if (nanosleep(&moment, NULL) != 0) {
        printf("nanosleep: %s\n", strerror(errno));
        return 1;
    }
    printf("survived %s calls\n", calls > 10000 ? "thousands of" : "few");
    return 0;
}
