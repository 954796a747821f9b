/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USER_H
#define USER_H

#include <stddef.h>
#include <stdint.h>

enum { SYSTEM_ID = 1, SYSTEM_WRITE = 2, SYSTEM_READ = 3, SYSTEM_EXIT = 93 };

/* Entries in U-mode: `count` rounds beginning with `sum`; they end with SYSTEM_EXIT(sum). */
void user_traps(uint64_t count, uint64_t sum);
void user_calls(uint64_t count, uint64_t sum);

#endif
