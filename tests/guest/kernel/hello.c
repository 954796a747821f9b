// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
        printf("argument %d: %s\n", i, argv[i]);
    }
    const char* value = getenv("KERNEL_TEST");
    printf("environment: %s\n", value == NULL ? "(none)" : value);
    return argc > 1 ? atoi(argv[1]) : 0;
}
