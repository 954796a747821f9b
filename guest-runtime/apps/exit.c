// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>

/// exit N: ends with status N (0..255).
int main(int argc, char** argv) {
    char* end = NULL;
    long status = argc == 2 ? strtol(argv[1], &end, 10) : -1;
    if (argc != 2 || *end != '\0' || status < 0 || status > 255) {
        fputs("usage: exit STATUS (0..255)\n", stderr);
        return 2;
    }
    return (int)status;
}
