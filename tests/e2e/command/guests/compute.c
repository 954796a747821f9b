/* SPDX-License-Identifier: Apache-2.0 */
/* Says that it runs, then computes until it is ended. */
#include <stdio.h>

int main(void) {
    puts("ready");
    fflush(stdout);
    for (volatile unsigned long i = 0;; ++i) {
    }
}
