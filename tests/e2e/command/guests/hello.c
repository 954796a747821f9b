/* SPDX-License-Identifier: Apache-2.0 */
/* As a newcomer would write it. */
#include <stdio.h>

int main(int argc, char** argv) {
    printf("hello from C, %d words, last %s\n", argc, argv[argc - 1]);
    return 7;
}
