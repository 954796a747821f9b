// SPDX-License-Identifier: Apache-2.0
// open_files FILE: opens it as often as it can, twice over, and says how often and why no more.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char** argv) {
    int files[1024];
    if (argc != 2) {
        return 2;
    }
    for (int round = 0; round < 2; ++round) {
        int count = 0;
        while (count < 1024 && (files[count] = open(argv[1], O_RDONLY)) >= 0) {
            ++count;
        }
        printf("%d files, then: %s\n", count, strerror(errno));
        while (count > 0) {
            close(files[--count]);
        }
    }
    return 0;
}
