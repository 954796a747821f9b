// SPDX-License-Identifier: Apache-2.0
// Dies in the way that its argument says.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int overflow(volatile char* above) {
    volatile char frame[16384];
    frame[0] = above[0];
    return overflow(frame) + frame[1];
}

static void exhaust(void) {
    size_t blocks = 0;
    for (char* block; (block = malloc(1 << 20)) != NULL; ++blocks) {
        memset(block, 1, 1 << 20);
    }
    printf("malloc gave up after %s\n", blocks > 8 ? "many blocks" : "few blocks");
}

int main(int argc, char** argv) {
    const char* how = argc > 1 ? argv[1] : "";
    char here = 0;
    if (strcmp(how, "null") == 0) {
        *(volatile int*)16 = 1;
    } else if (strcmp(how, "kernel") == 0) {
        return *(volatile int*)0xffffffc080200000;
    } else if (strcmp(how, "jump") == 0) {
        ((void (*)(void))0x1234560)();
    } else if (strcmp(how, "illegal") == 0) {
        __asm__ volatile(".word 0");
    } else if (strcmp(how, "abort") == 0) {
        abort();
    } else if (strcmp(how, "stack") == 0) {
        return overflow(&here);
    } else if (strcmp(how, "exhaust") == 0) {
        exhaust();
    }
    return 0;
}
